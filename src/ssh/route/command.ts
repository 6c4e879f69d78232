import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Socket } from "node:net";
import { Duplex, type Readable, type Writable } from "node:stream";
import { machineName, type ResolvedConnection } from "../connection";
import { capital, DialFailure } from "../failure";
import { mask } from "../mask";
import type { Stream } from "../stream";

/** So much of the end of what a command says on its standard error is kept. */
const saidLimit = 2_000;

/** How long a command that was told to end may take, in ms, before it is killed. */
const grace = 2_000;

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

/**
 * Starts a `proxyCommand`: its standard input and output are the connection. It gets a group of its own, so that whatever it
 * has started ends with it, and so that Ctrl-C ends it only when we are done.
 */
export function startCommand(command: string, connection: ResolvedConnection): Stream {
    const isWindows = process.platform === "win32";
    const child = spawn(expandCommand(command, connection), {
        shell: true,
        stdio: ["pipe", "pipe", "pipe"],
        detached: !isWindows,
        windowsHide: true,
    });
    return new CommandStream(child, connection);
}

/** A `proxyCommand` with OpenSSH's tokens filled in. Unknown ones are refused where the connection is checked. */
export function expandCommand(command: string, { host, port, user, configured }: ResolvedConnection): string {
    const values: Record<string, string> = {
        "%": "%",
        h: host,
        n: configured?.alias ?? host,
        p: String(port),
        r: user,
    };
    return command.replace(/%(.)/g, (token, letter: string) => values[letter] ?? token);
}

/** Groups of commands that have not ended; they must not outlive us. */
const running = new Set<number>();
let watchesExit = false;

class CommandStream extends Duplex implements Stream {
    readonly #child: Child;
    readonly #connection: ResolvedConnection;
    #said = Buffer.alloc(0);
    bytesRead = 0;

    constructor(child: Child, connection: ResolvedConnection) {
        super({ allowHalfOpen: false });
        this.#child = child;
        this.#connection = connection;
        child.stdout.on("data", (chunk: Buffer) => {
            this.bytesRead += chunk.length;
            if (!this.destroyed && !this.push(chunk)) {
                child.stdout.pause();
            }
        });
        child.stderr.on("data", (chunk: Buffer) => {
            this.#said = Buffer.concat([this.#said, chunk]).subarray(-saidLimit);
        });
        // What went wrong with its pipes is told by its end.
        for (const pipe of [child.stdin, child.stdout, child.stderr]) {
            pipe.on("error", () => {});
        }
        child.on("error", (error) => this.destroy(this.#failure(`could not be started: ${error.message}`, true)));
        // "close": it has ended, and all that it said has arrived.
        child.on("close", (code, signal) => this.#ended(code, signal));
        child.stdout.on("end", () => setTimeout(() => this.#ended(child.exitCode, child.signalCode), 500).unref());
        if (child.pid !== undefined) {
            outlivesNot(child.pid);
        }
    }

    ref(): this {
        return this.#each((handle) => handle.ref());
    }

    unref(): this {
        return this.#each((handle) => handle.unref());
    }

    override _read(): void {
        this.#child.stdout.resume();
    }

    override _write(chunk: Buffer, _encoding: string, callback: (error?: Error | null) => void): void {
        // That it is broken is told better by the command's end, which is about to be known.
        this.#child.stdin.write(chunk, (error) => {
            if (error) {
                setTimeout(() => callback(error), 500).unref();
            } else {
                callback();
            }
        });
    }

    override _final(callback: () => void): void {
        this.#child.stdin.end();
        callback();
    }

    override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
        this.#child.stdin.destroy();
        this.#child.stdout.destroy();
        this.#child.stderr.destroy();
        end(this.#child);
        callback(error);
    }

    #ended(code: number | null, signal: NodeJS.Signals | null): void {
        if (!this.destroyed) {
            // The shell's own codes: there is no such command, or it may not be run.
            const isWrong = code === 127 || code === 126;
            const how =
                signal === null
                    ? code === null
                        ? "closed its output"
                        : `ended with code ${code}`
                    : `was ended by ${signal}`;
            this.destroy(this.#failure(how, isWrong));
        }
    }

    #failure(how: string, isFinal: boolean): DialFailure {
        const said = mask(this.#said.toString("utf8").trim(), this.#connection).replace(/\s+/g, " ");
        const reason = `connection.proxyCommand ${how}${said === "" ? "" : `: ${said}`}`;
        return new DialFailure({
            reason,
            retry: isFinal ? "never" : "as told",
            details: {
                code: isFinal ? "PROXY_FAILED" : "HOST_UNREACHABLE",
                machine: machineName(this.#connection),
                step: "connect",
                message: `${capital(reason)}${/[.!?]$/.test(reason) ? "" : "."}`,
                cure: "Run the command by hand: it must print the greeting of the machine's SSH server.",
            },
        });
    }

    #each(action: (handle: { ref(): unknown; unref(): unknown }) => void): this {
        const { stdin, stdout, stderr } = this.#child;
        for (const handle of [this.#child, stdin, stdout, stderr]) {
            // Pipes of a child are sockets; the type does not say so.
            action(handle as Socket);
        }
        return this;
    }
}

/** Ends a command with all that it has started. */
function end(child: Child): void {
    const { pid } = child;
    if (pid === undefined) {
        return;
    }
    signalGroup(pid, "SIGTERM");
    const timer = setTimeout(() => signalGroup(pid, "SIGKILL"), grace);
    timer.unref();
    const forget = () => {
        clearTimeout(timer);
        // What it has left behind, and what has not listened.
        signalGroup(pid, "SIGKILL");
        running.delete(pid);
    };
    if (child.exitCode !== null || child.signalCode !== null) {
        forget();
    } else {
        child.once("exit", forget);
    }
}

function outlivesNot(pid: number): void {
    running.add(pid);
    if (!watchesExit) {
        watchesExit = true;
        process.once("exit", () => {
            for (const each of running) {
                signalGroup(each, "SIGKILL");
            }
        });
    }
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
    try {
        process.kill(process.platform === "win32" ? pid : -pid, signal);
    } catch {
        // Nothing of it is left.
    }
}
