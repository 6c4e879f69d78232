import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** Who keeps a mount busy, as far as this user may know: `"process 4711 (bash)"`. Linux only; elsewhere nobody is named. */
export function holdersOf(mountpoint: string): string[] {
    return list("/proc")
        .filter((name) => /^\d+$/.test(name))
        .filter((pid) => uses(`/proc/${pid}`, mountpoint))
        .map((pid) => `process ${pid} (${read(`/proc/${pid}/comm`)})`);
}

/** Links below /proc are read, not followed: a dead mount cannot hold us up. */
function uses(process: string, mountpoint: string): boolean {
    const links = [...["cwd", "root", "exe"], ...list(`${process}/fd`).map((name) => `fd/${name}`)];
    return links.some((name) => {
        const path = link(`${process}/${name}`);
        return path === mountpoint || path?.startsWith(`${mountpoint}/`);
    });
}

function list(directory: string): string[] {
    try {
        return readdirSync(directory);
    } catch {
        return [];
    }
}

function link(path: string): string | undefined {
    try {
        return readlinkSync(path);
    } catch {
        return undefined;
    }
}

function read(path: string): string {
    try {
        return readFileSync(path, "utf8").trim();
    } catch {
        return "?";
    }
}
