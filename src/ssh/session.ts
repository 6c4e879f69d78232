import { randomInt } from "node:crypto";
import { constants } from "node:os";
import type { ClientChannel } from "ssh2";
import { FleetError } from "../errors";
import type { Link } from "./link";
import { explainRefusal, type Launch, launch, type Privilege, Refusal } from "./privilege";
import { forTerminal, rawTerminal, StreamSplitter } from "./terminal";
import { timing } from "./timing";

/** A session in which our script is to begin. */
export interface SessionRequest {
    /** For messages. */
    step: string;
    privilege: Privilege;
    /** What the shell evaluates. */
    script: string;
    /** Follows the script on its standard input. `"open"`: whoever asked for the session writes and ends it. */
    input: Buffer | "open" | undefined;
    /** Takes our secrets out of a text. */
    mask: (text: string) => string;
    /** Output of the script alone; what login shells print before is left out. */
    onStdout: (chunk: Buffer) => void;
    onStderr: (chunk: Buffer) => void;
    /** Called once the channel is open, before any of its events. */
    onChannel?: (channel: ClientChannel) => void;
    /** How long login shell and sudo (doas, su) may take, in ms; at most, and by default, what {@link timing} says. */
    timeout?: number;
    /** An emergency: do not wait for a free slot. */
    ignoreSlots?: boolean;
}

/** A session whose script has begun. */
export interface Session {
    channel: ClientChannel;
    /** Process of the shell that runs the script. */
    pid: number;
    /** Whose rights the script has. */
    privilege: Privilege;
    /** Whether a password was asked for. */
    asked: boolean;
    /** Resolves when the session has ended: exit code (128 + signal), or an error when the connection was lost. */
    ended: Promise<number>;
    /** Closes our side, whatever the command does. */
    close(): void;
}

/** Login noise is of interest only when nothing else comes; so much of its end is kept. */
const noiseLimit = 16 * 1024;

/** So many times a session is asked for while the server opens none and none of ours is open. */
const openTries = 10;

/**
 * Opens a session, becomes who we have to be, and starts the script.
 *
 * The command is a constant but for numbers, so it is the same to every login shell (no backslash, newline, `!` or single
 * quote within the quotes), and process lists show nothing. The script and everything secret travels on standard input.
 * The mark tells where the output of the login shell's startup files ends and ours begins.
 *
 * @throws Refusal when sudo (doas, su) does not let us; nothing has run then
 * @throws FleetError SHELL_UNUSABLE, CONNECTION_LOST, TIMEOUT
 */
export async function startSession(link: Link, request: SessionRequest): Promise<Session> {
    const { privilege, script, input } = request;
    const mark = `fleet-${randomInt(2 ** 47)}`;
    const text = Buffer.from(privilege.terminal ? forTerminal(script, mark, input) : script);
    // With nothing after the script its end is the end of the stream; else it is counted, byte by byte, since anything
    // that reads ahead would take away from what follows. The input of a terminal has no end.
    const read = input === undefined && !privilege.terminal ? "cat" : `dd bs=1 count=${text.length} 2>/dev/null`;
    // The mark is written in two parts: when sudo refuses a command it prints it, which must not look like its beginning.
    const printed = mark.replace("-", '-""');
    const begin = privilege.terminal
        ? `stty raw -echo 2>/dev/null; echo ${printed} $$`
        : `echo ${printed} $$; echo ${printed} >&2`;
    const launched = launch(privilege, `${begin}; eval "$(${read})"`);

    let begun!: Begun;
    const release = await openSession(link, request, launched.command, (channel) => {
        begun = follow(link, request, channel, mark, text, launched);
    });
    // The slot is free when the server has no session left: it answers the ping only after it has cleaned up. A request
    // for a new session that comes together with the end of the old one would be one too many.
    void begun.ended
        .catch(() => {})
        .then(() => link.ping())
        .then(release);
    return begun.session;
}

interface Begun {
    /** The session, once its script has begun. */
    session: Promise<Session>;
    ended: Promise<number>;
}

/**
 * Follows a channel from its first moment to the mark. Everything is attached before this returns: a command that ends at
 * once sends its exit code in the same packet that confirms its start, and ssh2 would tell nobody.
 */
function follow(
    link: Link,
    request: SessionRequest,
    channel: ClientChannel,
    mark: string,
    text: Buffer,
    { countPrompts }: Launch,
): Begun {
    const { step, privilege, input } = request;
    const state = { channel, privilege, pid: 0, asked: false };
    const close = () => channel.close();
    // Who reads a password may throw away what comes with it, and a terminal may be changed until our shell has it.
    const waits = privilege.password !== undefined || privilege.terminal === true;
    const send = () => {
        if (input === "open" || privilege.terminal) {
            channel.write(input === "open" || input === undefined ? text : Buffer.concat([text, input]));
        } else {
            channel.end(input === undefined ? text : Buffer.concat([text, input]));
        }
    };
    const end = watchEnd(link, channel, step);
    const splitter = privilege.terminal
        ? new StreamSplitter(mark, request.onStdout, request.onStderr, end.exited)
        : undefined;
    const ended = end.ended.finally(() => splitter?.flush());
    ended.catch(() => {});
    const beginTimeout = Math.min(request.timeout ?? timing.begin, timing.begin);
    const session = new Promise<Session>((resolve, reject) => {
        let settled = false;
        const settle = (error: Error | undefined) => {
            if (!settled) {
                settled = true;
                clearTimeout(timer);
                if (error === undefined) {
                    resolve({ ...state, ended, close });
                } else {
                    close();
                    reject(error);
                }
            }
        };
        const refuse = (reason: Refusal["reason"]) => {
            const words = request.mask(
                `${stderr.noise}\n${stdout.noise}`
                    .trim()
                    .split(/[\r\n]+/)
                    .at(-1) ?? "",
            );
            settle(new Refusal(privilege, reason, words.slice(-300)));
        };
        const fail = (details: { code: FleetError["code"]; message: string; cure?: string }) =>
            settle(new FleetError({ machine: link.name, step, ...details }));
        const timer = setTimeout(
            () =>
                fail({
                    code: "TIMEOUT",
                    message: `The login shell did not start our script within ${beginTimeout / 1000} s.${quoteNoise()}`,
                }),
            beginTimeout,
        );

        const onStdout = splitter ? (chunk: Buffer) => splitter.push(chunk) : request.onStdout;
        const stdout = new MarkFilter(mark, onStdout, (words) => {
            state.pid = Number(words);
            if (waits) {
                send();
            }
            settle(undefined);
        });
        const stderr = new MarkFilter(mark, request.onStderr, () => {});
        const quoteNoise = () => {
            const noise = request.mask(`${stderr.noise}\n${stdout.noise}`.trim()).slice(-500);
            return noise === "" ? "" : ` It said: ${noise}`;
        };
        const watchPrompt = () => {
            if (privilege.password === undefined || settled) {
                return;
            }
            const asked = countPrompts(`${stderr.noise}\n${stdout.noise}`);
            if (asked > 1) {
                // It did not like the first answer.
                refuse("password wrong");
            } else if (asked === 1 && !state.asked) {
                state.asked = true;
                channel.write(`${privilege.password}\n`);
            }
        };
        channel.on("data", (chunk: Buffer) => {
            stdout.push(chunk);
            watchPrompt();
        });
        channel.stderr.on("data", (chunk: Buffer) => {
            stderr.push(chunk);
            watchPrompt();
        });
        ended.then(
            (code) => {
                const said = `${stderr.noise}\n${stdout.noise}`;
                const reason = explainRefusal(said, code, privilege);
                if (reason !== undefined) {
                    refuse(reason);
                } else {
                    fail({
                        code: "SHELL_UNUSABLE",
                        message: `The login shell ended with code ${code} before our script began.${quoteNoise()}`,
                        cure: "The user needs a login shell that runs commands, without a forced command.",
                    });
                }
            },
            (error) => settle(error),
        );
        if (!waits) {
            send();
        }
    });
    session.catch(() => {});
    return { session, ended };
}

/** @returns a function that gives the slot back */
async function openSession(
    link: Link,
    request: SessionRequest,
    command: string,
    onChannel: (channel: ClientChannel) => void,
): Promise<() => void> {
    for (let tries = 1; ; tries++) {
        const giveBack = request.ignoreSlots ? () => {} : await link.slots.take();
        const unuse = link.use();
        const release = () => {
            giveBack();
            unuse();
        };
        try {
            const terminal = request.privilege.terminal ? rawTerminal : undefined;
            await link.exec(request.step, command, terminal, (channel) => {
                // Whatever comes of it: an error nobody listens to would end the process.
                channel.on("error", () => {});
                request.onChannel?.(channel);
                onChannel(channel);
            });
            return release;
        } catch (error) {
            release();
            if (error instanceof FleetError) {
                throw error;
            }
            if (/pseudo-terminal/.test((error as Error).message)) {
                throw new Refusal(request.privilege, "no terminal to be had");
            }
            if (request.ignoreSlots || tries >= openTries) {
                throw new FleetError({
                    code: "SHELL_UNUSABLE",
                    machine: link.name,
                    step: request.step,
                    message: `The SSH server does not run commands for us: ${(error as Error).message}.`,
                    cure: "Check MaxSessions and ForceCommand in its configuration.",
                    cause: error,
                });
            }
            // MaxSessions is lower than our own limit: wait for one of ours to end. With none open, another client of
            // the same connection cannot be the reason, but a session that is just ending can.
            const wasIdle = link.slots.isIdle;
            link.slots.shrink();
            if (wasIdle) {
                await new Promise((resolve) => setTimeout(resolve, 100));
            } else {
                tries -= 1;
            }
        }
    }
}

interface End {
    /** Exit code of the session, or an error when the connection was lost. */
    ended: Promise<number>;
    /** Tells that the script has ended, before the server does, and with which code. */
    exited: (code: number) => void;
}

function watchEnd(link: Link, channel: ClientChannel, step: string): End {
    let exited!: (code: number) => void;
    const ended = new Promise<number>((resolve, reject) => {
        let code: number | undefined;
        let quiet: NodeJS.Timeout | undefined;
        // What we end by closing the terminal says nothing about the script.
        let hungUp = false;
        const forget = link.onLost(() => {
            clearTimeout(quiet);
            reject(link.lossError(step));
        });
        const settle = () => {
            clearTimeout(quiet);
            forget();
            // On a terminal the shell's own end says only whether it was killed.
            const result = code !== undefined && code >= 128 ? code : (told ?? code);
            if (result === undefined) {
                reject(link.lossError(step));
            } else {
                resolve(result);
            }
        };
        // A background process that holds the output would hold the channel, too. When the command has ended, and then
        // there is silence which the server itself confirms, everything has arrived.
        const listenForSilence = () => {
            clearTimeout(quiet);
            quiet = setTimeout(async () => {
                const before = quiet;
                await link.ping();
                if (quiet === before) {
                    hungUp = true;
                    channel.close();
                }
            }, timing.afterExit);
        };
        const settleInSilence = () => {
            channel.on("data", listenForSilence);
            channel.stderr.on("data", listenForSilence);
            listenForSilence();
        };
        let told: number | undefined;
        exited = (exit) => {
            told = exit;
            settleInSilence();
        };
        channel.on("exit", (exit: number | null, signal?: string) => {
            if (hungUp) {
                return;
            }
            code = exit ?? 128 + (constants.signals[signal as NodeJS.Signals] ?? 0);
            settleInSilence();
        });
        let open = 2;
        const closed = () => {
            open -= 1;
            if (open === 0) {
                settle();
            }
        };
        channel.once("close", closed);
        channel.stderr.once("close", closed);
    });
    return { ended, exited };
}

/** Lets through what comes after the line that begins with the mark. */
class MarkFilter {
    #before: Buffer | undefined = Buffer.alloc(0);

    constructor(
        readonly mark: string,
        readonly onData: (chunk: Buffer) => void,
        /** Gets the rest of the mark's line. */
        readonly onMark: (words: string) => void,
    ) {}

    /** The end of what came before the mark. */
    get noise(): string {
        return this.#before?.toString("utf8") ?? "";
    }

    push(chunk: Buffer): void {
        if (this.#before === undefined) {
            this.onData(chunk);
            return;
        }
        const all = Buffer.concat([this.#before, chunk]);
        const start = all.indexOf(this.mark);
        const end = start === -1 ? -1 : all.indexOf("\n", start);
        if (end === -1) {
            this.#before = all.subarray(-noiseLimit);
            return;
        }
        this.#before = undefined;
        this.onMark(all.toString("latin1", start + this.mark.length, end).trim());
        if (end + 1 < all.length) {
            this.onData(all.subarray(end + 1));
        }
    }
}
