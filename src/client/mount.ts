import { FleetError } from "../errors";
import type { Connection } from "../ssh";
import { clientOptionMistake } from "./options";
import { findSshfs } from "./sshfs";

/** What {@link mountOnClient} mounts, and where. A DockerHost's own outputs fit. */
export interface ClientMountArgs {
    /** How to reach the machine. */
    connection: Connection;
    /** The machine's public SSH key, as the DockerHost has it; no other is accepted then. Default: as `connection` says. */
    hostKey?: string;
    /** The public SSH keys of the jump hosts on the way, as the DockerHost has them. Default: as `connection` says. */
    proxyHostKeys?: Record<string, string>;
    /** The directory of the machine: an absolute path, or one below the login's home directory. */
    path: string;
    /** An empty directory of this computer; it is made where it is missing. */
    mountpoint: string;
    /** Whether nothing can be written. Default false. */
    readOnly?: boolean;
    /**
     * More options of sshfs, such as `"allow_other"`, `"idmap=user"` or `"ServerAliveInterval=5"`. What the connection says, and
     * what the check of the host key rests on, cannot be changed by them.
     */
    options?: string[];
}

/** A directory of a machine that is mounted on this computer. */
export interface ClientMount {
    /** The machine: `"admin@203.0.113.10"`. */
    readonly machine: string;
    /** The host key of the machine, the only one that is accepted while it is mounted. */
    readonly hostKey: string;
    /** What the table of mounts shows: `"admin@203.0.113.10:/srv/data"`. */
    readonly source: string;
    /** The real path of the mount point. */
    readonly mountpoint: string;
    /**
     * Unmounts it, and removes what was made for it: its files, its processes, and the mount point, if that was made and is empty.
     * What nobody answers for any more is let go of. Doing it again does nothing.
     *
     * @throws FleetError MOUNT_BUSY when something uses it; it stays mounted then
     */
    unmount(): Promise<void>;
}

/**
 * Mounts a directory of a machine on the computer on which this runs, as `docker-machine mount` does: with sshfs, which has to be
 * installed (Linux, macOS).
 *
 * The connection is made with OpenSSH's client, to which login, host keys and jump hosts are given as `connection` has them. Only
 * the host key that was seen here first is accepted. When the machine was away, the mount goes on by itself as soon as it
 * is back. It stays until `unmount()`, also beyond the end of this program; `umount` and `fusermount -u` end it, too.
 *
 * @example
 * ```ts
 * const mounted = await mountOnClient({
 *     connection: { host: "203.0.113.10", user: "admin", privateKey },
 *     path: "/srv/data",
 *     mountpoint: "/home/me/data",
 * });
 * try {
 *     await fs.writeFile(`${mounted.mountpoint}/hello`, "hello\n");
 * } finally {
 *     await mounted.unmount();
 * }
 * ```
 *
 * @throws FleetError the errors of every connection; INVALID_ARGUMENT, SSHFS_UNAVAILABLE, MOUNT_CONFLICT, MOUNT_TARGET_UNUSABLE,
 * MOUNT_SOURCE_MISSING, MOUNT_FAILED. Nothing is left of a mount that has failed.
 */
export async function mountOnClient(args: ClientMountArgs): Promise<ClientMount> {
    check(args);
    const programs = findSshfs();
    const { startMount } = require("./start") as typeof import("./start");
    return startMount(args, programs);
}

function check({ path, mountpoint, readOnly, options = [] }: ClientMountArgs): void {
    const bad = (argument: string, problem: string) =>
        new FleetError({ code: "INVALID_ARGUMENT", message: `mountOnClient: ${argument}: ${problem}.` });
    for (const [argument, value] of Object.entries({ path, mountpoint })) {
        if (typeof value !== "string" || value === "") throw bad(argument, "it must be a path");
        if (/[\0-\x1f\x7f]/.test(value)) throw bad(argument, "it has control characters in it");
    }
    if (readOnly !== undefined && typeof readOnly !== "boolean") throw bad("readOnly", "it must be true or false");
    if (!Array.isArray(options) || options.some((option) => typeof option !== "string")) {
        throw bad("options", "it must be a list of options");
    }
    for (const [index, option] of options.entries()) {
        const mistake = clientOptionMistake(option);
        if (mistake !== undefined) throw bad(`options[${index}]`, mistake);
    }
}
