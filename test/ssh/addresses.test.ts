import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import dns from "node:dns/promises";
import { connect as openSocket, type Socket } from "node:net";
import { closeAllConnections, connect } from "../../src/ssh";
import { Sshd } from "../support/sshd";
import { describeRoot, describeSsh, duration, failure, script, until } from "./support";

jest.setTimeout(60_000);
afterEach(async () => {
    jest.restoreAllMocks();
    await closeAllConnections();
});

const echo = { step: "echo", script: script("echo $SSH_CONNECTION"), sudo: false };

describeSsh("an IPv6 address", () => {
    let sshd: Sshd;
    beforeAll(async () => {
        sshd = await Sshd.create({ config: ["ListenAddress ::"] });
        await until(() => sshd.count(/Server listening on :: /) === 1, "the server on IPv6");
    });
    afterAll(() => sshd.stop());

    it.each(["::1", "[::1]", "0:0:0:0:0:0:0:1"])("may be written as %s", async (host) => {
        const machine = await connect({ ...sshd.connection, host });
        expect(machine.name).toBe(`${sshd.connection.user}@[::1]:${sshd.port}`);
        expect((await machine.run(echo)).stdout).toMatch(/^::1 \d+ ::1 /);
    });

    it("that nobody listens on is refused like any other", async () => {
        const error = await failure(connect({ ...sshd.connection, host: "::1", port: 1 }));
        expect(error.message).toContain("[::1]:1: connect: Connection refused.");
    });
});

describeRoot("a link-local IPv6 address", () => {
    const device = "pdfTest0";
    let sshd: Sshd;
    let address: string;
    beforeAll(async () => {
        execFileSync("ip", ["link", "add", device, "type", "veth", "peer", "name", `${device}p`]);
        execFileSync("ip", ["-6", "addr", "add", "fe80::77/64", "dev", device, "nodad"]);
        execFileSync("ip", ["link", "set", device, "up"]);
        execFileSync("ip", ["link", "set", `${device}p`, "up"]);
        address = `fe80::77%${device}`;
        sshd = await Sshd.create({ config: ["ListenAddress ::"] });
        await until(() => sshd.count(/Server listening on :: /) === 1, "the server on IPv6");
    });
    afterAll(async () => {
        await sshd?.stop();
        execFileSync("ip", ["link", "del", device]);
    });

    it("is reached over the interface that it names, in upper and lower case", async () => {
        const machine = await connect({ ...sshd.connection, host: address });
        expect(machine.name).toBe(`${sshd.connection.user}@[${address}]:${sshd.port}`);
        expect((await machine.run(echo)).stdout).toContain(`fe80::77%${device}`);
        const other = await failure(connect({ ...sshd.connection, host: "fe80::77%nosuch0" }));
        expect(other.code).toBe("HOST_UNREACHABLE");
    });
});

describeSsh("a name with several addresses", () => {
    let sshd: Sshd;
    let dead: Dead;
    beforeAll(async () => {
        sshd = await Sshd.create();
        dead = await Dead.create("127.0.0.9", sshd.port);
    });
    afterAll(async () => {
        dead.close();
        await sshd.stop();
    });

    /** What the name server says. */
    const resolvesTo = (...addresses: string[]) =>
        jest.spyOn(dns, "lookup").mockResolvedValue(addresses.map((address) => ({ address, family: 4 })) as never);
    const named = () => ({ ...sshd.connection, host: "several.example.org" });

    it("is reached though the first refuses, and though the first is dead", async () => {
        resolvesTo("127.0.0.8", "127.0.0.1");
        expect((await (await connect(named())).run(echo)).stdout).toContain(` 127.0.0.1 ${sshd.port}`);
        await closeAllConnections();
        resolvesTo("127.0.0.9", "127.0.0.8", "127.0.0.1");
        const took = await duration(() => connect({ ...named(), perDialTimeout: 5 }));
        expect(took).toBeGreaterThan(1_000);
        expect(took).toBeLessThan(5_000);
    });

    it("none of which answers is told with what became of each", async () => {
        resolvesTo("127.0.0.9", "127.0.0.8");
        const error = await failure(connect({ ...named(), perDialTimeout: 3 }));
        expect(error.code).toBe("HOST_UNREACHABLE");
        expect(error.message).toContain("127.0.0.9: no answer, 127.0.0.8: connection refused.");
    });
});

/** An address that is as silent as a machine that is off: a listener that accepts nothing, and whose queue is full. */
class Dead {
    readonly #waiting: Socket[] = [];

    private constructor(readonly child: ChildProcess) {}

    static async create(host: string, port: number): Promise<Dead> {
        const listen = `require("net").createServer().listen({ host: "${host}", port: ${port}, backlog: 1 }, () => console.log("up"))`;
        const child = spawn(process.execPath, ["-e", listen], { stdio: ["ignore", "pipe", "inherit"] });
        await new Promise((resolve) => child.stdout!.once("data", resolve));
        child.kill("SIGSTOP");
        const dead = new Dead(child);
        for (let answered = true; answered; ) {
            const socket = openSocket({ host, port });
            dead.#waiting.push(socket);
            socket.on("error", () => {});
            answered = await new Promise<boolean>((resolve) => {
                socket.once("connect", () => resolve(true));
                setTimeout(() => resolve(false), 500);
            });
        }
        return dead;
    }

    close(): void {
        for (const socket of this.#waiting) {
            socket.destroy();
        }
        this.child.kill("SIGKILL");
    }
}
