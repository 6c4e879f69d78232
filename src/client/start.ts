import { type ExecFileException, execFile } from "node:child_process";
import { FleetError } from "../errors";
import { checkOpenSshWay, connect, type OpenSshClient, openSshClient } from "../ssh";
import { holdersOf } from "./holders";
import type { ClientMount, ClientMountArgs } from "./mount";
import { type ClientMountEntry, mountsAt } from "./mount-table";
import { checkMountPoint, type MountPoint, makeMountPoint, unmakeMountPoint } from "./mountpoint";
import { fill, makePrivateDirectory, removePrivateDirectory } from "./private-directory";
import { MountServer } from "./server";
import { type SshfsPrograms, sshfsArguments, unmountCommand } from "./sshfs";

/** How long sshfs may take to log in and mount, in ms. */
const mountPatience = 60_000;
/** How long a mounted directory may take to answer, in ms. */
const answerPatience = 10_000;
/** How long unmounting may take, in ms. */
const unmountPatience = 15_000;

/** Mounts, verifies, and hands out what unmounts. The arguments are checked. */
export async function startMount(args: ClientMountArgs, programs: SshfsPrograms): Promise<ClientMount> {
    const { connection, hostKey, proxyHostKeys, path, readOnly = false, options = [] } = args;
    await checkOpenSshWay(connection);
    await checkMountPoint(programs.platform, args.mountpoint);
    // Finds out which login works, and whose host key is shown; sshfs makes a connection of its own.
    const known = { knownHostKey: hostKey, knownProxyHostKeys: proxyHostKeys };
    const machine = await connect(connection, { ...known, fresh: true });
    await machine.close();
    const directory = await makePrivateDirectory();
    let mountpoint: MountPoint | undefined;
    try {
        const client = await openSshClient(connection, machine, directory);
        await fill(directory, client.files);
        mountpoint = await makeMountPoint(args.mountpoint);
        const request = { ...client, path, mountpoint: mountpoint.path, readOnly, options };
        const command = [programs.sshfs, ...sshfsArguments(request)];
        const step = `mount ${path} on ${mountpoint.path}`;
        const mounted = await mount(programs, machine.name, step, directory, command, client, mountpoint);
        return new SshfsMount(programs, machine.name, machine.hostKey, mounted, mountpoint, directory);
    } catch (error) {
        await removePrivateDirectory(directory);
        if (mountpoint !== undefined) await unmakeMountPoint(mountpoint);
        throw error;
    }
}

interface Mounted {
    server: MountServer;
    entry: ClientMountEntry;
}

/** Starts sshfs and waits until its directory is mounted and answers; if it does not, nothing is left running. */
async function mount(
    programs: SshfsPrograms,
    machine: string,
    step: string,
    directory: string,
    command: string[],
    client: OpenSshClient,
    mountpoint: MountPoint,
): Promise<Mounted> {
    const server = await MountServer.start(directory, command, client.environment);
    const failure = async (message: string) => {
        await server.stop();
        const entry = (await mountsAt(programs.platform, mountpoint.path)).at(-1);
        if (entry !== undefined) await run(unmountCommand(programs, mountpoint.path, "gone"), unmountPatience);
        const words = client.mask(await server.words()).replace(/\s*\n\s*/g, "; ");
        const isMissing = /: No such file or directory/.test(words);
        return new FleetError({
            code: isMissing ? "MOUNT_SOURCE_MISSING" : "MOUNT_FAILED",
            machine,
            step,
            message: words === "" ? message : `${message} It says: ${words}.`,
            cure: isMissing ? "Check path: it is a directory of the machine." : undefined,
        });
    };
    try {
        for (const end = Date.now() + mountPatience; ; ) {
            const [entry] = await mountsAt(programs.platform, mountpoint.path);
            if (entry !== undefined) {
                const answer = await probe(mountpoint.path);
                if (answer !== "ok") throw await failure(`It was mounted, and does not answer (${answer}).`);
                await server.forgetWords();
                return { server, entry };
            }
            if (await server.ended(50)) throw await failure("sshfs has ended without mounting it.");
            if (Date.now() > end) throw await failure(`sshfs has not mounted it within ${mountPatience / 1000} s.`);
        }
    } catch (error) {
        await server.stop();
        throw error;
    }
}

class SshfsMount implements ClientMount {
    readonly source: string;
    readonly mountpoint: string;
    #unmounting: Promise<void> | undefined;

    constructor(
        private readonly programs: SshfsPrograms,
        readonly machine: string,
        readonly hostKey: string,
        private readonly mounted: Mounted,
        private readonly point: MountPoint,
        private readonly directory: string,
    ) {
        this.source = mounted.entry.source;
        this.mountpoint = point.path;
    }

    unmount(): Promise<void> {
        this.#unmounting ??= this.#unmount().catch((error) => {
            // What was busy may be free the next time.
            this.#unmounting = undefined;
            throw error;
        });
        return this.#unmounting;
    }

    async #unmount(): Promise<void> {
        const { server } = this.mounted;
        if (await this.#isMounted()) {
            const said = await this.#run("usual");
            if (await this.#isMounted()) {
                // With its process gone, or its server, nothing can be written any more.
                if (!server.hasEnded && (await probe(this.mountpoint)) === "ok") throw this.#busy(said);
                await server.stop();
                await this.#run("gone");
            }
        }
        if (!(await server.ended(5_000))) await server.stop();
        await removePrivateDirectory(this.directory);
        await unmakeMountPoint(this.point);
    }

    /** Whether it is this mount that is there; somebody else's is none of our business. */
    async #isMounted(): Promise<boolean> {
        const entries = await mountsAt(this.programs.platform, this.mountpoint);
        return entries.some(({ id }) => id === this.mounted.entry.id);
    }

    #run(how: "usual" | "gone"): Promise<string> {
        return run(unmountCommand(this.programs, this.mountpoint, how), unmountPatience);
    }

    #busy(said: string): FleetError {
        const holders = holdersOf(this.mountpoint);
        const who = holders.length === 0 ? `somebody who cannot be told (${said})` : holders.join(", ");
        return new FleetError({
            code: "MOUNT_BUSY",
            machine: this.machine,
            step: `unmount ${this.mountpoint}`,
            message: `It cannot be unmounted from this computer: it is in use by ${who}.`,
            cure: "End what uses it, and unmount it again.",
        });
    }
}

/** Asks a mounted directory for itself, in a process of its own: it may never return. @returns "ok", or what is wrong */
async function probe(mountpoint: string): Promise<string> {
    const said = await run(["ls", "-d", "--", `${mountpoint}/.`], answerPatience);
    return said === "" ? "ok" : said;
}

/** Runs a command, and leaves it behind when it takes too long. @returns nothing when it worked, else what it said */
function run([file, ...args]: string[], timeout: number): Promise<string> {
    return new Promise((resolve) => {
        const end = (said: string) => {
            clearTimeout(timer);
            resolve(said);
        };
        const child = execFile(file!, args, { env: { ...process.env, LC_ALL: "C" } }, (error, _, stderr) => {
            end(error === null ? "" : words(error, stderr));
        });
        const timer = setTimeout(() => {
            child.kill("SIGKILL");
            child.unref();
            child.stdout?.destroy();
            child.stderr?.destroy();
            end(`no answer within ${timeout / 1000} s`);
        }, timeout);
    });
}

function words(error: ExecFileException, stderr: string): string {
    return stderr.trim().replace(/\s*\n\s*/g, "; ") || error.message;
}
