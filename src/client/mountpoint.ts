import { lstat, mkdir, readdir, realpath, rmdir } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { FleetError } from "../errors";
import { mountsAt } from "./mount-table";
import type { ClientPlatform } from "./sshfs";

/** A directory of this computer to mount on. */
export interface MountPoint {
    /** Its real path, as the table of mounts shows it. */
    path: string;
    /** The directories that were made for it, the deepest first. */
    made: string[];
}

/**
 * Checks a mount point before anything is done for it.
 *
 * @throws FleetError MOUNT_CONFLICT when something is mounted there, MOUNT_TARGET_UNUSABLE when it is no empty directory
 */
export async function checkMountPoint(platform: ClientPlatform, mountpoint: string): Promise<void> {
    const path = await realPath(resolve(mountpoint));
    // The table first: looking at what is mounted may take for ever.
    await refuseMounted(platform, path);
    const link = await lstat(path).catch(() => undefined);
    if (link?.isSymbolicLink()) {
        const target = await realpath(path).catch((error) => {
            throw unusable(path, "It is a link that leads nowhere.", error);
        });
        return checkMountPoint(platform, target);
    }
    const found = await lstat(path).catch(ignoreMissing);
    if (found === undefined) return;
    if (!found.isDirectory()) throw unusable(path, "It is no directory.");
    const names = await readdir(path).catch((error: Error) => {
        throw unusable(path, `It cannot be read: ${error.message}.`, error);
    });
    if (names.length > 0) {
        throw unusable(path, `It is not empty: the mount would hide what is in it (${names.slice(0, 3).join(", ")}).`);
    }
}

/**
 * Makes a mount point where there is none.
 *
 * @throws FleetError MOUNT_TARGET_UNUSABLE
 */
export async function makeMountPoint(mountpoint: string): Promise<MountPoint> {
    const path = resolve(mountpoint);
    try {
        const first = await mkdir(path, { recursive: true });
        const made: string[] = [];
        for (let each = path; first !== undefined && each.length >= first.length; each = dirname(each)) made.push(each);
        return { path: await realpath(path), made };
    } catch (error) {
        throw unusable(path, `It cannot be made: ${(error as Error).message}.`, error);
    }
}

/** Takes the directories away that were made, as far as they are empty. */
export async function unmakeMountPoint({ made }: MountPoint): Promise<void> {
    for (const path of made) await rmdir(path).catch(() => {});
}

/** The real path of something that may not be there yet. The last link of it is not followed. */
async function realPath(path: string): Promise<string> {
    const parent = dirname(path);
    if (parent === path) return path;
    const above = await realpath(parent).catch(() => realPath(parent));
    return join(above, basename(path));
}

async function refuseMounted(platform: ClientPlatform, path: string): Promise<void> {
    const mounted = (await mountsAt(platform, path)).at(-1);
    if (mounted === undefined) return;
    throw new FleetError({
        code: "MOUNT_CONFLICT",
        step: `mount on ${path}`,
        message: `${mounted.source} (${mounted.type}) is mounted there already, on this computer.`,
        cure: "Unmount it, or choose another mountpoint.",
    });
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
    if (error.code !== "ENOENT") throw unusable(error.path ?? "", `It cannot be looked at: ${error.message}.`, error);
}

function unusable(path: string, message: string, cause?: unknown): FleetError {
    return new FleetError({
        code: "MOUNT_TARGET_UNUSABLE",
        step: `mount on ${path}`,
        message,
        cure: "Choose an empty directory for mountpoint, or one that is not there yet and can be made.",
        cause,
    });
}
