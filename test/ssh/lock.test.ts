import { execFileSync, spawn } from "node:child_process";
import { existsSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { closeAllConnections, connect, type Machine } from "../../src/ssh";
import { Sshd } from "../support/sshd";
import { describeRoot, duration, failure, script, until } from "./support";
import { Wire } from "./wire";

jest.setTimeout(60_000);
const lockFile = "/run/pulumi-docker-fleet.lock";

describeRoot("the lock of a machine", () => {
    let sshd: Sshd;
    let wire: Wire;
    let here: Machine;
    let there: Machine;
    beforeEach(async () => {
        sshd = await Sshd.create();
        wire = await Wire.create(sshd.port);
        // To this process these are two machines, so only the lock on the machine itself is between them.
        here = await connect(sshd.connection);
        there = await connect({ ...sshd.connection, port: wire.port });
    });
    afterEach(async () => {
        await closeAllConnections();
        await wire.close();
        await sshd.stop();
        rmSync(lockFile, { force: true });
    });
    const change = (text: string, wait = 10_000, more: object = {}) => ({
        step: "change",
        script: script(text),
        exclusive: { holder: "stack dev on somebody's laptop", wait },
        ...more,
    });
    const isFree = () => {
        try {
            execFileSync("flock", ["-n", lockFile, "true"]);
            return true;
        } catch {
            return false;
        }
    };
    /** Resolves when a change has begun. In an object, since a promise cannot be handed over by a promise. */
    const started = (machine: Machine, text: string) =>
        new Promise<{ running: Promise<unknown> }>((resolve) => {
            const onLine = (line: string) => line === "started" && resolve({ running });
            const running: Promise<unknown> = machine.run(change(`say started; ${text}`, 10_000, { onLine }));
            running.catch(() => {});
        });

    it("lets one change run after the other, between connections and within one", async () => {
        const log = join(sshd.directory, "order");
        const text = `echo in >>${log}; sleep 0.3; echo out >>${log}`;
        const results = await Promise.all([here, here, there, there, here].map((m) => m.run(change(text, 30_000))));
        expect(results).toEqual(Array(5).fill({ code: 0, stdout: "", stderr: "" }));
        expect(readFileSync(log, "utf8")).toBe("in\nout\n".repeat(5));
    });

    it("passes arguments, input and the exit code on", async () => {
        const result = await here.run(
            change('echo "$1"; cat; exit 9', 1_000, { args: ["a'b"], stdin: Buffer.from("in") }),
        );
        expect(result).toEqual({ code: 9, stdout: "a'b\nin", stderr: "" });
    });

    it("does not hold up what changes nothing", async () => {
        const { running } = await started(there, "sleep 5");
        const ms = await duration(() => here.run({ step: "look", script: script("true") }));
        expect(ms).toBeLessThan(4_500);
        await running;
    });

    it.each(["another connection", "this connection"])(
        "names who holds it through %s, after the wait",
        async (where) => {
            const { running } = await started(where === "this connection" ? here : there, "sleep 7");
            const lines: string[] = [];
            let error: Awaited<ReturnType<typeof failure>> | undefined;
            const ms = await duration(async () => {
                const onLine = (line: string) => lines.push(line);
                error = await failure(here.run(change("echo never", 1_000, { onLine })));
            });
            expect(error?.code).toBe("MACHINE_LOCKED");
            expect(error?.message).toMatch(/stack dev on somebody's laptop, since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/);
            expect(ms).toBeLessThan(6_000);
            expect(lines).toHaveLength(1);
            expect(lines[0]).toMatch(/waiting for another change of this machine: stack dev/);
            await running;
        },
    );

    it("is private, so that no other user of the machine can hold it", async () => {
        await here.run(change("true"));
        expect(statSync(lockFile).mode & 0o077).toBe(0);
    });

    it("is free when the script has ended, also when a background process of it goes on", async () => {
        await here.run(change("sleep 30 >/dev/null 2>&1 & exit 0"));
        await until(isFree, "the lock");
    });

    it("is free when the script was killed", async () => {
        const pidFile = join(sshd.directory, "pid");
        const { running } = await started(here, `echo $$ >${pidFile}; sleep 30`);
        expect(isFree()).toBe(false);
        await until(() => existsSync(pidFile) && readFileSync(pidFile, "utf8") !== "", "the process id");
        process.kill(Number(readFileSync(pidFile, "utf8")), "SIGKILL");
        await until(isFree, "the lock");
        await running;
    });

    it("is free when the script has met its deadline", async () => {
        await failure(here.run(change("sleep 93", 1_000, { timeout: 500 })));
        await until(isFree, "the lock");
    });

    it("stays taken by a script whose connection was lost, until its end", async () => {
        const { running } = await started(there, "sleep 4; true");
        wire.cut();
        await expect(running).rejects.toMatchObject({ code: "CONNECTION_LOST" });
        expect(isFree()).toBe(false);
        expect((await failure(here.run(change("true", 0)))).code).toBe("MACHINE_LOCKED");
        const result = await here.run(change("echo mine"));
        expect(result.stdout).toBe("mine\n");
    });

    it("is not taken any more by one who waited and whose connection was lost", async () => {
        const file = join(sshd.directory, "late");
        const holder = spawn("flock", [lockFile, "sleep", "2"]);
        await until(() => !isFree(), "the holder");
        const waiting = failure(there.run(change(`echo late >${file}`)));
        await new Promise((resolve) => setTimeout(resolve, 500));
        wire.cut();
        expect((await waiting).code).toBe("CONNECTION_LOST");
        await new Promise((resolve) => holder.once("exit", resolve));
        await new Promise((resolve) => setTimeout(resolve, 1_500));
        expect(existsSync(file)).toBe(false);
        await until(isFree, "the lock");
    });

    it("needs root", async () => {
        const error = await failure(here.run(change("true", 1_000, { sudo: false })));
        expect(error.code).toBe("INVALID_ARGUMENT");
    });
});
