import { connect, createServer, type TLSSocket } from "node:tls";

/** One side of a connection: what it shows, and whom it trusts. */
export interface Side {
    certificate?: string;
    privateKey?: string;
    trusted: string;
}

/** A server that says hello to those whom it lets in. */
export interface Greeter {
    port: number;
    /** Why it refused those whom it did not let in. */
    refusals: string[];
    close(): Promise<void>;
}

/** Listens on 127.0.0.1, and wants to see a client's certificate, as a Docker host with `tlsverify` does. */
export async function greeter(side: Side): Promise<Greeter> {
    const refusals: string[] = [];
    const listener = createServer({
        cert: side.certificate,
        key: side.privateKey,
        ca: side.trusted,
        requestCert: true,
        // By itself, Node would refuse without telling the reason.
        rejectUnauthorized: false,
    });
    listener.on("secureConnection", (socket) => {
        socket.on("error", () => {});
        if (socket.authorized) {
            socket.end("hello");
        } else {
            refusals.push(`server: ${socket.authorizationError}`);
            socket.destroy();
        }
    });
    await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
    const { port } = listener.address() as { port: number };
    return { port, refusals, close: () => new Promise((resolve) => listener.close(() => resolve())) };
}

/**
 * Lets two sides shake hands over TCP.
 *
 * @param host the name under which the client wants to reach the server
 * @returns `"OK"`, or which side refused and its reason
 */
export async function shakeHands(server: Side, client: Side, host = "127.0.0.1"): Promise<string> {
    const { port, refusals, close } = await greeter(server);
    try {
        // The client knows that it was let in only when it has read something.
        const socket: TLSSocket = connect({
            host: "127.0.0.1",
            port,
            servername: host === "127.0.0.1" ? "" : host,
            cert: client.certificate,
            key: client.privateKey,
            ca: client.trusted,
        });
        const heard = await new Promise<string>((resolve) => {
            let text = "";
            socket.on("data", (data) => {
                text += data;
            });
            socket.on("error", (error: NodeJS.ErrnoException) => resolve(`client: ${error.code ?? error.message}`));
            socket.on("close", () => resolve(text));
        });
        return heard === "hello" ? "OK" : (refusals[0] ?? heard);
    } finally {
        await close();
    }
}
