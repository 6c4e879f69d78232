import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { closeAllConnections, connect } from "../../src/ssh";
import { canCreateUsers, Sshd, type SshdOptions } from "../support/sshd";
import { describeSsh, duration, failure, script, until } from "./support";
import { createUser } from "./users";

jest.setTimeout(120_000);

/** A server for one test. */
async function withServer(options: SshdOptions, test: (sshd: Sshd) => Promise<void>): Promise<void> {
    const sshd = await Sshd.create(options);
    try {
        await test(sshd);
    } finally {
        await closeAllConnections();
        await sshd.stop();
    }
}

describeSsh("a server that opens one session at a time", () => {
    it("runs one script after the other", () =>
        withServer({ config: ["MaxSessions 1"] }, async (sshd) => {
            const machine = await connect(sshd.connection);
            const runs = Array.from({ length: 8 }, (_, i) =>
                machine.run({ step: `run ${i}`, script: script('sleep 0.05; echo "$1"'), args: [`${i}`], sudo: false }),
            );
            expect((await Promise.all(runs)).map(({ stdout }) => stdout)).toEqual(runs.map((_, i) => `${i}\n`));
            expect(sshd.count("Connection from")).toBe(1);
        }));

    const endsAtItsDeadline = (sessions: number, sudo: boolean) =>
        withServer({ config: [`MaxSessions ${sessions}`] }, async (sshd) => {
            const user = sudo ? createUser("one", { password: "pw-one", sudo: "ALL=(ALL:ALL) ALL" }) : undefined;
            const login = user === undefined ? {} : { user: user.name, sudoPassword: "pw-one" };
            const machine = await connect({ ...sshd.connection, ...login });
            const pidFile = join(sshd.directory, "pids");
            const text = `trap '' TERM; sleep 97 & echo $! >${pidFile}; echo $$ >>${pidFile}; sleep 96`;
            const stuck = Array.from({ length: sessions }, (_, i) =>
                failure(
                    machine.run({
                        step: "stuck",
                        script: script(i === 0 ? text : "sleep 95"),
                        sudo,
                        timeout: 1_000 + i * 4_000,
                    }),
                ),
            );
            const next = machine.run({ step: "next", script: script("echo next"), sudo });
            for (const error of await Promise.all(stuck)) {
                expect(error).toMatchObject({ code: "TIMEOUT", step: "stuck" });
            }
            const pids = readFileSync(pidFile, "utf8").trim().split("\n");
            expect(pids).toHaveLength(2);
            await until(() => pids.every((pid) => !existsSync(`/proc/${pid}`)), "the end of both processes", 20_000);
            // The connection is as good as before, and the one that helped is gone.
            expect((await next).stdout).toBe("next\n");
            await until(
                () => sshd.count("Connection from") - sshd.count(/Connection closed|Disconnected from/) <= 1,
                "the end of the second connection",
            );
            user?.remove();
        });

    it.each([1, 2])("ends a script at its deadline although none of %d is left", (sessions) =>
        endsAtItsDeadline(sessions, false),
    );

    (canCreateUsers ? it : it.skip)("ends a script of root as well", () => endsAtItsDeadline(1, true));
});

describeSsh("a server that makes new keys every megabyte", () => {
    it("takes a large upload and gives a large output, unharmed", () =>
        withServer({ config: ["RekeyLimit 1M", "LogLevel DEBUG"] }, async (sshd) => {
            const machine = await connect(sshd.connection);
            const content = Buffer.from(Array.from({ length: 30_000_001 }, (_, i) => (i * 31 + (i >> 8)) % 256));
            const path = join(sshd.directory, "f");
            const upload = () => machine.upload({ step: "write", path, content, mode: "0644", sudo: false });
            await upload();
            expect(readFileSync(path).equals(content)).toBe(true);
            const read = (name: string) =>
                machine.run({
                    step: name,
                    script: script(`od -An -v -tx1 ${path} | tr -d ' \\n'`),
                    sudo: false,
                    maxBytes: 70_000_000,
                    timeout: 100_000,
                });
            // Both at once, with short ones between them.
            const [large, , ...short] = await Promise.all([
                read("read"),
                upload(),
                ...Array.from({ length: 5 }, () =>
                    machine.run({ step: "short", script: script("echo short"), sudo: false }),
                ),
            ]);
            expect(large.stdout === content.toString("hex")).toBe(true);
            expect(short.map(({ stdout }) => stdout)).toEqual(Array(5).fill("short\n"));
            expect(sshd.count("rekey")).toBeGreaterThan(60);
        }));
});

describeSsh("a server that is frozen while we dial", () => {
    it.each(["before it answers", "after its greeting"])("%s: the dial ends after perDialTimeout", (when) =>
        withServer({}, async (sshd) => {
            let watch: NodeJS.Timeout | undefined;
            if (when === "before it answers") {
                sshd.kill("SIGSTOP");
            } else {
                // The process that serves us, as soon as it is there.
                watch = setInterval(() => {
                    for (const pid of sshd.servers()) process.kill(pid, "SIGSTOP");
                }, 1);
            }
            const ms = await duration(async () => {
                const error = await failure(connect({ ...sshd.connection, perDialTimeout: 2 }));
                expect(error).toMatchObject({ code: "HOST_UNREACHABLE" });
                expect(error.message).toContain("within 2 s");
            });
            clearInterval(watch);
            expect(ms).toBeLessThan(20_000);
            for (const pid of sshd.servers()) {
                process.kill(pid, "SIGKILL");
            }
            sshd.kill("SIGCONT");
            const machine = await connect(sshd.connection);
            expect((await machine.run({ step: "test", script: script("echo up"), sudo: false })).stdout).toBe("up\n");
        }),
    );
});

describeSsh("an output of 100 MB", () => {
    it.each(["in lines", "without a line end"])(
        "comes whole where it is allowed, %s, in bounded memory and time",
        (how) =>
            withServer({}, async (sshd) => {
                const machine = await connect(sshd.connection);
                let most = 0;
                const held = () => process.memoryUsage().arrayBuffers;
                const before = held();
                const watch = setInterval(() => {
                    most = Math.max(most, held() - before);
                }, 5);
                let lines = 0;
                const text =
                    how === "in lines"
                        ? "yes 123456789 | head -c 100000000"
                        : "head -c 100000000 /dev/zero | tr '\\0' x";
                const ms = await duration(async () => {
                    const { stdout } = await machine.run({
                        step: "test",
                        script: script(text),
                        sudo: false,
                        maxBytes: 100_000_000,
                        onLine: () => {
                            lines += 1;
                        },
                    });
                    expect(stdout.length).toBe(100_000_000);
                });
                clearInterval(watch);
                expect(lines).toBe(how === "in lines" ? 10_000_000 : 0);
                // What is kept, and its pieces put together at the end.
                expect(most).toBeLessThan(350_000_000);
                expect(ms).toBeLessThan(60_000);
            }),
    );

    it("is refused where less is allowed, and the script is ended", () =>
        withServer({}, async (sshd) => {
            const machine = await connect(sshd.connection);
            const file = join(sshd.directory, "written");
            const text = `head -c 100000000 /dev/zero | tee ${file}; sleep 97`;
            const error = await failure(
                machine.run({ step: "test", script: script(text), sudo: false, maxBytes: 1_000_000 }),
            );
            expect(error.code).toBe("OUTPUT_TOO_LARGE");
            expect(statSync(file).size).toBeLessThan(50_000_000);
        }));
});
