import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { closeAllConnections, connect, type Machine } from "../../src/ssh";
import { Sshd } from "../support/sshd";
import { describeSsh, script } from "./support";

jest.setTimeout(120_000);
afterEach(closeAllConnections);

const busy = (machine: Machine, times: number, seconds = 0.3) =>
    Promise.all(
        Array.from({ length: times }, (_, i) =>
            machine.run({
                step: `run ${i}`,
                script: script(`sleep ${seconds}; echo "$1"`),
                args: [String(i)],
                sudo: false,
            }),
        ),
    );
const numbers = (times: number) => Array.from({ length: times }, (_, i) => `${i}\n`);

describeSsh("one connection", () => {
    it("serves callers at the same time, and later ones", async () => {
        const sshd = await Sshd.create();
        const machines = await Promise.all(Array.from({ length: 20 }, () => connect(sshd.connection)));
        const later = await connect(sshd.connection);
        expect((await busy(later, 1))[0]?.stdout).toBe("0\n");
        expect(machines[0]?.hostKey).toBe(sshd.hostKey());
        expect(sshd.count("Connection from")).toBe(1);
        await closeAllConnections();
        await sshd.stop();
    });

    it("is not shared by different users of a machine, and is opened anew when it was closed", async () => {
        const sshd = await Sshd.create();
        const machine = await connect(sshd.connection);
        await connect({ ...sshd.connection, dialErrorLimit: 3 });
        expect(sshd.count("Connection from")).toBe(1);
        sshd.makeKey("other", "ed25519");
        sshd.authorize("other");
        await connect({ ...sshd.connection, privateKey: sshd.makeKey("other", "ed25519") }).catch(() => {});
        expect(sshd.count("Connection from")).toBe(2);
        await machine.close();
        await busy(await connect(sshd.connection), 1);
        expect(sshd.count("Connection from")).toBe(3);
        await closeAllConnections();
        await sshd.stop();
    });

    it("never has more than 8 sessions open", async () => {
        const sshd = await Sshd.create();
        const machine = await connect(sshd.connection);
        let open = 0;
        let most = 0;
        const results = await Promise.all(
            Array.from({ length: 20 }, (_, i) =>
                machine.run({
                    step: "test",
                    script: script('say begin; sleep 0.3; say end; echo "$1"'),
                    args: [String(i)],
                    sudo: false,
                    onLine: (line) => {
                        open += { begin: 1, end: -1 }[line] ?? 0;
                        most = Math.max(most, open);
                    },
                }),
            ),
        );
        expect(results.map((result) => result.stdout.split("\n")[2])).toEqual(numbers(20).map((n) => n.trim()));
        expect(most).toBeGreaterThan(4);
        expect(most).toBeLessThanOrEqual(8);
        // A server with its default of 10 never had to refuse one.
        expect(sshd.count(/no more sessions/i)).toBe(0);
        await closeAllConnections();
        await sshd.stop();
    });

    it("lives with a server that allows fewer sessions", async () => {
        const sshd = await Sshd.create({ config: ["MaxSessions 2"] });
        const machine = await connect(sshd.connection);
        expect((await busy(machine, 10, 0.1)).map((result) => result.stdout)).toEqual(numbers(10));
        expect(sshd.count(/no more sessions/i)).toBeGreaterThan(0);
        await closeAllConnections();
        await sshd.stop();
    });

    it("says so when the server allows none", async () => {
        const sshd = await Sshd.create({ config: ["MaxSessions 0"] });
        const machine = await connect(sshd.connection);
        await expect(busy(machine, 1)).rejects.toMatchObject({ code: "SHELL_UNUSABLE" });
        await closeAllConnections();
        await sshd.stop();
    });

    it("that is idle does not keep the process from ending", async () => {
        const sshd = await Sshd.create();
        const program = `
            const { connect } = require(${JSON.stringify(join(__dirname, "../../src/ssh/index.ts"))});
            connect(${JSON.stringify(sshd.connection)})
                .then((m) => m.run({ step: "x", script: { name: "x", text: "sleep 0.3; echo ran" }, sudo: false }))
                .then((result) => process.stdout.write(result.stdout));`;
        const child = spawn(process.execPath, ["--require", "tsx/cjs", "-e", program], {
            cwd: join(__dirname, "../.."),
            stdio: ["ignore", "pipe", "inherit"],
            timeout: 15_000,
        });
        let output = "";
        child.stdout.on("data", (chunk: Buffer) => {
            output += chunk.toString();
        });
        const [code, signal] = await once(child, "exit");
        expect({ code, signal, output }).toEqual({ code: 0, signal: null, output: "ran\n" });
        await sshd.stop();
    });
});
