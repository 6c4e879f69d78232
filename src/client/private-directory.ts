import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { OpenSshFile } from "../ssh";

/**
 * A directory that only this user can enter: in memory where the system offers that, so that no key outlives a power cut, else
 * where temporary files are.
 */
export async function makePrivateDirectory(): Promise<string> {
    for (const parent of [process.env.XDG_RUNTIME_DIR, tmpdir()]) {
        // Others would have to be quoted in ssh's configuration, and once more for the shell that ssh starts for a jump host.
        if (parent === undefined || !/^\/[\w./-]+$/.test(parent)) continue;
        const isThere = await stat(parent).then(
            (found) => found.isDirectory(),
            () => false,
        );
        if (!isThere) continue;
        try {
            return await mkdtemp(join(parent, "pulumi-docker-fleet-"));
        } catch {
            // Not ours to write in: root has the variable of a user, for example.
        }
    }
    return mkdtemp("/tmp/pulumi-docker-fleet-");
}

/** Writes files into it. */
export async function fill(directory: string, files: readonly OpenSshFile[]): Promise<void> {
    for (const { name, content, mode } of files) await writeFile(join(directory, name), content, { mode, flag: "wx" });
}

/** Takes it away with all that is in it. */
export async function removePrivateDirectory(directory: string): Promise<void> {
    await rm(directory, { recursive: true, force: true });
}
