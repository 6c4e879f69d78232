import { readFileSync } from "node:fs";

/** A process, told apart from a later one with the same number by its start time. */
export interface Owner {
    pid: number;
    /** Clock ticks between the boot of the machine and the start of the process. */
    started: string;
    /** The boot of the machine in which that was. */
    boot: string;
}

/** The process we are in. */
export function thisProcess(): Owner {
    return { pid: process.pid, started: startTime(process.pid) ?? "", boot: bootId() };
}

/** Whether that very process still runs. */
export function isAlive(owner: Owner): boolean {
    return owner.boot === bootId() && startTime(owner.pid) === owner.started;
}

/** Tells one boot of the machine from another. */
export function bootId(): string {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

function startTime(pid: number): string | undefined {
    try {
        const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
        // The name of the program (field 2) may hold spaces and parentheses; what follows the last one may not.
        const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        return fields[0] === "Z" ? undefined : fields[19];
    } catch {
        return undefined;
    }
}
