import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { closeAllConnections, connect } from "../../src/ssh";
import { timing } from "../../src/ssh/timing";
import { Sshd } from "../support/sshd";
import { describeSsh, duration, failure, script, until } from "./support";
import { Wire } from "./wire";

jest.setTimeout(60_000);
const usual = { ...timing };

describeSsh("when the connection is lost", () => {
    let sshd: Sshd;
    let wire: Wire;
    beforeEach(async () => {
        Object.assign(timing, { keepaliveInterval: 300 });
        sshd = await Sshd.create();
        wire = await Wire.create(sshd.port);
    });
    afterEach(async () => {
        Object.assign(timing, usual);
        await closeAllConnections();
        await wire.close();
        await sshd.stop();
    });
    const over = () => ({ ...sshd.connection, port: wire.port });
    const long = (step: string) => ({ step, script: script("echo begun; sleep 94"), sudo: false });

    it.each(["cut", "freeze"] as const)(
        "by a wire that is %s, everything under way fails within seconds",
        async (how) => {
            const machine = await connect(over());
            const pending = [
                ...Array.from({ length: 10 }, (_, i) => machine.run(long(`step ${i}`))),
                machine.upload({
                    step: "step 10",
                    path: join(sshd.directory, "f"),
                    content: Buffer.alloc(1e8),
                    mode: "0644",
                    sudo: false,
                }),
            ].map(failure);
            await new Promise((resolve) => setTimeout(resolve, 300));
            wire[how]();
            const ms = await duration(async () => {
                for (const [i, error] of (await Promise.all(pending)).entries()) {
                    expect(error).toMatchObject({ code: "CONNECTION_LOST", step: `step ${i}` });
                }
            });
            expect(ms).toBeLessThan(15_000);
            // What comes after fails at once, and names its own step.
            expect(await failure(machine.run(long("later")))).toMatchObject({ code: "CONNECTION_LOST", step: "later" });
            expect(await failure(machine.openUnixSocket("/x"))).toMatchObject({
                code: "CONNECTION_LOST",
                step: "open /x",
            });
        },
    );

    it("at any moment, it is an error and never a hang", async () => {
        let lost = 0;
        // From the first byte of the login to well after the end of a run.
        for (let bytes = 0; bytes < 6_000; bytes += 350) {
            wire.cutAfter = wire.sent + bytes;
            const outcome = await connect(over())
                .then((machine) => machine.run({ step: "short", script: script("echo all"), sudo: false }))
                .catch((error) => error);
            if (outcome instanceof Error) {
                lost += 1;
                expect(outcome).toMatchObject({ code: expect.stringMatching(/^(HOST_UNREACHABLE|CONNECTION_LOST)$/) });
            } else {
                expect(outcome).toEqual({ code: 0, stdout: "all\n", stderr: "" });
            }
            wire.cut();
            await closeAllConnections();
        }
        expect(lost).toBeGreaterThan(5);
    });

    it("by a server that was stopped, it is noticed", async () => {
        const machine = await connect(over());
        const pending = failure(machine.run(long("wait")));
        await new Promise((resolve) => setTimeout(resolve, 200));
        const servers = sshd.servers();
        for (const pid of servers) {
            process.kill(pid, "SIGSTOP");
        }
        const ms = await duration(async () => {
            const error = await pending;
            expect(error).toMatchObject({ code: "CONNECTION_LOST", step: "wait" });
            expect(error.message).toContain("no sign of life");
        });
        expect(ms).toBeLessThan(15_000);
        for (const pid of servers) {
            process.kill(pid, "SIGCONT");
        }
    });

    it("a long upload over a slow line is not taken for a dead one", async () => {
        const machine = await connect(over());
        const result = await machine.run({
            step: "slow",
            // Takes nothing for longer than the keepalive would bear, were it not answered meanwhile.
            script: script("sleep 2; wc -c"),
            stdin: Buffer.alloc(20_000_000),
            sudo: false,
        });
        expect(result.stdout.trim()).toBe("20000000");
    });

    it("the next connect dials anew", async () => {
        const machine = await connect(over());
        wire.cut();
        await failure(machine.run(long("lost")));
        const again = await connect(over());
        expect((await again.run({ step: "test", script: script("echo again"), sudo: false })).stdout).toBe("again\n");
    });

    it("the script runs on to its end", async () => {
        const machine = await connect(over());
        const file = join(sshd.directory, "end");
        const text = 'say begun; for i in 1 2 3 4 5; do say "$i"; sleep 0.2; done; echo end >"$1"';
        const error = await failure(
            machine.run({
                step: "long",
                script: script(text),
                args: [file],
                sudo: false,
                onLine: (line) => line === "2" && wire.cut(),
            }),
        );
        expect(error.code).toBe("CONNECTION_LOST");
        expect(existsSync(file)).toBe(false);
        await until(() => existsSync(file) && readFileSync(file, "utf8") === "end\n", "the end of the script");
    });

    it("a script that has not arrived as a whole does not begin", async () => {
        const machine = await connect(over());
        const file = join(sshd.directory, "half");
        const text = `echo half >${file}\n${": padding that takes its time\n".repeat(40_000)}`;
        wire.cutAfter = wire.sent + 600_000;
        const error = await failure(machine.run({ step: "half", script: script(text), sudo: false }));
        expect(error.code).toBe("CONNECTION_LOST");
        await until(() => sshd.servers().length === 0, "the end of the session");
        expect(existsSync(file)).toBe(false);
    });
});
