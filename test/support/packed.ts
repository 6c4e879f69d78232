import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { PulumiProject } from "./pulumi";

const run = promisify(execFile);
const repository = join(__dirname, "..", "..");

/** The package as `npm publish` would upload it. */
export interface PackedPackage {
    /** Path of the tarball. */
    tarball: string;
    /** The files in it, relative to the package's directory. */
    files: string[];
    /** Deletes the tarball. */
    remove(): Promise<void>;
}

/** Packs the package, compiled from the sources as they are now, into a temporary directory. */
export async function packPackage(): Promise<PackedPackage> {
    await run(process.execPath, [join(repository, "tools", "build.mjs"), "--if-needed"], { cwd: repository });
    const directory = await mkdtemp(join(tmpdir(), "docker-fleet-packed-"));
    // The build is done: the script "prepare" would do it again, under the feet of other tests.
    const pack = ["pack", "--json", "--ignore-scripts", "--workspaces=false", "--pack-destination", directory];
    const { stdout } = await run("npm", pack, { cwd: repository });
    const [{ filename, files }] = JSON.parse(stdout) as [{ filename: string; files: { path: string }[] }];
    return {
        tarball: join(directory, filename),
        files: files.map(({ path }) => path),
        remove: () => rm(directory, { recursive: true, force: true }),
    };
}

/** A package manager for programs; what npm itself does not come with, npm fetches. */
export type PackageManager = "npm" | "pnpm" | "yarn";

/** How each adds packages to the project in the working directory, with what it caches below `store`. */
const adding: Record<PackageManager, (store: string) => string[]> = {
    npm: () => ["npm", "install", "--prefer-offline", "--no-audit", "--no-fund", "--ignore-scripts"],
    pnpm: (store) => ["npx", "--yes", "pnpm@10", "add", "--ignore-scripts", "--store-dir", store],
    yarn: (store) => ["npx", "--yes", "yarn@1", "add", "--ignore-scripts", "--no-progress", "--cache-folder", store],
};

/**
 * Gives a project packages of its own in place of the repository's: this one from its tarball, and what programs have, each
 * the newest that admits the Node in use.
 *
 * @param env what differs from the project's own environment, such as a PATH with another Node on it
 * @param manager who installs them
 */
export async function installPacked(
    project: PulumiProject,
    { tarball }: PackedPackage,
    env: NodeJS.ProcessEnv = {},
    manager: PackageManager = "npm",
): Promise<void> {
    const { devDependencies } = require(join(repository, "package.json"));
    const others = ["@pulumi/pulumi", "@types/node", "typescript"].map((name) => `${name}@${devDependencies[name]}`);
    for (const name of ["node_modules", "package-lock.json", "pnpm-lock.yaml", "yarn.lock"]) {
        await rm(join(project.directory, name), { recursive: true, force: true });
    }
    const [command, ...args] = adding[manager](join(project.directory, "..", "store"));
    await run(command!, [...args, tarball, ...others], { cwd: project.directory, env: { ...process.env, ...env } });
}
