import { once } from "node:events";
import { Agent, createServer as createHttpServer, request } from "node:http";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { closeAllConnections, connect, type Machine } from "../../src/ssh";
import { timing } from "../../src/ssh/timing";
import { Sshd } from "../support/sshd";
import { describeSsh, duration, failure, until } from "./support";
import { Wire } from "./wire";

jest.setTimeout(120_000);
const usual = { ...timing };

async function readAll(stream: Duplex): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of stream) {
        chunks.push(chunk);
    }
    return Buffer.concat(chunks);
}

describeSsh("a stream to a unix socket", () => {
    let sshd: Sshd;
    let wire: Wire;
    let machine: Machine;
    let path: string;
    let server: Server;
    /** What the server of the socket does with a client; each test says. */
    let serve: (socket: Socket) => void;
    beforeEach(async () => {
        timing.keepaliveInterval = 300;
        sshd = await Sshd.create();
        wire = await Wire.create(sshd.port);
        machine = await connect({ ...sshd.connection, port: wire.port });
        path = join(sshd.directory, "socket");
        server = createServer({ allowHalfOpen: true }, (socket) => {
            socket.on("error", () => {});
            serve(socket);
        }).listen(path);
        await once(server, "listening");
    });
    afterEach(async () => {
        Object.assign(timing, usual);
        await closeAllConnections();
        server.close();
        await wire.close();
        await sshd.stop();
    });

    it("carries any bytes both ways, and both ends", async () => {
        serve = (socket) => socket.pipe(socket);
        const stream = await machine.openUnixSocket(path);
        const content = Buffer.from(Array.from({ length: 5_000_000 }, (_, i) => (i * 17) % 256));
        stream.end(content);
        expect((await readAll(stream)).equals(content)).toBe(true);
        await until(() => stream.closed, "the end of the stream");
    });

    it("uses up no session: 50 of them at once", async () => {
        serve = (socket) => socket.end("hello");
        const answers = await Promise.all(
            Array.from({ length: 50 }, async () => (await readAll(await machine.openUnixSocket(path))).toString()),
        );
        expect(answers).toEqual(Array(50).fill("hello"));
        expect(sshd.count("Starting session")).toBe(0);
    });

    it("fails to open where nothing listens", async () => {
        const error = await failure(machine.openUnixSocket(join(sshd.directory, "nothing")));
        expect(error.code).toBe("UNIX_SOCKET_REFUSED");
    });

    it("answers a write with EPIPE when the other side has closed, instead of nothing", async () => {
        // It reads nothing, so that the write is still waiting when it goes.
        serve = (socket) => setTimeout(() => socket.destroy(), 300);
        const stream = await machine.openUnixSocket(path);
        stream.on("error", () => {});
        const outcome = await new Promise((resolve) => stream.write(Buffer.alloc(10_000_000), resolve));
        expect(outcome).toHaveProperty("code", "EPIPE");
        await until(() => stream.destroyed, "the end of the stream");
    });

    it.each(["cut", "freeze"] as const)("ends when the wire is %s", async (how) => {
        serve = (socket) => socket.write("begun");
        const stream = await machine.openUnixSocket(path);
        stream.on("error", () => {});
        await once(stream, "data");
        wire[how]();
        const ms = await duration(() => until(() => stream.destroyed, "the end of the stream"));
        expect(ms).toBeLessThan(15_000);
    });

    it("has a timeout like a socket's", async () => {
        serve = () => {};
        const stream = (await machine.openUnixSocket(path)) as Socket;
        const ms = await duration(async () => {
            stream.setTimeout(300);
            await once(stream, "timeout");
        });
        expect(ms).toBeGreaterThan(250);
        expect(ms).toBeLessThan(10_000);
        stream.destroy();
    });

    it("holds the sender up while nobody reads", async () => {
        let sent = 0;
        serve = (socket) => {
            const more = () => {
                sent += 65_536;
                socket.write(Buffer.alloc(65_536), (error) => error ?? (sent < 50_000_000 && more()));
            };
            more();
        };
        const stream = await machine.openUnixSocket(path);
        await new Promise((resolve) => setTimeout(resolve, 1_000));
        expect(sent).toBeLessThan(20_000_000);
        stream.destroy();
    });

    it("serves an http client, with a request that is given up in between", async () => {
        const web = createHttpServer((incoming, response) => {
            if (incoming.url === "/slow") {
                return;
            }
            response.end(`you asked for ${incoming.url}`);
        }).listen(`${path}.http`);
        await once(web, "listening");
        const agent = new Agent({ keepAlive: false });
        agent.createConnection = ((_: unknown, done: (error: Error | null, stream?: Duplex) => void) => {
            machine.openUnixSocket(`${path}.http`).then((stream) => done(null, stream), done);
        }) as typeof agent.createConnection;
        const get = (url: string, timeout?: number) =>
            new Promise<string>((resolve, reject) => {
                const asked = request({ agent, host: "x", path: url, timeout }, async (response) => {
                    let text = "";
                    for await (const chunk of response) {
                        text += chunk;
                    }
                    resolve(text);
                });
                asked.on("timeout", () => asked.destroy(new Error("given up")));
                asked.on("error", reject);
                asked.end();
            });
        expect(await get("/a")).toBe("you asked for /a");
        await expect(get("/slow", 300)).rejects.toThrow("given up");
        expect(await Promise.all(["/1", "/2", "/3"].map((url) => get(url)))).toHaveLength(3);
        web.close();
    });
});

describeSsh("a stream to a command", () => {
    let sshd: Sshd;
    let machine: Machine;
    beforeAll(async () => {
        sshd = await Sshd.create();
        machine = await connect(sshd.connection);
    });
    afterAll(async () => {
        await closeAllConnections();
        await sshd.stop();
    });
    const open = (...argv: string[]) => machine.openCommand({ step: "talk", argv, sudo: false });

    it("carries any bytes both ways, and both ends", async () => {
        const stream = await open("cat");
        const content = Buffer.from(Array.from({ length: 3_000_000 }, (_, i) => (i * 19) % 256));
        stream.end(content);
        expect((await readAll(stream)).equals(content)).toBe(true);
    });

    it("hands over arguments as they are", async () => {
        expect((await readAll(await open("printf", "%s|", "a b", "'", "$x"))).toString()).toBe("a b|'|$x|");
    });

    it("ends with the last words of a command that fails", async () => {
        const stream = await open("sh", "-c", "echo some; echo 'no such engine' >&2; exit 4");
        const error = await failure(readAll(stream));
        expect(error.code).toBe("REMOTE_COMMAND_FAILED");
        expect(error.message).toContain("sh ended with code 4: no such engine");
    });

    it("gives its session back when it is closed", async () => {
        for (let i = 0; i < 12; i++) {
            (await open("cat")).destroy();
        }
        expect((await readAll(await open("echo", "free"))).toString()).toBe("free\n");
    });
});
