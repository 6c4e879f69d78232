import { createHash } from "node:crypto";
import { Lab, type LabHost } from "../../lab";
import { closeAllConnections, connect } from "../../src/ssh";
import { timing } from "../../src/ssh/timing";
import { duration, failure, script } from "../ssh/support";
import { login } from "../support/docker-host";
import { describeLab } from "../support/levels";

const usual = { ...timing };

describeLab("a bad line", () => {
    let lab: Lab;
    let host: LabHost;

    beforeAll(async () => {
        lab = await Lab.open();
        host = await lab.up(lab.uniqueName("line"));
    });
    afterEach(async () => {
        Object.assign(timing, usual);
        await closeAllConnections();
        await host?.heal();
        await host?.delay(0);
    });
    afterAll(() => lab?.close());

    /** How many packets the host has sent again so far. */
    async function retransmitted(): Promise<number> {
        const { stdout } = await host.exec(
            "awk '/^Tcp:/ { line = $0 } END { split(line, f); print f[13] }' /proc/net/snmp",
        );
        return Number(stdout);
    }

    it("of 200 ms that loses every 20th packet is slow, and everything arrives", async () => {
        await host.delay(200, 5);
        const before = await retransmitted();
        const machine = await connect({ ...login(lab, host, "ops"), perDialTimeout: 60 });
        const content = Buffer.from(Array.from({ length: 1_000_003 }, (_, i) => (i * 31 + (i >> 8)) % 256));
        const sum = createHash("sha256").update(content).digest("hex");
        await machine.upload({ step: "write", path: "/root/f", content, mode: "0600" });
        const back = await Promise.all([
            machine.run({ step: "sum", script: script("sha256sum </root/f") }),
            machine.run({
                step: "read",
                script: script("head -c 400000 /root/f | od -An -v -tx1 | tr -d ' \\n'"),
                timeout: 180_000,
            }),
            ...Array.from({ length: 6 }, () => machine.run({ step: "short", script: script("echo short") })),
        ]);
        // The line was as bad as it was meant to be: the host alone had to send again more than a few times.
        expect((await retransmitted()) - before).toBeGreaterThan(10);
        expect(back[0]!.stdout).toBe(`${sum}  -\n`);
        expect(back[1]!.stdout === content.subarray(0, 400_000).toString("hex")).toBe(true);
        expect(back.slice(2).map(({ stdout }) => stdout)).toEqual(Array(6).fill("short\n"));
    });

    it("that goes dead without a word ends what is under way at the deadline of the keepalive", async () => {
        Object.assign(timing, { keepaliveInterval: 1_000 });
        const machine = await connect(login(lab, host, "ops"));
        const stuck = failure(machine.run({ step: "stuck", script: script("sleep 60") }));
        await new Promise((resolve) => setTimeout(resolve, 1_000));
        await host.cut();
        const ms = await duration(async () => {
            const error = await stuck;
            expect(error).toMatchObject({ code: "CONNECTION_LOST", step: "stuck" });
            expect(error.message).toContain("no sign of life for 3 s");
        });
        expect(ms).toBeLessThan(20_000);
        const dial = failure(connect({ ...login(lab, host, "ops"), perDialTimeout: 2, dialErrorLimit: 0 }));
        expect((await dial).code).toBe("HOST_UNREACHABLE");
        await host.heal();
        const again = await connect(login(lab, host, "ops"));
        expect((await again.run({ step: "test", script: script("echo again") })).stdout).toBe("again\n");
    });

    it("whose machine lost its power and came back is noticed, although nobody said goodbye", async () => {
        Object.assign(timing, { keepaliveInterval: 1_000 });
        const machine = await connect(login(lab, host, "ops"));
        const stuck = failure(machine.run({ step: "stuck", script: script("sleep 60") }));
        await new Promise((resolve) => setTimeout(resolve, 1_000));
        await host.off();
        await host.on();
        expect(await stuck).toMatchObject({ code: "CONNECTION_LOST", step: "stuck" });
        const again = await connect(login(lab, host, "ops"));
        expect((await again.run({ step: "test", script: script("echo again") })).stdout).toBe("again\n");
    });
});
