import { connect, createServer, type Server, type Socket } from "node:net";

/** A wire between us and a server that a test can cut or freeze. */
export class Wire {
    readonly #pairs = new Set<[Socket, Socket]>();
    #frozen = false;
    /** Bytes that went from us to the server. */
    sent = 0;
    /** Cut the wire as soon as so many bytes went from us to the server. */
    cutAfter = Number.POSITIVE_INFINITY;

    private constructor(
        readonly server: Server,
        readonly port: number,
    ) {}

    /** Starts one on loopback, in front of a port of loopback. */
    static create(target: number): Promise<Wire> {
        return new Promise((resolve) => {
            const server = createServer((near) => {
                const far = connect({ host: "127.0.0.1", port: target });
                wire.#join(near, far);
            });
            let wire: Wire;
            server.listen(0, "127.0.0.1", () => {
                wire = new Wire(server, (server.address() as { port: number }).port);
                resolve(wire);
            });
        });
    }

    /** How many connections are open. */
    get open(): number {
        return this.#pairs.size;
    }

    /** Ends every connection, as a reset line does. */
    cut(): void {
        for (const pair of this.#pairs) {
            for (const socket of pair) {
                socket.resetAndDestroy();
            }
        }
    }

    /** From now on nothing goes through, and nobody is told: as when a cable is pulled. */
    freeze(): void {
        this.#frozen = true;
        for (const pair of this.#pairs) {
            for (const socket of pair) {
                socket.pause();
            }
        }
    }

    /** Ends it all. */
    async close(): Promise<void> {
        this.cut();
        await new Promise((resolve) => this.server.close(resolve));
    }

    #join(near: Socket, far: Socket): void {
        const pair: [Socket, Socket] = [near, far];
        this.#pairs.add(pair);
        const pass = (from: Socket, to: Socket) => {
            from.on("data", (chunk: Buffer) => {
                if (from === near) {
                    this.sent += chunk.length;
                    if (this.sent > this.cutAfter) {
                        this.cut();
                        return;
                    }
                }
                to.write(chunk);
            });
            from.on("error", () => {});
            from.on("close", () => {
                this.#pairs.delete(pair);
                to.destroy();
            });
            if (this.#frozen) {
                from.pause();
            }
        };
        pass(near, far);
        pass(far, near);
    }
}
