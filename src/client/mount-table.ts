import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { parseMountinfo } from "../host/mount/mountinfo";
import type { ClientPlatform } from "./sshfs";

/** Something that is mounted on this computer. */
export interface ClientMountEntry {
    target: string;
    /** `admin@203.0.113.10:/srv/data` */
    source: string;
    /** `fuse.sshfs`, `macfuse`, … */
    type: string;
    /** What no other mount has at the same time. */
    id: string;
}

/** What is mounted at a place, lowest first. The kernel answers this whatever servers do. */
export async function mountsAt(platform: ClientPlatform, target: string): Promise<ClientMountEntry[]> {
    const entries =
        platform === "linux"
            ? parseMountinfo(readFileSync("/proc/self/mountinfo", "utf8")).map((entry) => ({
                  ...entry,
                  id: entry.device,
              }))
            : parseMountOutput((await promisify(execFile)("/sbin/mount", { timeout: 10_000 })).stdout);
    return entries.filter((entry) => entry.target === target);
}

/** Reads what `mount` prints on macOS: `SOURCE on TARGET (TYPE, OPTION, …)`. */
export function parseMountOutput(text: string): ClientMountEntry[] {
    return text.split("\n").flatMap((line) => {
        const [, source, target, type] = /^(.*?) on (\/.*) \(([^,()]+)[^()]*\)$/.exec(line) ?? [];
        if (source === undefined || target === undefined || type === undefined) return [];
        return [{ source, target, type, id: line }];
    });
}
