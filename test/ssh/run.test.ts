import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { closeAllConnections, connect, type Machine } from "../../src/ssh";
import { Sshd } from "../support/sshd";
import { describeSsh, duration, failure, script, until } from "./support";

jest.setTimeout(60_000);

describeSsh("running a script", () => {
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
    const run = (text: string, more: object = {}) =>
        machine.run({ step: "test", script: script(text), sudo: false, ...more });

    it("returns exit code and both streams apart", async () => {
        expect(await run("echo out; echo err >&2; exit 7")).toEqual({ code: 7, stdout: "out\n", stderr: "err\n" });
    });

    it("returns 128 + signal for a script that was killed", async () => {
        expect((await run("kill -9 $$")).code).toBe(137);
    });

    it("has a known environment", async () => {
        const { stdout } = await run('umask; echo "$LC_ALL"; command -v ldconfig');
        expect(stdout).toMatch(/^0022\nC\n.*sbin\/ldconfig\n$/);
    });

    it("reports a script with a syntax error and runs nothing of it", async () => {
        const result = await run("echo begun\nif true; then\n");
        expect(result.code).not.toBe(0);
        expect(result.stdout).toBe("");
        expect(result.stderr).toMatch(/syntax error/i);
    });

    it("hands over what follows the script as standard input, byte by byte", async () => {
        const input = Buffer.from(Array.from({ length: 256 * 1024 }, (_, i) => (i * 7) % 256));
        const { stdout } = await run("od -An -v -tx1 | tr -d ' \\n'", { stdin: input });
        expect(stdout).toBe(input.toString("hex"));
    });

    it("gives a script without input an empty one", async () => {
        expect((await run("wc -c")).stdout.trim()).toBe("0");
    });

    it("does not hang on a script that ends without reading its input", async () => {
        expect((await run("exit 4", { stdin: Buffer.alloc(20 * 2 ** 20) })).code).toBe(4);
    });

    it("keeps characters together that arrive in two pieces", async () => {
        const { stdout } = await run("printf '\\303'; sleep 0.2; printf '\\274 \\342\\202'; sleep 0.2; printf '\\254'");
        expect(stdout).toBe("ü €");
    });

    it("reports lines as they come", async () => {
        const seen: [string, number][] = [];
        const start = Date.now();
        await run("say eins; sleep 0.6; printf zw; sleep 0.1; echo ei; printf rest", {
            onLine: (line: string) => seen.push([line, Date.now() - start]),
        });
        expect(seen.map(([line]) => line)).toEqual(["eins", "zwei"]);
        expect(seen[1]![1] - seen[0]![1]).toBeGreaterThan(400);
    });

    it("is not disturbed by a listener that throws", async () => {
        const onLine = () => {
            throw new Error("listener");
        };
        expect((await run("echo line; echo line", { onLine })).code).toBe(0);
    });

    it.each(["stdout", "stderr"])("stops at the limit of %s, and ends what printed", async (stream) => {
        const pidFile = join(sshd.directory, "pid");
        const text = `echo $$ >${pidFile}; head -c 100000000 /dev/zero${stream === "stderr" ? " >&2" : ""}; sleep 98`;
        const error = await failure(run(text, { maxBytes: 10_000 }));
        expect(error.code).toBe("OUTPUT_TOO_LARGE");
        // Killed is not yet collected by its parent.
        await until(() => !existsSync(`/proc/${readFileSync(pidFile, "utf8").trim()}`), "the end of the script");
    });

    it("does not keep the 100 MB that a script prints beyond its cap", async () => {
        let most = 0;
        const held = () => process.memoryUsage().arrayBuffers;
        const before = held();
        const watch = setInterval(() => {
            most = Math.max(most, held() - before);
        }, 5);
        const error = await failure(run("head -c 100000000 /dev/zero"));
        clearInterval(watch);
        expect(error.code).toBe("OUTPUT_TOO_LARGE");
        expect(most).toBeLessThan(50_000_000);
    });

    it("ends a script at its deadline, with what it started", async () => {
        const pidFile = join(sshd.directory, "pids");
        let error: Awaited<ReturnType<typeof failure>> | undefined;
        const ms = await duration(async () => {
            const text = `sleep 97 & echo $! >${pidFile}; echo $$ >>${pidFile}; sleep 96`;
            error = await failure(run(text, { timeout: 500 }));
        });
        expect(error?.code).toBe("TIMEOUT");
        expect(error?.message).toContain("0.5 s");
        expect(ms).toBeLessThan(20_000);
        const pids = readFileSync(pidFile, "utf8").trim().split("\n");
        expect(pids).toHaveLength(2);
        await until(() => pids.every((pid) => !existsSync(`/proc/${pid}`)), "the end of both processes");
    });

    it("ends a script that ignores TERM as well", async () => {
        const pidFile = join(sshd.directory, "stubborn");
        await failure(run(`trap '' TERM; echo $$ >${pidFile}; while :; do sleep 1; done`, { timeout: 400 }));
        // Killed is not yet collected by its parent.
        await until(() => !existsSync(`/proc/${readFileSync(pidFile, "utf8").trim()}`), "the end of the script");
    });

    it("does not wait for a background process that holds the output", async () => {
        const ms = await duration(async () => {
            const { code, stdout } = await run("sleep 25 & echo done; exit 3");
            expect({ code, stdout }).toEqual({ code: 3, stdout: "done\n" });
        });
        expect(ms).toBeLessThan(20_000);
    });

    it("does not lose output that comes with the end of the script", async () => {
        for (let i = 0; i < 20; i++) {
            const { stdout } = await run("head -c 300000 /dev/zero | tr '\\0' x; sleep 2 & exit 0");
            expect(stdout).toHaveLength(300_000);
            if (i > 2) break;
        }
    });

    it("hands over arguments of any bytes", async () => {
        const args = [
            "",
            " ",
            "'",
            "''",
            "$HOME `id` $(id)",
            "a\nb\n",
            "!\\\\",
            "-n",
            "*",
            "\u0081\u0088é€😀",
            "~root",
            '"',
        ];
        const { stdout } = await run('for a; do printf "%s\\0" "$a"; done', { args });
        expect(stdout.split("\0").slice(0, -1)).toEqual(args);
    });

    it("hands over random arguments", async () => {
        const text = fc
            .string({ unit: "binary", maxLength: 30 })
            .map((s) => s.replace(/[\ud800-\udfff]/gu, "").replaceAll("\0", ""));
        await fc.assert(
            fc.asyncProperty(fc.array(text, { maxLength: 20 }), async (args) => {
                const { stdout } = await run('for a; do printf "%s\\0" "$a"; done', { args });
                expect(stdout.split("\0").slice(0, -1)).toEqual(args);
            }),
            { numRuns: 25 },
        );
    });

    it("refuses an argument that no program can get", async () => {
        expect((await failure(run("true", { args: ["a\0b"] }))).code).toBe("INVALID_ARGUMENT");
    });
});
