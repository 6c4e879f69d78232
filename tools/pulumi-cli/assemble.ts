import { createHash } from "node:crypto";
import { chmod, copyFile, link, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { ensureDirectory } from "./cache";

const repository = join(__dirname, "..", "..");
const hostDirectory = join(__dirname, "..", "language-host");

/**
 * One directory with the CLI, the stand-in for the Node language host and the launcher of dynamic providers: the CLI
 * warns about each one that is not beside it. There is one directory per content, so that a changed stand-in or a moved
 * repository gets a new one while commands that run from the old one go on.
 *
 * @returns the directory, to be put first on PATH.
 */
export async function assemble(pulumi: string): Promise<string> {
    const sdk = dirname(createRequire(join(repository, "package.json")).resolve("@pulumi/pulumi/package.json"));
    const providerLauncher = await readFile(join(sdk, "pulumi-resource-pulumi-nodejs"), "utf8");
    const sources = (await readdir(hostDirectory)).filter((name) => name.endsWith(".js")).sort();
    const contents = await Promise.all(sources.map((name) => readFile(join(hostDirectory, name), "utf8")));
    const content = createHash("sha256").update(JSON.stringify([repository, providerLauncher, sources, contents]));
    const directory = join(dirname(dirname(pulumi)), `bin-${content.digest("hex").slice(0, 12)}`);

    await ensureDirectory(directory, async (temporary) => {
        await link(pulumi, join(temporary, "pulumi"));
        await writeExecutable(join(temporary, "pulumi-resource-pulumi-nodejs"), providerLauncher);
        await mkdir(join(temporary, "language-host"));
        for (const name of sources) {
            await copyFile(join(hostDirectory, name), join(temporary, "language-host", name));
        }
        await writeExecutable(join(temporary, "pulumi-language-nodejs"), hostLauncher(directory));
    });
    return directory;
}

/** The host runs with the node that is first on PATH, like the official one. */
function hostLauncher(directory: string): string {
    const main = join(directory, "language-host", "main.js");
    return `#!/bin/sh\nexec node ${quote(main)} ${quote(repository)} "$@"\n`;
}

function quote(text: string): string {
    return `'${text.replaceAll("'", `'\\''`)}'`;
}

async function writeExecutable(path: string, text: string): Promise<void> {
    await writeFile(path, text);
    await chmod(path, 0o755);
}
