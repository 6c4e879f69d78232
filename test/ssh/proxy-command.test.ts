import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { closeAllConnections, connect } from "../../src/ssh";
import { timing } from "../../src/ssh/timing";
import { Sshd } from "../support/sshd";
import { describeSsh, failure, script, until } from "./support";

jest.setTimeout(60_000);
afterEach(closeAllConnections);

const echo = { step: "echo", script: script("echo $SSH_CONNECTION"), sudo: false };
/** A relay that every Node can be: `nc` has many faces. */
const relay = `${process.execPath} -e 'const s=require("net").connect(+process.argv[2],process.argv[1]);process.stdin.pipe(s).pipe(process.stdout);s.on("error",e=>{console.error(e.message);process.exit(1)})'`;

describeSsh("a proxyCommand", () => {
    let sshd: Sshd;
    let directory: string;
    beforeAll(async () => {
        sshd = await Sshd.create();
        directory = mkdtempSync(join(tmpdir(), "fleet-command-"));
    });
    afterAll(async () => {
        await sshd.stop();
        rmSync(directory, { recursive: true });
    });

    const through = (proxyCommand: string) => ({ ...sshd.connection, proxyCommand });
    it('is none where it is "none", as in OpenSSH', async () => {
        const machine = await connect(through("none"));
        // It is the same connection as without the word.
        await connect(sshd.connection);
        expect(machine.hostKey).toBe(sshd.hostKey());
        expect(sshd.count("Accepted publickey")).toBe(1);
    });

    const isRunning = (pid: number) => {
        try {
            process.kill(pid, 0);
            return !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
        } catch {
            return false;
        }
    };
    const pidIn = async (file: string) => {
        await until(() => existsSync(file) && readFileSync(file, "utf8").trim() !== "", "the command's process");
        return Number(readFileSync(file, "utf8"));
    };

    it("is the connection, and ends with it", async () => {
        const file = join(directory, "pid");
        const machine = await connect(through(`echo $$ > ${file}; ${relay} %h %p`));
        const stdin = Buffer.alloc(2 ** 22, "0123456789abcdef");
        const { stdout } = await machine.run({ ...echo, script: script("cat"), stdin, maxBytes: 2 ** 23 });
        expect(stdout.length).toBe(stdin.length);
        const pid = await pidIn(file);
        expect(isRunning(pid)).toBe(true);
        await machine.close();
        await until(() => !isRunning(pid), "the command's end");
    });

    it("gets OpenSSH's tokens, and none of our secrets", async () => {
        const file = join(directory, "told");
        const told = `echo '%h %n %p %r 100%%' > ${file}; tr '\\0' '\\n' < /proc/$$/environ >> ${file}; ps -ef >> ${file}`;
        const secrets = { password: "s3cret-password", sudoPassword: "s3cret-sudo" };
        await connect({ ...through(`${told}; exec ${relay} %h %p`), ...secrets });
        const text = readFileSync(file, "utf8");
        expect(text.split("\n")[0]).toBe(`127.0.0.1 127.0.0.1 ${sshd.port} ${sshd.connection.user} 100%`);
        expect(text).not.toContain("s3cret");
        expect(text).not.toContain(sshd.privateKey.split("\n")[2]);
    });

    it("may come from OpenSSH's configuration, where %n is the name that was written", async () => {
        const [config, file] = [join(directory, "config"), join(directory, "names")];
        const lines = ["HostName 127.0.0.1", `Port ${sshd.port}`, `ProxyCommand echo %h %n > ${file}; ${relay} %h %p`];
        writeFileSync(config, `Host web\n${lines.join("\n")}\n`);
        const { host: _, port: __, ...rest } = sshd.connection;
        const machine = await connect({ ...rest, host: "web", sshConfig: config });
        expect((await machine.run(echo)).stdout).toContain(` ${sshd.port}`);
        expect(readFileSync(file, "utf8").trim()).toBe("127.0.0.1 web");
    });

    it("that fails is quoted with its last words, without secrets", async () => {
        const failed = {
            ...through("echo 'no tunnel: s3cret-word'; echo 'bad token s3cret-word' >&2; exit 3"),
            password: "s3cret-word",
        };
        const error = await failure(connect(failed));
        expect(error.code).toBe("HOST_UNREACHABLE");
        expect(error.message).toContain("Connection.proxyCommand ended with code 3: bad token [secret].");
        const killed = await failure(connect(through("kill -9 $$")));
        expect(killed.message).toContain("was ended by SIGKILL.");
        const refused = await failure(connect({ ...through(`${relay} %h %p`), port: 1 }));
        expect(refused.message).toMatch(/proxyCommand ended with code 1: connect ECONNREFUSED/);
    });

    it("that does not exist is not tried again", async () => {
        const error = await failure(connect({ ...through("/no/such/program %h"), dialErrorLimit: 5 }));
        expect(error.code).toBe("PROXY_FAILED");
        expect(error.message).toMatch(/ended with code 127: .*no\/such\/program/);
        expect(error.message).not.toContain("tries");
    });

    it("is started again while the machine is waited for", async () => {
        const { firstPause } = timing;
        timing.firstPause = 100;
        const file = join(directory, "tries");
        const command = `echo x >> ${file}; [ $(wc -l < ${file}) -ge 3 ] || exit 1; exec ${relay} %h %p`;
        const machine = await connect({ ...through(command), dialErrorLimit: 5 });
        expect((await machine.run(echo)).stdout).toContain(` ${sshd.port}`);
        timing.firstPause = firstPause;
    });

    it("that says nothing is ended when the dial's time is over, with what it has started", async () => {
        const file = join(directory, "silent");
        const error = await failure(
            connect({
                ...through(`sh -c 'trap "" TERM; echo $$ > ${file}; while :; do sleep 1; done'; :`),
                perDialTimeout: 1,
            }),
        );
        expect(error.message).toContain("No answer within 1 s");
        const pid = await pidIn(file);
        await until(() => !isRunning(pid), "its end, though it does not listen");
    });

    it("that ends in the middle of a run is told as the loss of the connection", async () => {
        const file = join(directory, "dies");
        const machine = await connect(through(`echo $$ > ${file}; ${relay} %h %p; echo 'tunnel down' >&2; exit 4`));
        const run = failure(machine.run({ ...echo, script: script("sleep 30") }));
        await until(() => sshd.count(/Starting session: command/) > 0, "the session");
        await new Promise((resolve) => setTimeout(resolve, 300));
        const [child] = execFileSync("pgrep", ["-P", readFileSync(file, "utf8").trim()], { encoding: "utf8" }).split(
            "\n",
        );
        process.kill(Number(child), "SIGKILL");
        const error = await run;
        expect(error.code).toBe("CONNECTION_LOST");
        expect(error.message).toContain("tunnel down");
    });

    it("does not outlive a process that ends without closing, nor keeps it from ending", async () => {
        const file = join(directory, "left");
        const program = join(directory, "program.ts");
        const root = join(__dirname, "..", "..");
        const connection = through(`echo $$ > ${file}; ${relay} %h %p`);
        writeFileSync(
            program,
            `import { connect } from ${JSON.stringify(join(root, "src", "ssh"))};
            connect(${JSON.stringify(connection)}).then((machine) => console.log(machine.hostKey));`,
        );
        const said = execFileSync(process.execPath, ["--import", "tsx", program], {
            cwd: root,
            encoding: "utf8",
            timeout: 30_000,
        });
        expect(said.trim()).toBe(sshd.hostKey());
        const pid = await pidIn(file);
        await until(() => !isRunning(pid), "the command's end");
    });
});
