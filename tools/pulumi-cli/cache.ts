import { mkdir, open, rename, rm, stat, utimes } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

/** Where tools that are fetched or built once are kept: `$XDG_CACHE_HOME/pulumi-docker-fleet`, default below `~/.cache`. */
export function cacheDirectory(): string {
    return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "pulumi-docker-fleet");
}

/** The holder of a lock shows that it lives this often, in ms. */
const heartbeat = 2_000;
/** A lock without a sign of life for this long, in ms, was left behind by a process that died. */
const staleAfter = 20_000;

/**
 * Makes a directory exactly once, also when several processes want it at the same time: `make` fills a directory beside
 * it, which then takes the name in one step. Returns at once where the directory exists.
 *
 * @param make fills the directory it is given; what it throws is passed on and nothing stays behind.
 */
export async function ensureDirectory(directory: string, make: (temporary: string) => Promise<void>): Promise<void> {
    if (await exists(directory)) {
        return;
    }
    await mkdir(dirname(directory), { recursive: true });
    await withLock(`${directory}.lock`, async () => {
        if (await exists(directory)) {
            return;
        }
        const temporary = `${directory}.new`;
        await rm(temporary, { recursive: true, force: true });
        try {
            await mkdir(temporary);
            await make(temporary);
            await rename(temporary, directory);
        } finally {
            await rm(temporary, { recursive: true, force: true });
        }
    });
}

async function withLock(path: string, work: () => Promise<void>): Promise<void> {
    while (!(await take(path))) {
        await pause(250);
    }
    const beat = setInterval(() => utimes(path, new Date(), new Date()).catch(() => {}), heartbeat);
    try {
        await work();
    } finally {
        clearInterval(beat);
        await rm(path, { force: true });
    }
}

/** Tries once to take the lock, after putting an abandoned one out of the way. */
async function take(path: string): Promise<boolean> {
    try {
        await (await open(path, "wx")).close();
        return true;
    } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") {
            throw error;
        }
    }
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Date.now() }));
    if (Date.now() - mtimeMs > staleAfter) {
        await rm(path, { force: true });
    }
    return false;
}

/** Whether there is something of that name. */
export async function exists(path: string): Promise<boolean> {
    return stat(path).then(
        () => true,
        () => false,
    );
}
