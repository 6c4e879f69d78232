import { randomInt } from "node:crypto";
import { FleetError } from "../errors";
import type { LockRequest } from "./script";

/** Who wants a machine for himself, and how long he waits for it. */
export interface Exclusive {
    /** Who it is, for those who have to wait: stack, resource, user and computer. */
    holder: string;
    /** How long to wait, in ms. */
    wait: number;
}

interface Waiter {
    holder: string;
    go: () => void;
}

interface Queue {
    holder: string;
    since: Date;
    waiting: Waiter[];
}

const queues = new Map<string, Queue>();

/**
 * Waits for our turn at a machine within this process. Those who wait here need no session on the machine; what other
 * processes do is excluded by the lock on the machine itself.
 *
 * @param machine host and port
 * @param onWait called once when there is somebody to wait for
 * @returns gives the turn to the next
 * @throws FleetError MACHINE_LOCKED
 */
export async function takeTurn(
    machine: string,
    request: Exclusive,
    error: (holder: string) => FleetError,
    onWait: (holder: string) => void,
): Promise<() => void> {
    const queue = queues.get(machine);
    if (queue === undefined) {
        queues.set(machine, { holder: request.holder, since: new Date(), waiting: [] });
    } else {
        const current = () => `${queue.holder}, since ${utc(queue.since)}`;
        onWait(current());
        await new Promise<void>((resolve, reject) => {
            const waiter = {
                holder: request.holder,
                go: () => {
                    clearTimeout(timer);
                    resolve();
                },
            };
            const timer = setTimeout(() => {
                queue.waiting.splice(queue.waiting.indexOf(waiter), 1);
                reject(error(current()));
            }, request.wait);
            queue.waiting.push(waiter);
        });
    }
    return () => {
        const ours = queues.get(machine);
        const next = ours?.waiting.shift();
        if (ours === undefined || next === undefined) {
            queues.delete(machine);
        } else {
            ours.holder = next.holder;
            ours.since = new Date();
            next.go();
        }
    };
}

function utc(date: Date): string {
    return `${date.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** The error of one who waited in vain. */
export function lockedError(machine: string, step: string, holder: string, wait: number): FleetError {
    return new FleetError({
        code: "MACHINE_LOCKED",
        machine,
        step,
        message: `Another change is under way: ${holder || "its holder is not known"}. Waited ${Math.round(wait / 1000)} s for it.`,
        cure: "Run the same command again when it has ended.",
    });
}

/** Follows what lock.sh says before the script begins. */
export class LockTalk {
    readonly request: LockRequest;
    /** Whether the script has begun. */
    begun = false;
    /** Who holds the lock that we did not get. */
    lockedBy: string | undefined;
    /** Whether the machine has no flock. */
    unavailable = false;
    #reported: string | undefined;

    constructor(
        exclusive: Exclusive,
        readonly onWait: (holder: string) => void,
        readonly onBegin: () => void,
    ) {
        this.request = {
            mark: `fleet-lock-${randomInt(2 ** 47)}`,
            holder: oneLine(exclusive.holder),
            seconds: Math.ceil(exclusive.wait / 1000),
        };
    }

    /** Takes a line; what does not come from lock.sh is passed over. */
    line(line: string): void {
        if (!line.startsWith(this.request.mark)) {
            return;
        }
        const [word, ...rest] = line.slice(this.request.mark.length + 1).split(" ");
        const holder = rest.join(" ");
        if (word === "begin") {
            this.begun = true;
            this.onBegin();
        } else if (word === "locked") {
            this.lockedBy = holder;
        } else if (word === "unavailable") {
            this.unavailable = true;
        } else if (this.#reported !== holder) {
            this.#reported = holder;
            this.onWait(holder);
        }
    }
}

function oneLine(text: string): string {
    return text
        .replace(/[\s\0]+/g, " ")
        .trim()
        .slice(0, 200);
}
