import { hostname, userInfo } from "node:os";
import type { RunRequest } from "../ssh";

/**
 * The lock of a machine, for a script that changes it.
 *
 * @param owner who changes it: the resource's URN; those who have to wait are told, with the user and the computer
 * @param wait how long to wait for others, in ms
 */
export function exclusiveFor(owner: string, wait: number): NonNullable<RunRequest["exclusive"]> {
    return { holder: `${owner}, by ${userInfo().username} on ${hostname()} (process ${process.pid})`, wait };
}
