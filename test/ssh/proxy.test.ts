import { createServer, connect as openSocket, type Server } from "node:net";
import { closeAllConnections, connect } from "../../src/ssh";
import { ProxyServer, proxiesUnavailable } from "../support/proxies";
import { Sshd } from "../support/sshd";
import { describeRoot, failure, script } from "./support";
import { createUser, type TestUser } from "./users";

jest.setTimeout(60_000);
afterEach(closeAllConnections);

const reason = canRun();
function canRun(): string | undefined {
    return process.getuid?.() === 0 ? proxiesUnavailable() : "needs root";
}
const describeProxy = (title: string, body: () => void) =>
    reason === undefined ? describeRoot(title, body) : describe.skip(`${title} (skipped: ${reason})`, body);

const echo = { step: "echo", script: script("echo $SSH_CONNECTION"), sudo: false };

describeProxy("a SOCKS5 proxy", () => {
    let sshd: Sshd;
    let open: ProxyServer;
    let guarded: ProxyServer;
    let user: TestUser;
    const password = "p@ss:w/rd%1";
    beforeAll(async () => {
        user = createUser("socks", { password });
        [sshd, open, guarded] = await Promise.all([
            Sshd.create(),
            ProxyServer.socks(),
            ProxyServer.socks({ login: true, allowed: "127.0.0.1/32" }),
        ]);
    });
    afterAll(async () => {
        await Promise.all([sshd.stop(), open.stop(), guarded.stop()]);
        user.remove();
    });

    it("connects us, and looks up the name", async () => {
        const machine = await connect({ ...sshd.connection, proxyUrl: `socks5://127.0.0.1:${open.port}` });
        expect((await machine.run(echo)).stdout).toContain(` ${sshd.port}`);
        const heard: Buffer[] = [];
        const listener = createServer((near) => {
            const far = openSocket(open.port, "127.0.0.1");
            near.on("data", (chunk) => heard.push(chunk)).on("error", () => {});
            near.pipe(far).pipe(near);
        }).listen(0, "127.0.0.1");
        await new Promise((resolve) => listener.once("listening", resolve));
        const { port } = listener.address() as { port: number };
        const named = { ...sshd.connection, host: "localhost", proxyUrl: `socks5h://localhost:${port}` };
        expect((await (await connect(named)).run(echo)).stdout).toContain(` ${sshd.port}`);
        // RFC 1928: a name, of nine letters.
        expect(Buffer.concat(heard).toString("latin1")).toContain("\x05\x01\x00\x03\x09localhost");
        await closeAllConnections();
        listener.close();
    });

    it("gets user and password, which no message shows", async () => {
        const at = (login: string) => `socks5://${login}@127.0.0.1:${guarded.port}`;
        const machine = await connect({
            ...sshd.connection,
            proxyUrl: at(`${user.name}:${encodeURIComponent(password)}`),
        });
        expect((await machine.run(echo)).stdout).toContain(` ${sshd.port}`);
        const wrong = await failure(
            connect({ ...sshd.connection, dialErrorLimit: 5, proxyUrl: at(`${user.name}:wr0ng-secret`) }),
        );
        expect(wrong.code).toBe("PROXY_FAILED");
        expect(wrong.message).toContain(`socks5://127.0.0.1:${guarded.port} did not connect us: it lets nobody in`);
        expect(JSON.stringify([wrong, wrong.message, wrong.stack, wrong.cause])).not.toContain("wr0ng-secret");
        const none = await failure(connect({ ...sshd.connection, proxyUrl: `socks5://127.0.0.1:${guarded.port}` }));
        expect(none.code).toBe("PROXY_FAILED");
        expect(none.message).toContain("Check the user and the password in connection.proxyUrl.");
    });

    it("that may not, or cannot, reach the machine says so", async () => {
        const login = `${user.name}:${encodeURIComponent(password)}`;
        const forbidden = await failure(
            connect({ ...sshd.connection, host: "127.0.0.2", proxyUrl: `socks5://${login}@127.0.0.1:${guarded.port}` }),
        );
        expect(forbidden.code).toBe("PROXY_FAILED");
        expect(forbidden.message).toContain("not allowed");
        const nobody = await failure(
            connect({ ...sshd.connection, port: 1, proxyUrl: `socks5://127.0.0.1:${open.port}` }),
        );
        expect(nobody.code).toBe("HOST_UNREACHABLE");
        expect(nobody.message).toMatch(/The proxy socks5:\S+ did not connect us: connection refused/);
    });

    it("that is none is told", async () => {
        const gone = await failure(connect({ ...sshd.connection, proxyUrl: "socks5://127.0.0.1:1" }));
        expect(gone.code).toBe("HOST_UNREACHABLE");
        expect(gone.message).toContain("The proxy socks5://127.0.0.1:1 cannot be reached: connection refused.");
        const other = await failure(connect({ ...sshd.connection, proxyUrl: `socks5://127.0.0.1:${sshd.port}` }));
        expect(other.code).toBe("PROXY_FAILED");
        expect(other.message).toContain("does not speak SOCKS5");
        const unknown = await failure(connect({ ...sshd.connection, proxyUrl: "socks5://no-such-host.invalid" }));
        expect(unknown.code).toBe("HOST_NAME_UNKNOWN");
        expect(unknown.message).toContain("Check connection.proxyUrl");
    });

    it("may lead to a jump host", async () => {
        const proxy = { ...sshd.connection, proxyUrl: `socks5://127.0.0.1:${open.port}` };
        const behind = await Sshd.create();
        const machine = await connect({ ...behind.connection, proxy });
        expect((await machine.run(echo)).stdout).toContain(` ${behind.port}`);
        await closeAllConnections();
        await behind.stop();
    });
});

describeProxy("an HTTP proxy", () => {
    let sshd: Sshd;
    let open: ProxyServer;
    let guarded: ProxyServer;
    beforeAll(async () => {
        sshd = await Sshd.create();
        [open, guarded] = await Promise.all([
            ProxyServer.http(),
            ProxyServer.http({ login: "jane s3cret-word", connectPort: sshd.port }),
        ]);
    });
    afterAll(() => Promise.all([sshd.stop(), open.stop(), guarded.stop()]));

    it("connects us, and looks up the name", async () => {
        const named = { ...sshd.connection, host: "localhost", proxyUrl: `http://127.0.0.1:${open.port}` };
        const machine = await connect(named);
        const stdin = Buffer.alloc(2 ** 20, "0123456789abcdef");
        const { stdout } = await machine.run({ ...echo, script: script("cat"), stdin, maxBytes: 2 ** 21 });
        expect(stdout.length).toBe(stdin.length);
        expect(open.log).toContain(`CONNECT localhost:${sshd.port}`);
    });

    it("gets user and password, which no message shows", async () => {
        const at = (login: string) => `http://${login}@127.0.0.1:${guarded.port}`;
        const machine = await connect({ ...sshd.connection, proxyUrl: at("jane:s3cret-word") });
        expect((await machine.run(echo)).stdout).toContain(` ${sshd.port}`);
        const wrong = await failure(
            connect({ ...sshd.connection, dialErrorLimit: 5, proxyUrl: at("jane:wr0ng-secret") }),
        );
        expect(wrong.code).toBe("PROXY_FAILED");
        expect(wrong.message).toMatch(/did not connect us: 40[17] /);
        expect(wrong.message).toContain("Check the user and the password in connection.proxyUrl.");
        expect(JSON.stringify([wrong, wrong.message, wrong.stack, wrong.cause])).not.toContain("wr0ng-secret");
    });

    it("that may not, or cannot, reach the machine says so", async () => {
        const forbidden = await failure(
            connect({ ...sshd.connection, port: 1, proxyUrl: `http://jane:s3cret-word@127.0.0.1:${guarded.port}` }),
        );
        expect(forbidden.code).toBe("PROXY_FAILED");
        expect(forbidden.message).toMatch(/did not connect us: 403 .*allows connections to port 1,/);
        const nobody = await failure(
            connect({ ...sshd.connection, port: 1, proxyUrl: `http://127.0.0.1:${open.port}` }),
        );
        expect(nobody.code).toBe("HOST_UNREACHABLE");
        expect(nobody.message).toMatch(/did not connect us: 50\d /);
    });

    it("that is none is told", async () => {
        const other = await failure(connect({ ...sshd.connection, proxyUrl: `http://127.0.0.1:${sshd.port}` }));
        expect(other.code).toBe("PROXY_FAILED");
        expect(other.message).toContain("does not speak HTTP");
    });
});

describeProxy("a proxy that says nothing", () => {
    let sshd: Sshd;
    let silent: Server;
    let port: number;
    beforeAll(async () => {
        sshd = await Sshd.create();
        silent = createServer((socket) => socket.on("error", () => {}));
        await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
        ({ port } = silent.address() as { port: number });
    });
    afterAll(async () => {
        silent.close();
        await sshd.stop();
    });

    it.each(["socks5", "http"])("does not hold us longer than a dial may take: %s", async (kind) => {
        const proxyUrl = `${kind}://127.0.0.1:${port}`;
        const error = await failure(connect({ ...sshd.connection, perDialTimeout: 1, proxyUrl }));
        expect(error.code).toBe("HOST_UNREACHABLE");
        expect(error.message).toContain("No answer within 1 s");
    });
});
