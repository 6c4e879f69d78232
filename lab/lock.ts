import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Does some work while this is the only process on the machine that holds the lock file. Callers within one process
 * exclude each other too. The kernel takes the lock back when the process dies, however it dies.
 */
export async function withLock<T>(file: string, work: () => Promise<T>): Promise<T> {
    mkdirSync(dirname(file), { recursive: true });
    // Node.js has no flock(2): a child holds the lock until the pipe from us ends. Its own session keeps Ctrl-C from it.
    const holder = spawn("flock", [file, "sh", "-c", "echo locked; exec cat"], {
        stdio: ["pipe", "pipe", "inherit"],
        detached: true,
    });
    const ended = once(holder, "exit");
    await Promise.race([
        once(holder.stdout, "data"),
        ended.then(([code]) => {
            throw new Error(`lab: ${file} could not be locked (flock ended with ${code})`);
        }),
    ]);
    try {
        return await work();
    } finally {
        holder.stdin.end();
        await ended;
    }
}
