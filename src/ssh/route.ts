import { connect as openSocket, type Socket } from "node:net";
import { machineName, type ResolvedConnection } from "./connection";
import { openThrough } from "./hop";
import type { Link } from "./link";
import type { Stream } from "./stream";

/**
 * Opens what the SSH connection to a machine goes over.
 *
 * @param hop the jump host in front of the machine, if there is one
 * @param signal calls it off
 * @throws DialFailure, or the error of a socket
 */
export async function openStream(
    connection: ResolvedConnection,
    hop: Link | undefined,
    signal: AbortSignal,
): Promise<Stream> {
    return hop === undefined
        ? openTcp(connection.host, connection.port, signal)
        : openThrough(hop, connection.host, connection.port, machineName(connection));
}

function openTcp(host: string, port: number, signal: AbortSignal): Promise<Socket> {
    return new Promise((resolve, reject) => {
        const socket = openSocket({ host, port, noDelay: true, signal });
        socket.once("error", reject);
        socket.once("connect", () => {
            socket.off("error", reject);
            resolve(socket);
        });
    });
}
