import type { Duplex } from "node:stream";
import { FleetError } from "../errors";
import { sha256 } from "../sha256";
import { NoRootError } from "./become";
import { machineName, placeOf, type ResolvedConnection } from "./connection";
import type { Link } from "./link";
import { type Exclusive, LockTalk, lockedError, takeTurn } from "./lock";
import { mask } from "./mask";
import { Collector, Lines } from "./output";
import type { Privilege } from "./privilege";
import { forgetRefusals } from "./refusals";
import { composeScript, loadScript, type Script } from "./script";
import { type Session, type SessionRequest, startSession } from "./session";
import { proxyHostKeys } from "./stops";
import { Tunnel } from "./tunnel";

/** One script to run on a machine. */
export interface RunRequest {
    /** For messages: `"install docker.io"`. */
    step: string;
    script: Script;
    /** Positional parameters. They travel on standard input, so they may be secret. */
    args?: string[];
    /** Run as root: directly when the login is root, else through sudo, doas or su. Default true. */
    sudo?: boolean;
    /** What the script finds on its standard input. A script should check that all of it came. */
    stdin?: Buffer;
    /** Milliseconds; then the script is ended and the run fails with TIMEOUT. Default 60 000. */
    timeout?: number;
    /** Limit for each of the two streams, in bytes; more fails with OUTPUT_TOO_LARGE. Default 1 MiB. */
    maxBytes?: number;
    /** Gets each complete line of standard output as it arrives. What it throws is ignored. */
    onLine?: (line: string) => void;
    /** Nothing else that is exclusive runs on the machine meanwhile, from whatever program it comes. Needs `sudo`. */
    exclusive?: Exclusive;
}

/** How a script ended. */
export interface RunResult {
    /** Exit code; 128 + signal for one that was killed. Not 0 is no error here. */
    code: number;
    stdout: string;
    stderr: string;
}

/** One file to write on a machine. */
export interface UploadRequest {
    /** For messages: `"write daemon.json"`. */
    step: string;
    /** Absolute path. */
    path: string;
    content: Buffer;
    /** Octal, e.g. `"0644"`. */
    mode: string;
    /** `"root:root"`. Default: the owner of the file that is there, else who writes it. */
    owner?: string;
    /** Write as root. Default true. */
    sudo?: boolean;
    /** Milliseconds. Default 60 000, and more for big files. */
    timeout?: number;
}

/** A command whose standard input and output are wanted as a stream. */
export interface CommandRequest {
    /** For messages. */
    step: string;
    /** Program and arguments; not secret. */
    argv: string[];
    /** Run as root. Default true. */
    sudo?: boolean;
}

/** A machine we are logged in to. */
export interface Machine {
    /** `"admin@203.0.113.10"`, with `":port"` where it is not 22: for messages. */
    readonly name: string;
    /** The login: `"admin"`. */
    readonly user: string;
    /** The host key the server proved to have: `"ssh-ed25519 AAAA…"`. */
    readonly hostKey: string;
    /**
     * The host keys of the jump hosts on the way, by the name under which known_hosts lists them, with a number behind it from the
     * second one of a name on; empty without any.
     */
    readonly proxyHostKeys: Readonly<Record<string, string>>;
    /** The public keys, in base64, that let us in; empty where a password did. */
    readonly loginKeys: readonly string[];
    /**
     * Runs a script to its end. A script whose connection is lost runs on.
     *
     * @throws FleetError CONNECTION_LOST, TIMEOUT, OUTPUT_TOO_LARGE, SHELL_UNUSABLE, SUDO_PASSWORD_REQUIRED,
     * SUDO_PASSWORD_WRONG, SUDO_NOT_PERMITTED, SUDO_MISSING, ROOT_PASSWORD_WRONG, MACHINE_LOCKED
     */
    run(request: RunRequest): Promise<RunResult>;
    /**
     * Writes a file in one step, and verifies it; a failure leaves the old file and nothing else.
     *
     * @throws FleetError UPLOAD_FAILED and those of {@link run}
     */
    upload(request: UploadRequest): Promise<void>;
    /**
     * A stream to a unix socket of the machine, with the rights of the login. Uses up no session.
     *
     * @throws FleetError UNIX_SOCKET_REFUSED, CONNECTION_LOST
     */
    openUnixSocket(path: string): Promise<Duplex>;
    /**
     * Standard input and output of a command as a stream. Uses up a session until it is closed. When the command fails
     * the stream is destroyed with REMOTE_COMMAND_FAILED and its last words.
     *
     * @throws FleetError those of {@link run}
     */
    openCommand(request: CommandRequest): Promise<Duplex>;
    /** Closes the connection, for everybody who shares it. */
    close(): Promise<void>;
}

const uploadScript = loadScript(__dirname, "upload.sh");
const commandScript = loadScript(__dirname, "command.sh");
const terminateScript = loadScript(__dirname, "terminate.sh");

/** A {@link Machine} over a connection that others may share. */
export class LinkedMachine implements Machine {
    readonly name: string;
    readonly user: string;
    readonly hostKey: string;
    readonly proxyHostKeys: Readonly<Record<string, string>>;
    readonly loginKeys: readonly string[];
    readonly #link: Link;
    readonly #connection: ResolvedConnection;
    readonly #another: () => Promise<Machine>;

    /** @param another logs in once more, over a connection of its own */
    constructor(link: Link, connection: ResolvedConnection, another: () => Promise<Machine>) {
        this.name = machineName(connection);
        this.user = connection.user;
        this.hostKey = link.hostKeys.at(-1)!;
        this.proxyHostKeys = proxyHostKeys(connection, link.hostKeys.slice(0, -1));
        this.loginKeys = link.loginKeys;
        this.#link = link;
        this.#connection = connection;
        this.#another = another;
    }

    async run(request: RunRequest): Promise<RunResult> {
        const { exclusive, step } = request;
        if (exclusive === undefined) {
            return this.#run(request);
        }
        if (request.sudo === false) {
            throw new FleetError({
                code: "INVALID_ARGUMENT",
                machine: this.name,
                step,
                message: "exclusive needs sudo: the machine's lock belongs to root.",
            });
        }
        const start = Date.now();
        const endTurn = await takeTurn(
            placeOf(this.#connection),
            exclusive,
            (holder) => lockedError(this.name, step, holder, exclusive.wait),
            (holder) => tell(request, waitLine(holder)),
        );
        try {
            const wait = Math.max(0, exclusive.wait - (Date.now() - start));
            const rest = { ...request, exclusive: { ...exclusive, wait } };
            return await this.#run(rest);
        } finally {
            // It may have changed whom the server lets in.
            forgetRefusals(placeOf(this.#connection));
            endTurn();
        }
    }

    async upload(request: UploadRequest): Promise<void> {
        const { step, path, content, mode, owner = "", sudo } = request;
        const invalid = (message: string) =>
            new FleetError({ code: "INVALID_ARGUMENT", machine: this.name, step, message });
        if (!/^\/(.*[^/])?$/s.test(path) || path === "/") {
            throw invalid(`The path of a file must be absolute, not ${JSON.stringify(path)}.`);
        }
        if (!/^[0-7]{3,4}$/.test(mode)) {
            throw invalid(`The mode of a file is octal, like "0644", not ${JSON.stringify(mode)}.`);
        }
        const sum = sha256(content);
        const result = await this.run({
            step,
            script: uploadScript,
            args: [path, mode, owner, String(content.length), sum],
            sudo,
            stdin: content,
            // A minute, and what the slowest line needs that anybody would call a line.
            timeout: request.timeout ?? 60_000 + content.length / 20,
        });
        if (result.code !== 0) {
            throw new FleetError({
                code: "UPLOAD_FAILED",
                machine: this.name,
                step,
                message: `${path} was not written: ${this.#mask(result.stderr.trim()) || `code ${result.code}`}.`,
            });
        }
    }

    async openUnixSocket(path: string): Promise<Tunnel> {
        const step = `open ${path}`;
        const unuse = this.#link.use();
        let tunnel: Tunnel | undefined;
        try {
            await this.#link.streamLocal(step, path, (channel) => {
                tunnel = new Tunnel(channel);
                tunnel.once("close", unuse);
            });
        } catch (error) {
            unuse();
            throw error instanceof FleetError
                ? error
                : new FleetError({
                      code: "UNIX_SOCKET_REFUSED",
                      machine: this.name,
                      step,
                      message: `The machine did not open ${path}: nothing listens there, the user may not use it, or the SSH server forbids forwarding.`,
                      cause: error,
                  });
        }
        return tunnel!;
    }

    async openCommand(request: CommandRequest): Promise<Tunnel> {
        const { step, argv, sudo } = request;
        let tunnel!: Tunnel;
        let words = Buffer.alloc(0);
        const session = await this.#start(sudo, {
            step,
            script: composeScript(commandScript, argv),
            input: "open",
            onChannel: (channel) => {
                tunnel = new Tunnel(channel, true);
                // An error before anybody has the stream is reported by the session.
                tunnel.on("error", () => {});
            },
            onStdout: (chunk) => tunnel.feed(chunk),
            onStderr: (chunk) => {
                words = Buffer.concat([words, chunk]).subarray(-2_000);
            },
        });
        session.ended.then(
            (code) => {
                if (code === 0) {
                    tunnel.finish();
                } else {
                    const said = this.#mask(words.toString("utf8").trim());
                    tunnel.destroy(
                        new FleetError({
                            code: "REMOTE_COMMAND_FAILED",
                            machine: this.name,
                            step,
                            message: `${argv[0]} ended with code ${code}: ${said || "it said nothing"}`,
                        }),
                    );
                }
            },
            (error) => tunnel.destroy(error),
        );
        return tunnel;
    }

    close(): Promise<void> {
        return this.#link.close();
    }

    async #run(request: RunRequest): Promise<RunResult> {
        const { step, script, exclusive, timeout = 60_000, maxBytes = 2 ** 20 } = request;
        let timer: NodeJS.Timeout | undefined;
        let stop!: (error: FleetError) => void;
        const stopped = new Promise<never>((_, reject) => {
            stop = reject;
        });
        stopped.catch(() => {});
        const failure = (code: "TIMEOUT" | "OUTPUT_TOO_LARGE", message: string) =>
            stop(new FleetError({ code, machine: this.name, step, message: `${script.name} was ended: ${message}.` }));
        const limitTime = (ms: number) => {
            clearTimeout(timer);
            timer = setTimeout(() => failure("TIMEOUT", `it took longer than ${ms / 1000} s`), ms);
        };

        const overflow = () => failure("OUTPUT_TOO_LARGE", `it printed more than ${maxBytes} bytes`);
        const stdout = new Collector(maxBytes, overflow);
        const stderr = new Collector(maxBytes, overflow);
        const talk =
            exclusive &&
            new LockTalk(
                exclusive,
                (holder) => tell(request, waitLine(holder)),
                () => limitTime(timeout),
            );
        const lines = new Lines((line) => {
            if (talk === undefined || talk.begun) {
                tell(request, line);
            } else {
                talk.line(line);
            }
        });

        const session = await this.#start(request.sudo, {
            step,
            script: composeScript(script, request.args ?? [], talk?.request),
            input: request.stdin,
            timeout,
            onStdout: (chunk) => {
                stdout.push(chunk);
                lines.push(chunk);
            },
            onStderr: (chunk) => stderr.push(chunk),
        });
        if (talk?.begun !== true) {
            limitTime(exclusive === undefined ? timeout : exclusive.wait + 30_000);
        }
        try {
            const code = await Promise.race([session.ended, stopped]);
            if (talk?.begun === false) {
                throw this.#lockFailure(request, talk, stderr.text);
            }
            return { code, stdout: withoutTalk(stdout.text, talk), stderr: stderr.text };
        } catch (error) {
            if (error instanceof FleetError && (error.code === "TIMEOUT" || error.code === "OUTPUT_TOO_LARGE")) {
                await this.#terminate(session, request.sudo);
            }
            throw error;
        } finally {
            clearTimeout(timer);
        }
    }

    /** Starts a session with the rights of root, whatever makes us root, or with those of the login. */
    async #start(sudo: boolean | undefined, request: Omit<SessionRequest, "privilege" | "mask">): Promise<Session> {
        const { user, password, sudoPassword = password, rootPassword } = this.#connection;
        const attempt = (privilege: Privilege) =>
            startSession(this.#link, { ...request, privilege, mask: (text) => this.#mask(text) });
        if (sudo === false || user === "root") {
            return attempt({ tool: "login" });
        }
        try {
            return await this.#link.root.start({ sudoPassword, rootPassword }, attempt);
        } catch (error) {
            if (error instanceof NoRootError) {
                throw new FleetError({ ...error.details, machine: this.name, step: request.step });
            }
            throw error;
        }
    }

    /** Ends a script with all it has started, from a second session: sshd may not signal what sudo runs as root. */
    async #terminate(session: Session, sudo: boolean | undefined): Promise<void> {
        try {
            const second = await this.#start(sudo, {
                step: "end a script",
                script: composeScript(terminateScript, [String(session.pid)]),
                input: undefined,
                onStdout: () => {},
                onStderr: () => {},
                timeout: 5_000,
                ignoreSlots: true,
            });
            // Not session.ended: a login shell around the script can be gone while the script still ignores its TERM.
            await Promise.race([second.ended, new Promise((resolve) => setTimeout(resolve, 5_000))]);
            second.close();
        } catch {
            await this.#terminateFromOutside(session, sudo).catch(() => {});
        }
        session.close();
    }

    /** Where the server opens no second session on a connection (MaxSessions 1), there is a second connection. */
    async #terminateFromOutside(session: Session, sudo: boolean | undefined): Promise<void> {
        if (this.#link.isLost) {
            return;
        }
        const machine = await this.#another();
        try {
            await machine.run({
                step: "end a script",
                script: terminateScript,
                args: [String(session.pid)],
                sudo,
                timeout: 10_000,
            });
        } finally {
            await machine.close();
        }
    }

    #lockFailure({ step, exclusive }: RunRequest, talk: LockTalk, said: string): FleetError {
        if (talk.lockedBy !== undefined) {
            return lockedError(this.name, step, talk.lockedBy, exclusive?.wait ?? 0);
        }
        if (talk.unavailable) {
            return new FleetError({
                code: "UNSUPPORTED_MACHINE",
                machine: this.name,
                step,
                message: "The machine has no flock, so changes to it cannot exclude each other.",
                cure: "Install util-linux on it.",
            });
        }
        return new FleetError({
            code: "REMOTE_COMMAND_FAILED",
            machine: this.name,
            step,
            message: `The machine's lock could not be taken: ${this.#mask(said.trim()).slice(-500)}`,
        });
    }

    #mask(text: string): string {
        return mask(text, this.#connection);
    }
}

function tell(request: RunRequest, line: string): void {
    try {
        request.onLine?.(line);
    } catch {
        // Whoever watches must not be able to break what he watches.
    }
}

function waitLine(holder: string): string {
    return `waiting for another change of this machine: ${holder || "its holder is not known"}`;
}

/** Everything up to the line in which lock.sh says that the script begins is not the script's. */
function withoutTalk(text: string, talk: LockTalk | undefined): string {
    const begin = `${talk?.request.mark} begin\n`;
    return talk === undefined ? text : text.slice(text.indexOf(begin) + begin.length);
}
