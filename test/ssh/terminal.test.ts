import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { createServer, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { StreamAgent } from "../../src/docker/agent";
import { closeAllConnections, connect, type Machine } from "../../src/ssh";
import { Sshd } from "../support/sshd";
import { describeRoot, duration, failure, script, until } from "./support";
import { createUser, type TestUser } from "./users";
import { Wire } from "./wire";

jest.setTimeout(60_000);

const password = "s3cret $'\"\\!";

// A sudo with requiretty is the one thing on every machine that works on a terminal only. doas: test/lab/become.test.ts
describeRoot("a script on a terminal", () => {
    let sshd: Sshd;
    const created: TestUser[] = [];
    beforeAll(async () => {
        sshd = await Sshd.create();
        for (const [name, rule] of [
            ["tty", "ALL=(ALL:ALL) ALL"],
            ["ttyfree", "ALL=(ALL:ALL) NOPASSWD: ALL"],
        ] as const) {
            // sudoers takes the rest of the line as it is, and so does createUser.
            created.push(
                createUser(name, { password, sudo: `${rule}\nDefaults:pdf-test-${name} requiretty, use_pty` }),
            );
        }
    });
    afterEach(closeAllConnections);
    afterAll(async () => {
        await sshd.stop();
        for (const user of created) {
            user.remove();
        }
    });
    const login = (more: object = {}): Promise<Machine> =>
        connect({ ...sshd.connection, user: "pdf-test-tty", sudoPassword: password, ...more });
    const run = async (text: string, more: object = {}) =>
        (await login()).run({ step: "test", script: script(text), ...more });

    it("becomes root with and without a password, and once found the way costs one session", async () => {
        for (const user of ["pdf-test-tty", "pdf-test-ttyfree"]) {
            const machine = await login({ user });
            const before = sshd.count("Starting session");
            const whoAmI = { step: "test", script: script('id -u; echo "$HOME"; cat'), stdin: Buffer.from("input") };
            const root = { code: 0, stdout: "0\n/root\ninput", stderr: "" };
            expect(await machine.run(whoAmI)).toEqual(root);
            expect(sshd.count("Starting session")).toBe(before + 2);
            expect(await machine.run(whoAmI)).toEqual(root);
            expect(sshd.count("Starting session")).toBe(before + 3);
        }
    });

    it("is not needed by a sudo that asks nothing, when no password is known", async () => {
        const machine = await login({ user: "pdf-test-ttyfree", sudoPassword: undefined });
        expect((await machine.run({ step: "test", script: script("id -u") })).stdout).toBe("0\n");
    });

    it("returns exit code and both streams apart, and is no terminal to the script", async () => {
        const text = "echo out; echo err >&2; [ ! -t 0 ] && [ ! -t 1 ] && [ ! -t 2 ] && exit 7";
        expect(await run(text)).toEqual({ code: 7, stdout: "out\n", stderr: "err\n" });
    });

    it("returns 128 + signal for a script that was killed", async () => {
        expect((await run('sh -c "kill -9 \\$\\$"; exit $?')).code).toBe(137);
        expect((await run("kill -9 $$")).code).toBe(137);
    });

    it("hands over any bytes in both directions", async () => {
        const input = Buffer.from(Array.from({ length: 1_000_003 }, (_, i) => (i * 7 + (i >> 8)) % 256));
        const path = "/root/.pdf-test-terminal";
        const machine = await login();
        await machine.upload({ step: "write", path, content: input, mode: "0600" });
        expect(readFileSync(path).equals(input)).toBe(true);
        rmSync(path);
        const back = await machine.run({
            step: "test",
            script: script("cat | od -An -v -tx1 | tr -d ' \\n'"),
            stdin: input,
            maxBytes: 3_000_000,
        });
        expect(back.stdout === input.toString("hex")).toBe(true);
        const { stdout, stderr } = await machine.run({
            step: "test",
            script: script(
                "printf '\\r\\n\\001\\003\\004\\021\\023\\032\\034\\177'; head -c 20000 /dev/zero >&2; printf '\\r\\n\\004' >&2",
            ),
        });
        expect(stdout).toBe("\r\n\x01\x03\x04\x11\x13\x1a\x1c\x7f");
        expect(stderr).toBe(`${"\0".repeat(20_000)}\r\n\x04`);
    });

    it("gives a script without input an empty one", async () => {
        expect((await run("wc -c")).stdout.trim()).toBe("0");
    });

    it("does not hang on a script that ends without reading its input", async () => {
        expect((await run("exit 4", { stdin: Buffer.alloc(20 * 2 ** 20) })).code).toBe(4);
    });

    it("reports lines as they come", async () => {
        const seen: number[] = [];
        await run("say eins; sleep 0.6; say zwei", { onLine: () => seen.push(Date.now()) });
        expect(seen[1]! - seen[0]!).toBeGreaterThan(400);
    });

    it("does not wait for a background process that holds the output", async () => {
        const ms = await duration(async () => {
            expect(await run("sleep 25 & echo done; echo err >&2; exit 3")).toEqual({
                code: 3,
                stdout: "done\n",
                stderr: "err\n",
            });
        });
        expect(ms).toBeLessThan(20_000);
    });

    it("ends a script at its deadline, with what it started", async () => {
        const pidFile = join(tmpdir(), "pdf-test-terminal-pids");
        const text = `sleep 97 & echo $! >${pidFile}; echo $$ >>${pidFile}; sleep 96`;
        expect((await failure(run(text, { timeout: 700 }))).code).toBe("TIMEOUT");
        const pids = readFileSync(pidFile, "utf8").trim().split("\n");
        rmSync(pidFile);
        expect(pids).toHaveLength(2);
        await until(() => pids.every((pid) => !existsSync(`/proc/${pid}`)), "the end of both processes");
    });

    it("ends a script that has not read its input at its deadline, and sudo with it", async () => {
        // Those of lab hosts are in process id namespaces of their own; the test before has left a process on purpose.
        const namespace = /\d+/.exec(readlinkSync("/proc/self/ns/pid"))![0];
        const running = () =>
            execFileSync("ps", ["-eo", "pidns,pid,args"], { encoding: "utf8" })
                .split("\n")
                .filter((line) => /^ *\d+ +\d+ sudo .*fleet-.*stty/.test(line) && line.trim().startsWith(namespace));
        const before = running();
        const error = await failure(run("sleep 93", { timeout: 1_500, stdin: Buffer.alloc(20 * 2 ** 20) }));
        expect(error.code).toBe("TIMEOUT");
        await until(() => running().every((line) => before.includes(line)), "the end of sudo");
    });

    it("stops at the limit of each stream", async () => {
        for (const to of ["", " >&2"]) {
            const error = await failure(run(`head -c 1000000 /dev/zero${to}; sleep 98`, { maxBytes: 10_000 }));
            expect(error.code).toBe("OUTPUT_TOO_LARGE");
        }
    });

    it("runs on to its end when the connection is lost", async () => {
        const wire = await Wire.create(sshd.port);
        const file = join(tmpdir(), "pdf-test-terminal-end");
        rmSync(file, { force: true });
        const machine = await login({ port: wire.port });
        const text = `say begun; for i in 1 2 3 4 5; do say "$i"; sleep 0.2; done; echo end >${file}`;
        const onLine = (line: string) => line === "2" && wire.cut();
        const error = await failure(machine.run({ step: "long", script: script(text), onLine }));
        expect(error.code).toBe("CONNECTION_LOST");
        await until(() => existsSync(file) && readFileSync(file, "utf8") === "end\n", "the end of the script");
        rmSync(file);
        await wire.close();
    });

    it("that is cut off in the middle of an upload leaves the old file", async () => {
        const wire = await Wire.create(sshd.port);
        const directory = execFileSync("mktemp", ["-d"], { encoding: "utf8" }).trim();
        const path = join(directory, "f");
        const machine = await login({ port: wire.port });
        await machine.upload({ step: "write", path, content: Buffer.from("old"), mode: "0600" });
        wire.cutAfter = wire.sent + 3_000_000;
        const write = machine.upload({ step: "write", path, content: Buffer.alloc(10_000_000), mode: "0600" });
        expect((await failure(write)).code).toBe("CONNECTION_LOST");
        const list = () => execFileSync("ls", ["-A", directory], { encoding: "utf8" });
        await until(() => list() === "f\n", "the removal of the temporary file");
        expect(readFileSync(path, "utf8")).toBe("old");
        rmSync(directory, { recursive: true });
        await wire.close();
    });

    it("carries a stream: HTTP to a server on the machine", async () => {
        const server = createServer((incoming, response) => incoming.pipe(response)).listen(0, "127.0.0.1");
        await new Promise((resolve) => server.once("listening", resolve));
        const port = String((server.address() as { port: number }).port);
        const machine = await login();
        const agent = new StreamAgent(() =>
            machine.openCommand({ step: "test", argv: ["perl", "-MIO::Socket::INET", "-e", relay, port] }),
        );
        const body = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 11) % 256));
        const answer = await new Promise<Buffer>((resolve, reject) => {
            const outgoing = request({ host: "x", method: "POST", agent }, (response) => {
                const chunks: Buffer[] = [];
                response.on("data", (chunk: Buffer) => chunks.push(chunk));
                response.on("end", () => resolve(Buffer.concat(chunks)));
            });
            outgoing.on("error", reject);
            outgoing.end(body);
        });
        expect(answer.equals(body)).toBe(true);
        server.closeAllConnections();
        server.close();
    });

    it("refuses a wrong password, offers it once in all, and never shows it", async () => {
        const machine = await login({ sudoPassword: "wr0ng-one" });
        const before = sshd.count("Starting session");
        const attempts = Array.from({ length: 4 }, () => failure(machine.run({ step: "test", script: script("id") })));
        for (const error of await Promise.all(attempts)) {
            expect(error.code).toBe("SUDO_PASSWORD_WRONG");
            expect(error.message).not.toContain("wr0ng-one");
        }
        // One was told that it takes a terminal, and one that the password is wrong: all four know from it.
        expect(sshd.count("Starting session")).toBe(before + 2);
    });

    it("is not to be had from a server with PermitTTY no", async () => {
        const bare = await Sshd.create({ config: ["PermitTTY no"] });
        const machine = await connect({ ...bare.connection, user: "pdf-test-tty", sudoPassword: password });
        const error = await failure(machine.run({ step: "test", script: script("id") }));
        expect(error.code).toBe("SUDO_NOT_PERMITTED");
        expect(error.message).toContain("PermitTTY");
        await machine.close();
        await bare.stop();
    });

    it("echoes no password, neither into the output nor into the log", async () => {
        const { stdout, stderr } = await run("echo out; echo err >&2; cat", { stdin: Buffer.from("in") });
        expect(`${stdout}${stderr}`).toBe("out\ninerr\n");
        expect(sshd.log).not.toContain("s3cret");
    });
});

/** What `docker system dial-stdio` does: standard input and output to a socket. */
const relay = `
    my $s = IO::Socket::INET->new("127.0.0.1:$ARGV[0]") or die;
    my $writer = fork;
    if (!$writer) { while (sysread(STDIN, my $b, 65536)) { syswrite $s, $b } exit }
    while (sysread($s, my $b, 65536)) { syswrite STDOUT, $b }
    kill KILL => $writer;`;
