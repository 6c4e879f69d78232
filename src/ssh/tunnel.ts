import { Duplex } from "node:stream";
import type { ClientChannel } from "ssh2";

/**
 * A channel as a stream that keeps the promises of Node's sockets, so that http clients can use it. ssh2's own channel
 * does not: after the other side has closed, its writes never call back, `destroyed` stays false, and there are no
 * timeouts, so a request on a dead channel waits for ever.
 */
export class Tunnel extends Duplex {
    #pendingWrite: ((error: Error) => void) | undefined;
    #closed = false;
    #timer: NodeJS.Timeout | undefined;
    #timeout = 0;
    /** As `net.Socket.bytesRead`. */
    bytesRead = 0;
    /** As `net.Socket.bytesWritten`. */
    bytesWritten = 0;

    /** @param fed whether data and end are handed in by {@link feed} and {@link finish} instead of being read here */
    constructor(
        readonly channel: ClientChannel,
        fed = false,
    ) {
        super({ allowHalfOpen: false });
        if (!fed) {
            channel.on("data", (chunk: Buffer) => this.feed(chunk));
            channel.on("end", () => this.finish());
            channel.on("close", () => this.finish());
        }
        channel.on("error", () => {});
        channel.on("close", () => {
            this.#closed = true;
            this.#pendingWrite?.(brokenPipe());
        });
    }

    /** Hands in data of the channel. */
    feed(chunk: Buffer): void {
        this.bytesRead += chunk.length;
        this.#touch();
        if (!this.readableEnded && !this.destroyed && !this.push(chunk)) {
            this.channel.pause();
        }
    }

    /** Nothing more will come. */
    finish(): void {
        if (!this.destroyed && !this.readableEnded) {
            this.push(null);
            // A stream nobody reads would never notice its end.
            this.read(0);
        }
    }

    /** As `net.Socket.setTimeout`: `timeout` is emitted after so many milliseconds without traffic; 0 = never. */
    setTimeout(ms: number, listener?: () => void): this {
        this.#timeout = ms;
        if (listener !== undefined) {
            this.once("timeout", listener);
        }
        this.#touch();
        return this;
    }

    /** For http clients; means nothing here. */
    setNoDelay(): this {
        return this;
    }

    /** For http clients; the connection underneath has its own. */
    setKeepAlive(): this {
        return this;
    }

    /** For http agents; an open tunnel always keeps the process alive. */
    ref(): this {
        return this;
    }

    /** For http agents; an open tunnel always keeps the process alive. */
    unref(): this {
        return this;
    }

    override _read(): void {
        this.channel.resume();
    }

    override _write(chunk: Buffer, _encoding: string, callback: (error?: Error | null) => void): void {
        if (this.#closed) {
            callback(brokenPipe());
            return;
        }
        const done = (error?: Error | null) => {
            if (this.#pendingWrite === done) {
                this.#pendingWrite = undefined;
                this.#touch();
                callback(error);
            }
        };
        this.#pendingWrite = done;
        this.bytesWritten += chunk.length;
        this.channel.write(chunk, done);
    }

    override _final(callback: () => void): void {
        if (!this.#closed) {
            this.channel.end();
        }
        callback();
    }

    override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
        clearTimeout(this.#timer);
        this.#pendingWrite?.(error ?? brokenPipe());
        this.channel.resume();
        this.channel.close();
        callback(error);
    }

    #touch(): void {
        clearTimeout(this.#timer);
        if (this.#timeout > 0 && !this.destroyed) {
            this.#timer = setTimeout(() => this.emit("timeout"), this.#timeout);
            this.#timer.unref();
        }
    }
}

function brokenPipe(): Error {
    return Object.assign(new Error("write EPIPE: the other side has closed the stream"), { code: "EPIPE" });
}
