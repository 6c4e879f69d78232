import { cp, mkdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { cacheDirectory, ensureDirectory } from "./cache";
import { runTool } from "./command";

/** A release line of Node that the package is tested on. */
export type NodeLine = "20" | "22" | "24";

/**
 * The directory that holds a `node` of that release line; put it first on PATH. The node this process runs on is taken
 * if it fits, else the newest of the line comes from npm, once, into the user's cache directory.
 *
 * @throws Error where npm has none for this machine or cannot be reached.
 */
export async function ensureNode(line: NodeLine): Promise<string> {
    if (process.versions.node.split(".")[0] === line) {
        return dirname(process.execPath);
    }
    const directory = join(cacheDirectory(), `node-${line}`);
    await ensureDirectory(directory, async (temporary) => {
        const name = `node-${process.platform}-${process.arch}`;
        const workshop = join(temporary, "workshop");
        await mkdir(workshop);
        const npm = ["install", "--prefix", workshop, "--no-save", "--no-audit", "--no-fund", "--ignore-scripts"];
        await runTool("npm", [...npm, `${name}@${line}`], { cwd: workshop });
        await cp(join(workshop, "node_modules", name, "bin"), temporary, { recursive: true });
        await rm(workshop, { recursive: true });
    });
    return directory;
}
