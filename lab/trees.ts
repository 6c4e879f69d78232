import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { findMirror } from "./mirror";
import { cacheDirectory } from "./paths";
import { listRecords } from "./records";
import { environment } from "./run";

/** The Debian releases a lab host can run. */
export const releases = ["bookworm", "trixie", "sid"] as const;
export type Release = (typeof releases)[number];

/**
 * What can be installed in a host before it boots, so that a test that only needs it does not pay for it: packages as apt-get takes
 * them.
 */
export const layers = {
    docker: ["docker.io"],
    /** Docker, and OpenRC in place of systemd; see openrc.sh. BusyBox only lies there. */
    openrc: [
        ...["--allow-remove-essential", "openrc", "sysvinit-core", "insserv", "systemd-sysv-", "libpam-systemd-"],
        ...["docker.io", "busybox"],
    ],
    // Package managers of other families, the tools that make their repositories, and what is offered there.
    managers: ["dnf", "zypper", "rpm", "createrepo-c", "pacman-package-manager", "libarchive-tools", "sshfs"],
    dnf5: ["dnf5", "rpm", "createrepo-c", "sshfs"],
} as const;
export type Layer = keyof typeof layers;

const recipe = ["base.sh", "layer.sh"].map((name) => readFileSync(join(__dirname, name), "utf8")).join();
const treesDirectory = join(cacheDirectory, "trees");

/** The directory of a tree. One of another recipe than today's is not taken for today's. */
function treeOf(release: Release, layer?: Layer): string {
    const text = layer === undefined ? recipe : [recipe, ...layers[layer]].join();
    const stamp = createHash("sha256").update(text).digest("hex").slice(0, 8);
    return join(treesDirectory, [release, ...(layer === undefined ? [] : [layer]), stamp].join("-"));
}

/**
 * The directories a host's disk is laid over, topmost first; built when they are not there yet, which is told on stderr.
 *
 * @throws Error with the last lines of the build log when a build fails.
 */
export async function prepareTree(release: Release, layer?: Layer): Promise<string[]> {
    const base = treeOf(release);
    if (!existsSync(base)) {
        const mirror = findMirror()!;
        const what = `the ${release} base tree (once, about 2 minutes)`;
        await build(what, "base.sh", base, [release, base, mirror.main, mirror.security, mirror.proxy]);
    }
    if (!layer) return [base];
    const upper = treeOf(release, layer);
    if (!existsSync(upper)) {
        const what = `the ${layer} layer of ${release} (once, about half a minute)`;
        await build(what, "layer.sh", upper, [base, upper, ...layers[layer]]);
    }
    return [upper, base];
}

/**
 * The script itself holds the lock, and its children with it: when we are killed, a build that goes on to its end is
 * waited for by the next process instead of being disturbed.
 */
async function build(what: string, script: string, target: string, args: string[]): Promise<void> {
    mkdirSync(treesDirectory, { recursive: true });
    const say = (line: string) => process.stderr.write(`lab: ${line}\n`);
    say(`building ${what}`);
    const log = `${target}.log`;
    const started = Date.now();
    const output = openSync(log, "a");
    const child = spawn(
        "flock",
        [`${target}.lock`, "unshare", "--mount", "--propagation", "private", "sh", join(__dirname, script), ...args],
        { stdio: ["ignore", output, output], env: environment() },
    );
    const timer = setInterval(() => {
        say(`building ${what}: ${Math.round((Date.now() - started) / 1000)} s, ${lastStep(log)}`);
    }, 5000);
    const code = await new Promise<number | null>((resolve, reject) => {
        child.on("error", reject);
        child.on("exit", resolve);
    }).finally(() => clearInterval(timer));
    if (code !== 0) throw new Error(`lab: building ${what} failed, see ${log}:\n${tail(log, 15)}`);
    rmSync(log, { force: true });
    say(`built ${what} in ${Math.round((Date.now() - started) / 1000)} s`);
    removeOldTrees();
}

function lastStep(log: string): string {
    const steps = tail(log, 200).match(/^(I: |Unpacking |Setting up |Get:).*/gm);
    return (steps?.at(-1) ?? "starting").replace(/^I: /, "").replace(/\.\.\.$/, "");
}

// Another process that waited for the same build may have removed the log.
function tail(file: string, lines: number): string {
    if (!existsSync(file)) return "";
    return readFileSync(file, "utf8").trimEnd().split("\n").slice(-lines).join("\n");
}

/** Drops complete trees of earlier recipes that no host lies on. */
function removeOldTrees(): void {
    const names = Object.keys(layers) as Layer[];
    const today = releases.flatMap((release) => [treeOf(release), ...names.map((layer) => treeOf(release, layer))]);
    const used = new Set([...today, ...listRecords().flatMap((record) => record.lower)]);
    for (const name of readdirSync(treesDirectory)) {
        const path = join(treesDirectory, name);
        if (/^[a-z0-9-]+-[0-9a-f]{8}$/.test(name) && !used.has(path)) {
            rmSync(path, { recursive: true, force: true });
            rmSync(`${path}.lock`, { force: true });
        }
    }
}
