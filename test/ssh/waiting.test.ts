import { createServer } from "node:net";
import { closeAllConnections, connect } from "../../src/ssh";
import { timing } from "../../src/ssh/timing";
import { freePort } from "../support/ports";
import { Sshd } from "../support/sshd";
import { describeSsh, duration, failure, script } from "./support";

jest.setTimeout(120_000);
const usual = { ...timing };
beforeEach(() => Object.assign(timing, { firstPause: 200, longestPause: 1_000 }));
afterEach(async () => {
    Object.assign(timing, usual);
    await closeAllConnections();
});

describeSsh("waiting for a machine", () => {
    it("ends when the SSH server comes up, and logs in only once", async () => {
        const sshd = await Sshd.create({ stopped: true });
        try {
            const lines: string[] = [];
            const connecting = connect(
                { ...sshd.connection, dialErrorLimit: 50 },
                { onProgress: (line) => lines.push(line) },
            );
            await new Promise((resolve) => setTimeout(resolve, 1_500));
            await sshd.start();
            const machine = await connecting;
            expect((await machine.run({ step: "test", script: script("echo up"), sudo: false })).stdout).toBe("up\n");
            expect(lines[0]).toBe("waiting for 127.0.0.1: connection refused (try 1)");
            expect(lines.length).toBeGreaterThan(1);
            // No port probe: whatever reached the server was a login.
            expect(sshd.count("Connection from")).toBe(1);
            expect(sshd.count("Accepted publickey")).toBe(1);
        } finally {
            await closeAllConnections();
            await sshd.stop();
        }
    });

    it("gives up after dialErrorLimit errors", async () => {
        const sshd = await Sshd.create({ stopped: true });
        const lines: string[] = [];
        const error = await failure(
            connect({ ...sshd.connection, dialErrorLimit: 2 }, { onProgress: (line) => lines.push(line) }),
        );
        expect(error.code).toBe("HOST_UNREACHABLE");
        expect(error.message).toContain("Connection refused. Gave up after 3 tries.");
        expect(lines).toHaveLength(2);
        await sshd.stop();
    });

    it("gives a server that accepts but says nothing perDialTimeout seconds", async () => {
        const server = createServer(() => {}).listen(0, "127.0.0.1");
        await new Promise((resolve) => server.once("listening", resolve));
        const port = (server.address() as { port: number }).port;
        const connection = { host: "127.0.0.1", port, password: "x", perDialTimeout: 0.5, dialErrorLimit: 0 };
        const error = await failure(connect(connection));
        expect(error.code).toBe("HOST_UNREACHABLE");
        expect(error.message).toContain("within 0.5 s");
        server.close();
    });

    it("goes on when the server drops connections before its greeting, and tells of penalties", async () => {
        let dropped = 0;
        const server = createServer((socket) => {
            dropped += 1;
            socket.resetAndDestroy();
        }).listen(0, "127.0.0.1");
        await new Promise((resolve) => server.once("listening", resolve));
        const port = (server.address() as { port: number }).port;
        const error = await failure(connect({ host: "127.0.0.1", port, password: "x", dialErrorLimit: 2 }));
        expect(error.code).toBe("HOST_UNREACHABLE");
        expect(error.message).toContain("PerSourcePenalties");
        expect(dropped).toBe(3);
        server.close();
    });

    it("does not go on when something else than SSH answers", async () => {
        let asked = 0;
        const server = createServer((socket) => {
            asked += 1;
            socket.on("error", () => {});
            socket.end(`HTTP/1.1 400 Bad Request\r\n\r\n${"x".repeat(10_000)}`);
        }).listen(0, "127.0.0.1");
        await new Promise((resolve) => server.once("listening", resolve));
        const port = (server.address() as { port: number }).port;
        const error = await failure(connect({ host: "127.0.0.1", port, password: "x", dialErrorLimit: 1 }));
        expect(error.code).toBe("HOST_UNREACHABLE");
        expect(asked).toBeLessThanOrEqual(2);
        server.close();
    });

    it("ends soon when the name does not exist", async () => {
        const connection = { host: "no-such-host.invalid", password: "x" };
        let error: Awaited<ReturnType<typeof failure>> | undefined;
        const ms = await duration(async () => {
            error = await failure(connect(connection));
        });
        expect(["HOST_NAME_UNKNOWN", "HOST_UNREACHABLE"]).toContain(error?.code);
        expect(error?.message).toContain("no-such-host.invalid");
        expect(ms).toBeLessThan(20_000);
    });

    it("ends at the caller's own deadline, and then dials no more", async () => {
        const port = await freePort();
        const connection = { host: "127.0.0.1", port, password: "x", dialErrorLimit: -1 };
        const lines: string[] = [];
        const error = await failure(connect(connection, { timeout: 700, onProgress: (line) => lines.push(line) }));
        expect(error.code).toBe("TIMEOUT");
        expect(error.message).toContain("connection refused");
        const tries = lines.length;
        await new Promise((resolve) => setTimeout(resolve, 1_200));
        expect(lines).toHaveLength(tries);
    });
});
