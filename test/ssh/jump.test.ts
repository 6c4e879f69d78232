import { type Connection, closeAllConnections, connect } from "../../src/ssh";
import { timing } from "../../src/ssh/timing";
import { Sshd } from "../support/sshd";
import { describeSsh, failure, script, until } from "./support";

jest.setTimeout(60_000);
afterEach(closeAllConnections);

describeSsh("a jump host", () => {
    let bastion: Sshd;
    let second: Sshd;
    let closed: Sshd;
    let machines: Sshd[];
    beforeAll(async () => {
        [bastion, second, closed, ...machines] = (await Promise.all([
            Sshd.create({ hostKeys: ["ed25519", "rsa"] }),
            Sshd.create(),
            Sshd.create({ config: ["AllowTcpForwarding no"] }),
            Sshd.create(),
            Sshd.create(),
            Sshd.create(),
        ])) as [Sshd, Sshd, Sshd, ...Sshd[]];
    });
    afterAll(() => Promise.all([bastion, second, closed, ...machines].map((sshd) => sshd.stop())));

    const behind = (proxy: Connection, target: Sshd = machines[0]!): Connection => ({ ...target.connection, proxy });
    const name = (sshd: Sshd) => `[127.0.0.1]:${sshd.port}`;
    const logins = (sshd: Sshd) => sshd.count(/Accepted publickey/);
    const echo = { step: "echo", script: script("echo $SSH_CONNECTION"), sudo: false };

    it("leads to a machine, with one connection for all machines behind it", async () => {
        const before = logins(bastion);
        const reached = await Promise.all(
            machines.map(async (target) => (await connect(behind(bastion.connection, target))).run(echo)),
        );
        expect(reached.map(({ stdout }) => stdout.trim().split(" ").at(-1))).toEqual(
            machines.map(({ port }) => `${port}`),
        );
        await Promise.all(machines.map((target) => connect(behind(bastion.connection, target))));
        // A machine that is used itself is no other when it is also on the way.
        await connect(bastion.connection);
        expect(logins(bastion)).toBe(before + 1);
    });

    it("may itself be behind others, to any depth", async () => {
        const proxy = behind(behind(bastion.connection, machines[2]!), second);
        const before = [bastion, machines[2]!, second].map(logins);
        const machine = await connect(behind(proxy));
        expect((await machine.run(echo)).stdout).toContain(` ${machines[0]!.port}`);
        expect(machine.hostKey).toBe(machines[0]!.hostKey());
        expect(machine.proxyHostKeys).toEqual({
            [name(bastion)]: bastion.hostKey(),
            [name(machines[2]!)]: machines[2]!.hostKey(),
            [name(second)]: second.hostKey(),
        });
        expect([bastion, machines[2]!, second].map(logins)).toEqual(before.map((count) => count + 1));
    });

    it("carries much in both directions", async () => {
        const machine = await connect(behind(behind(bastion.connection, second)));
        const stdin = Buffer.alloc(8 * 2 ** 20, "0123456789abcdef");
        const { stdout } = await machine.run({
            step: "back and forth",
            script: script("cat"),
            sudo: false,
            stdin,
            maxBytes: 2 ** 25,
        });
        expect(stdout.length).toBe(stdin.length);
        expect(Buffer.from(stdout).equals(stdin)).toBe(true);
    });

    describe("of the same name as another stop", () => {
        /** Leads to another server than its name says: in another network, the same name is another machine. */
        const posingAs = (sshd: Sshd, named: Sshd): Connection => ({
            ...named.connection,
            privateKey: sshd.privateKey,
            proxyCommand: `${process.execPath} -e 'const s=require("net").connect(${sshd.port},"127.0.0.1");process.stdin.pipe(s).pipe(process.stdout)'`,
        });
        const chain = () => behind(behind(posingAs(bastion, second), second));
        const keys = () => ({ [name(second)]: bastion.hostKey(), [`${name(second)} (2)`]: second.hostKey() });

        it("is told from it", async () => {
            expect((await connect(chain())).proxyHostKeys).toEqual(keys());
            await closeAllConnections();
            const machine = await connect(chain(), { knownProxyHostKeys: keys() });
            expect(machine.proxyHostKeys).toEqual(keys());
            // Over the connection that is open already, too.
            expect((await connect(chain(), { knownProxyHostKeys: keys() })).proxyHostKeys).toEqual(keys());
        });

        it.each([0, 1])("must keep its own key: the one at %i", async (at) => {
            const changed = Object.fromEntries(
                Object.entries(keys()).map(([stop, key], index) => [stop, index === at ? machines[1]!.hostKey() : key]),
            );
            const error = await failure(connect(chain(), { knownProxyHostKeys: changed }));
            expect(error.code).toBe("HOST_KEY_MISMATCH");
            expect(error.message).toContain(
                `set connection.${at === 0 ? "proxy.proxy" : "proxy"}.hostKey to "${Object.values(keys())[at]}"`,
            );
        });

        it("is told from the machine itself", async () => {
            const connection = { ...second.connection, proxy: posingAs(bastion, second) };
            const before = logins(second);
            await connect(connection, { knownHostKey: second.hostKey() });
            const machine = await connect(connection, {
                knownHostKey: second.hostKey(),
                knownProxyHostKeys: { [name(second)]: bastion.hostKey() },
            });
            expect(machine.hostKey).toBe(second.hostKey());
            expect(machine.proxyHostKeys).toEqual({ [name(second)]: bastion.hostKey() });
            // Taken for each other, the keys would be looked for on a connection of their own.
            expect(logins(second)).toBe(before + 1);
        });

        it("is recognized in a state of an earlier version, which had the last one's key alone", async () => {
            const machine = await connect(chain(), { knownProxyHostKeys: { [name(second)]: second.hostKey() } });
            expect(machine.proxyHostKeys).toEqual(keys());
            await closeAllConnections();
            const other = { [name(second)]: machines[1]!.hostKey() };
            expect((await failure(connect(chain(), { knownProxyHostKeys: other }))).code).toBe("HOST_KEY_MISMATCH");
        });
    });

    it("must keep the key that was seen first", async () => {
        bastion.makeKey("other", "ed25519");
        const other = bastion.publicKey("other");
        const seen = machines[0]!.count(/Connection from/);
        const error = await failure(
            connect(behind(bastion.connection), { knownProxyHostKeys: { [name(bastion)]: other } }),
        );
        expect(error.code).toBe("HOST_KEY_MISMATCH");
        expect(error.machine).toContain(`:${bastion.port}`);
        expect(error.step).toContain("jump host of");
        expect(error.message).toContain(`set connection.proxy.hostKey to "${bastion.hostKey()}"`);
        // Also for one who joins a connection that others have opened.
        await connect(behind(bastion.connection), { knownProxyHostKeys: { [name(bastion)]: bastion.hostKey() } });
        const joined = connect(behind(bastion.connection), { knownProxyHostKeys: { [name(bastion)]: other } });
        expect((await failure(joined)).code).toBe("HOST_KEY_MISMATCH");
        expect(machines[0]!.count(/Connection from/)).toBe(seen + 1);
    });

    it("proves the key that is known, where it has several", async () => {
        await connect(behind(bastion.connection));
        const rsa = { [name(bastion)]: bastion.hostKey("rsa") };
        const machine = await connect(behind(bastion.connection), { knownProxyHostKeys: rsa });
        expect(machine.proxyHostKeys).toEqual(rsa);
        const pinned = await connect(behind({ ...bastion.connection, hostKey: bastion.hostKey("rsa") }));
        expect(pinned.proxyHostKeys).toEqual(rsa);
    });

    it("is named where it is at fault, and the argument with it", async () => {
        const stranger = { ...bastion.connection, privateKey: bastion.makeKey("stranger", "ed25519") };
        const refused = await failure(connect(behind(stranger)));
        expect(refused.code).toBe("AUTHENTICATION_FAILED");
        expect(refused.message).toContain(`127.0.0.1:${bastion.port}: connect (jump host of `);
        expect(refused.message).toContain("tried: connection.proxy.privateKey");
        const nested = await failure(connect(behind(behind(stranger, second))));
        expect(nested.message).toContain("tried: connection.proxy.proxy.privateKey");
        expect(nested.message.match(/jump host of/g)).toHaveLength(1);
        const unknown = await failure(connect(behind({ ...bastion.connection, host: "no-such-host.invalid" })));
        expect(unknown.message).toContain("Check connection.proxy.host.");
        const invalid = await failure(connect(behind({ ...bastion.connection, port: 0 })));
        expect(invalid.message).toContain("connection.proxy.port must be");
        const badKey = await failure(connect(behind({ ...bastion.connection, hostKey: "ssh-ed25519 AAAA" })));
        expect(badKey.message).toContain("connection.proxy.hostKey is not a public key");
    });

    it("that forwards nothing is told from a machine that does not answer", async () => {
        const forbidden = await failure(connect({ ...behind(closed.connection), dialErrorLimit: 5 }));
        expect(forbidden.code).toBe("PROXY_FAILED");
        expect(forbidden.message).toContain(`The jump host ${closed.connection.user}@127.0.0.1:${closed.port} refuses`);
        const nobody = await failure(connect({ ...behind(bastion.connection), port: 1 }));
        expect(nobody.code).toBe("HOST_UNREACHABLE");
        expect(nobody.message).toMatch(/The jump host .* cannot reach it: Connection refused/i);
    });

    it("takes what goes over it along when it is lost, and the next run goes over a new one", async () => {
        const lost = await Sshd.create();
        const connection = behind(lost.connection);
        const machine = await connect(connection);
        const run = machine.run({ step: "sleep", script: script("sleep 60"), sudo: false });
        const error = failure(run);
        await until(() => logins(lost) === 1, "the login");
        await new Promise((resolve) => setTimeout(resolve, 300));
        for (const pid of lost.servers()) {
            process.kill(pid, "SIGKILL");
        }
        expect((await error).code).toBe("CONNECTION_LOST");
        expect((await error).message).toContain("the connection to the jump host");
        expect((await (await connect(connection)).run(echo)).stdout).toContain(`${machines[0]!.port}`);
        expect(logins(lost)).toBe(2);
        await closeAllConnections();
        await lost.stop();
    });

    it("waits with us for a machine that is not up yet", async () => {
        const { firstPause } = timing;
        timing.firstPause = 100;
        const late = await Sshd.create({ stopped: true });
        const lines: string[] = [];
        const before = logins(bastion);
        const connection = { ...behind(bastion.connection, late), dialErrorLimit: 50 };
        const machine = connect(connection, { onProgress: (line) => lines.push(line) });
        await until(() => lines.length >= 2, "two failed tries");
        await late.start();
        expect((await (await machine).run(echo)).stdout).toContain(`${late.port}`);
        expect(lines[0]).toMatch(/the jump host .* cannot reach it: Connection refused \(try 1\)/i);
        expect(logins(bastion)).toBe(before + 1);
        timing.firstPause = firstPause;
        await closeAllConnections();
        await late.stop();
    });

    it("is not waited for any longer than the caller waits", async () => {
        const connection = behind({ ...bastion.connection, port: 1, dialErrorLimit: -1 });
        const error = await failure(connect(connection, { timeout: 1_500 }));
        expect(error.code).toBe("TIMEOUT");
        expect(error.message).toContain("connection refused");
    });
});
