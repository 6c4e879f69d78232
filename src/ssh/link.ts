import type { Client, ClientChannel, PseudoTtyOptions } from "ssh2";
import { FleetError } from "../errors";
import { RootAccess } from "./become";
import { SessionSlots } from "./slots";
import { endSoon, type Stream } from "./stream";
import { timing } from "./timing";

/** What a {@link Link} is made of: a client that is logged in, and what was learnt on the way. */
export interface LinkParts {
    client: Client;
    /** What the connection goes over. */
    stream: Stream;
    /** The machine's name in messages. */
    name: string;
    /** The host keys that were proved, as `type base64`: those of the jump hosts, the outermost first, then the server's own. */
    hostKeys: string[];
    /** The public keys that were taken for the login, in base64; two where the server wants two. Empty without any. */
    loginKeys: string[];
}

/**
 * One live SSH connection. Whoever waits for something that comes over it also waits for its loss: ssh2 itself leaves
 * writes, and requests under way, without an answer when the connection goes.
 */
export class Link {
    readonly name: string;
    readonly hostKeys: readonly string[];
    readonly loginKeys: readonly string[];
    readonly slots = new SessionSlots();
    /** How to become root on this machine, once that is known. */
    readonly root = new RootAccess();

    readonly #client: Client;
    readonly #stream: Stream;
    readonly #lossListeners = new Set<() => void>();
    #loss: string | undefined;
    #users = 0;

    constructor(parts: LinkParts) {
        this.name = parts.name;
        this.hostKeys = parts.hostKeys;
        this.loginKeys = parts.loginKeys;
        this.#client = parts.client;
        this.#stream = parts.stream;
        // For ever: an 'error' nobody listens to would end the process.
        this.#client.on("error", (error: Error) => this.#lose(error.message));
        this.#client.on("close", () => this.#lose("the machine closed the connection"));
        this.#keepAlive();
        // A pool of idle connections must not keep the process from ending.
        this.#stream.unref();
    }

    /** Whether the connection is gone. */
    get isLost(): boolean {
        return this.#loss !== undefined;
    }

    /** Why the connection is gone; undefined as long as it is not. */
    get loss(): string | undefined {
        return this.#loss;
    }

    /** The error for a step that was interrupted by the loss of the connection. */
    lossError(step: string): FleetError {
        return new FleetError({
            code: "CONNECTION_LOST",
            machine: this.name,
            step,
            message: `The connection was lost: ${this.#loss ?? "the session ended without an exit status"}.`,
            cure: "What was running on the machine may still be running; run the same command again.",
        });
    }

    /** Calls back once, when the connection is lost (at once if it is already). @returns a function that calls it off */
    onLost(listener: () => void): () => void {
        if (this.isLost) {
            listener();
        } else {
            this.#lossListeners.add(listener);
        }
        return () => this.#lossListeners.delete(listener);
    }

    /** Marks the connection as needed: until the returned function is called the process does not end by itself. */
    use(): () => void {
        this.#users += 1;
        this.#stream.ref();
        let released = false;
        return () => {
            if (!released) {
                released = true;
                this.#users -= 1;
                if (this.#users === 0) {
                    this.#stream.unref();
                }
            }
        };
    }

    /**
     * Starts a command in a session of its own.
     *
     * @param terminal the terminal it shall run on; undefined: none
     * @param opened called before any of the session's events
     */
    exec(
        step: string,
        command: string,
        terminal: PseudoTtyOptions | undefined,
        opened: (channel: ClientChannel) => void,
    ): Promise<void> {
        return this.#request(step, (done) => {
            this.#client.exec(command, terminal === undefined ? {} : { pty: terminal }, (error, channel) => {
                if (!error) {
                    opened(channel);
                }
                done(error);
            });
        });
    }

    /** Opens a stream to a unix socket of the machine. @param opened called before any of the stream's events */
    streamLocal(step: string, path: string, opened: (channel: ClientChannel) => void): Promise<void> {
        return this.#request(step, (done) => {
            this.#client.openssh_forwardOutStreamLocal(path, (error, channel) => {
                if (!error) {
                    opened(channel);
                }
                done(error);
            });
        });
    }

    /** Opens a stream to a port that the machine can reach. @param opened called before any of the stream's events */
    forward(step: string, host: string, port: number, opened: (channel: ClientChannel) => void): Promise<void> {
        return this.#request(step, (done) => {
            // Where it comes from is something the server may log; we have no port of our own.
            this.#client.forwardOut("127.0.0.1", 0, host, port, (error, channel) => {
                if (!error) {
                    opened(channel);
                }
                done(error);
            });
        });
    }

    /** Resolves when the server has answered everything that was sent before, or when the connection is lost. */
    ping(): Promise<void> {
        // Every server answers this request, with a refusal: we never asked it to listen anywhere.
        return this.#request("ping", (done) => void this.#client.unforwardIn("", 0, () => done(undefined))).catch(
            () => {},
        );
    }

    /** Ends the connection; resolves when it is closed. */
    close(): Promise<void> {
        return new Promise((resolve) => {
            if (this.#stream.destroyed) {
                resolve();
                return;
            }
            this.#stream.once("close", () => resolve());
            this.#lose("it was closed on our side");
        });
    }

    #request(step: string, send: (done: (error: Error | undefined) => void) => void): Promise<void> {
        return new Promise((resolve, reject) => {
            const forget = this.onLost(() => reject(this.lossError(step)));
            const done = (error: Error | undefined) => {
                forget();
                if (error === undefined) {
                    resolve();
                } else {
                    reject(this.isLost ? this.lossError(step) : error);
                }
            };
            try {
                send(done);
            } catch (error) {
                // "Not connected": the socket has ended, and ssh2 has not told yet.
                this.#lose((error as Error).message);
                forget();
            }
        });
    }

    #keepAlive(): void {
        let unanswered = 0;
        let seen = this.#stream.bytesRead;
        const timer = setInterval(() => {
            // Anything that arrives is a sign of life: behind a long upload our question waits in our own queue.
            unanswered = this.#stream.bytesRead === seen ? unanswered : 0;
            seen = this.#stream.bytesRead;
            if (unanswered >= timing.keepaliveCount) {
                this.#lose(`no sign of life for ${(timing.keepaliveInterval * timing.keepaliveCount) / 1000} s`);
                return;
            }
            unanswered += 1;
            void this.ping();
        }, timing.keepaliveInterval);
        timer.unref();
        this.onLost(() => clearInterval(timer));
    }

    #lose(reason: string): void {
        if (this.#loss !== undefined) {
            return;
        }
        this.#loss = reason;
        for (const listener of this.#lossListeners) {
            listener();
        }
        this.#lossListeners.clear();
        this.slots.close();
        // A polite goodbye where it still can be sent, and then no waiting for an answer.
        this.#client.end();
        endSoon(this.#stream);
        setTimeout(() => this.#stream.destroy(), 1_000).unref();
    }
}
