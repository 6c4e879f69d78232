import { type ChildProcess, spawn } from "node:child_process";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";

const serveScript = join(__dirname, "serve.sh");

/** The process on this computer that serves a mount. It outlives this program, and cleans up behind itself. */
export class MountServer {
    /**
     * Starts it.
     *
     * @param directory its files, which go when it ends
     * @param environment what differs from our own; undefined: what it must not have
     */
    static async start(
        directory: string,
        command: string[],
        environment: Record<string, string | undefined>,
    ): Promise<MountServer> {
        const log = await open(join(directory, "log"), "wx+", 0o600);
        const child = spawn("/bin/sh", [serveScript, directory, ...command], {
            stdio: ["ignore", log.fd, log.fd],
            // A session of its own: it gets no Ctrl-C that is meant for us, and no terminal to ask at.
            detached: true,
            env: { ...process.env, LC_ALL: "C", ...environment },
        });
        child.unref();
        return new MountServer(child, log);
    }

    /** Ends when it does. */
    readonly #end: Promise<void>;
    #hasEnded = false;

    private constructor(
        private readonly child: ChildProcess,
        private readonly log: FileHandle,
    ) {
        this.#end = new Promise((resolve) => {
            const done = () => {
                this.#hasEnded = true;
                resolve();
            };
            child.once("exit", done);
            child.once("error", done);
        });
    }

    get hasEnded(): boolean {
        return this.#hasEnded;
    }

    /** What it and its children have said. The log is closed then. */
    async words(): Promise<string> {
        const { size } = await this.log.stat();
        const { buffer, bytesRead } = await this.log.read(Buffer.alloc(Math.min(size, 4_000)), 0, undefined, 0);
        await this.log.close();
        return buffer.toString("utf8", 0, bytesRead).trim();
    }

    /** Closes the log, which nobody will read. */
    async forgetWords(): Promise<void> {
        await this.log.close();
    }

    /** Waits for its end. @returns whether it has ended */
    async ended(milliseconds: number): Promise<boolean> {
        let timer: NodeJS.Timeout | undefined;
        const patience = new Promise<void>((resolve) => {
            timer = setTimeout(resolve, milliseconds);
        });
        this.child.ref();
        await Promise.race([this.#end, patience]);
        this.child.unref();
        clearTimeout(timer);
        return this.#hasEnded;
    }

    /** Ends it, by force if need be. Its children are of its group. */
    async stop(): Promise<void> {
        for (const signal of ["SIGTERM", "SIGKILL"] as const) {
            if (await this.ended(signal === "SIGTERM" ? 0 : 2_000)) return;
            try {
                process.kill(-this.child.pid!, signal);
            } catch {
                return;
            }
        }
        await this.ended(2_000);
    }
}
