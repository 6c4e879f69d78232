import { Agent } from "node:http";
import type { Duplex } from "node:stream";

/**
 * An HTTP agent whose connections are byte streams that somebody else opens, one for each request.
 *
 * Streams are not kept alive: a kept one would gain a millisecond or two over an open SSH connection, and race with the
 * server that closes it.
 */
export class StreamAgent extends Agent {
    /** @param open opens a stream to the HTTP server; what it rejects with is the error of the request */
    constructor(private readonly open: () => Promise<Duplex>) {
        super({ keepAlive: false });
    }

    override createConnection(_options: object, callback?: (error: Error | null, stream: Duplex) => void): undefined {
        // Node's types demand a stream even with an error.
        const fail = callback as ((error: Error) => void) | undefined;
        this.open().then(
            (stream) => callback?.(null, stream),
            (error: Error) => fail?.(error),
        );
        return undefined;
    }
}
