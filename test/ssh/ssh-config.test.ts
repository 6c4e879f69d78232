import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { closeAllConnections, connect } from "../../src/ssh";
import { readSshConfig } from "../../src/ssh/ssh-config-file";
import type { SshQuery } from "../../src/ssh/ssh-options";
import { askSsh } from "../../src/ssh/ssh-query";
import { Sshd } from "../support/sshd";
import { Agent } from "./agent";
import { describeSsh, failure, script } from "./support";

jest.setTimeout(60_000);

describeSsh("OpenSSH's configuration", () => {
    let sshd: Sshd;
    let bastion: Sshd;
    const path = (name: string) => join(sshd.directory, name);
    const me = userInfo().username;
    let files = 0;
    beforeAll(async () => {
        sshd = await Sshd.create();
        bastion = await Sshd.create();
    });
    afterEach(closeAllConnections);
    afterAll(async () => {
        await sshd.stop();
        await bastion.stop();
    });

    /** Writes a configuration; each under a name of its own, since one process reads a file once. */
    function configure(...lines: string[]): string {
        files += 1;
        const file = path(`config${files}`);
        writeFileSync(file, `${lines.join("\n")}\n`);
        return file;
    }
    const target = () => [
        "HostName 127.0.0.1",
        `Port ${sshd.port}`,
        `User ${me}`,
        `IdentityFile ${path("login")}`,
        "IdentityAgent none",
        `UserKnownHostsFile ${path("known")}`,
    ];
    const quick = { dialErrorLimit: 0 };

    it("tells where a machine is, who logs in and with which key; the machine keeps the name that was written", async () => {
        const sshConfig = configure("Host web", ...target());
        const machine = await connect({ host: "web", sshConfig, ...quick });
        expect(machine.name).toBe(`${me}@web:${sshd.port}`);
        expect(machine.user).toBe(me);
        expect((await machine.run({ step: "test", script: script("echo in"), sudo: false })).stdout).toBe("in\n");
    });

    it("gives way to the arguments", async () => {
        const sshConfig = configure("Host web", "HostName 127.0.0.1", "Port 1", "User nobody", "IdentityFile /nowhere");
        const { port, user, privateKey, userKnownHostsFile } = sshd.connection;
        const machine = await connect({ host: "web", sshConfig, port, user, privateKey, userKnownHostsFile, ...quick });
        expect(machine.name).toBe(`${me}@web:${sshd.port}`);
    });

    it("decides by the user that an argument gives", async () => {
        const sshConfig = configure(
            "Match user somebody",
            "    HostName 192.0.2.1",
            `Match host web user ${me}`,
            ...target().slice(0, 2),
            `Match final all`,
            ...target().slice(3),
        );
        const machine = await connect({ host: "web", user: me, sshConfig, ...quick });
        expect(machine.name).toBe(`${me}@web:${sshd.port}`);
    });

    it("vouches for machines as ssh would have it: by name or alias, strictly when it says so", async () => {
        writeFileSync(path("known"), `[127.0.0.1]:${sshd.port} ${sshd.hostKey()}\nthe-alias ${bastion.hostKey()}\n`);
        const strict = configure("Host web", ...target(), "StrictHostKeyChecking yes");
        await connect({ host: "web", sshConfig: strict, ...quick });
        await closeAllConnections();
        const alias = configure("Host web", ...target(), "HostKeyAlias the-alias");
        expect((await failure(connect({ host: "web", sshConfig: alias, ...quick }))).code).toBe("HOST_KEY_MISMATCH");
        const unknown = configure("Host web", ...target(), "StrictHostKeyChecking yes", "HostKeyAlias other");
        expect((await failure(connect({ host: "web", sshConfig: unknown, ...quick }))).code).toBe("HOST_KEY_UNKNOWN");
        const lax = configure("Host web", ...target(), "StrictHostKeyChecking no", "HostKeyAlias the-alias");
        expect((await failure(connect({ host: "web", sshConfig: lax, ...quick }))).code).toBe("HOST_KEY_MISMATCH");
        // Several files, the last of which knows the machine.
        const several = ["HostName 127.0.0.1", `Port ${sshd.port}`, ...target().slice(2, 5)];
        const list = `UserKnownHostsFile ${path("nowhere")} "${path("known")}"`;
        const files = configure("Host web", ...several, list, "StrictHostKeyChecking yes", "HostKeyAlias the-alias");
        const error = await failure(connect({ host: "web", sshConfig: files, ...quick }));
        expect(error.message).toContain(`${path("known")}:2 says`);
        rmSync(path("known"));
    });

    it("reaches machines through its ProxyCommand, with the name that was written as %n", async () => {
        const pipe = path("pipe.js");
        writeFileSync(
            pipe,
            `const [, , host, port, user, name] = process.argv;
            require("node:fs").writeFileSync(${JSON.stringify(path("args"))}, [host, port, user, name].join(" "));
            const socket = require("node:net").connect(port, host);
            process.stdin.pipe(socket).pipe(process.stdout);`,
        );
        const command = `ProxyCommand ${process.execPath} ${pipe} %h %p %r %n`;
        const machine = await connect({
            host: "web",
            sshConfig: configure("Host web", ...target(), command),
            ...quick,
        });
        expect(machine.hostKey).toBe(sshd.hostKey());
        expect(readFileSync(path("args"), "utf8")).toBe(`127.0.0.1 ${sshd.port} ${me} web`);
    });

    it("leads through jump hosts, each as it is configured itself", async () => {
        writeFileSync(join(bastion.directory, "authorized_keys"), `${sshd.publicKey("login")}\n`);
        const jump = ["HostName 127.0.0.1", `Port ${bastion.port}`, ...target().slice(2)];
        const sshConfig = configure("Host web", ...target(), "ProxyJump jump", "Host jump", ...jump);
        const before = bastion.count("Accepted publickey");
        const machine = await connect({ host: "web", sshConfig, ...quick });
        expect(machine.hostKey).toBe(sshd.hostKey());
        expect(Object.values(machine.proxyHostKeys)).toEqual([bastion.hostKey()]);
        expect(bastion.count("Accepted publickey")).toBe(before + 1);
        await closeAllConnections();

        const two = configure(
            "Host web",
            ...target(),
            `ProxyJump jump,${me}@127.0.0.1:${bastion.port}`,
            "Host 127.0.0.1",
            ...target().slice(3),
            "Host jump",
            ...["HostName 127.0.0.1", `Port ${sshd.port}`, ...target().slice(2)],
        );
        const far = await connect({ host: "web", sshConfig: two, ...quick });
        expect(Object.values(far.proxyHostKeys)).toEqual([sshd.hostKey(), bastion.hostKey()]);
        await closeAllConnections();

        // An argument goes before it, also one that says there is none.
        await connect({
            host: "web",
            sshConfig: configure("Host web", ...target(), "ProxyJump nowhere.invalid"),
            proxyCommand: "none",
            ...quick,
        });
        await closeAllConnections();
        const elsewhere = configure("Host web", ...target(), "ProxyJump nowhere.invalid");
        const proxy = { ...bastion.connection, privateKey: sshd.privateKey };
        await connect({ host: "web", sshConfig: elsewhere, proxy, ...quick });
    });

    it("that goes round in circles is told", async () => {
        const sshConfig = configure("Host a", "ProxyJump b", "Host b", "ProxyJump a");
        const error = await failure(connect({ host: "a", sshConfig, ...quick }));
        expect(error.code).toBe("SSH_CONFIG_INVALID");
        expect(error.message).toContain("more than 10 hosts");
    });

    it("that cannot be read is told in ssh's own words, before anything is dialed", async () => {
        const message = async (sshConfig: string) => {
            const error = await failure(connect({ host: "web", sshConfig, ...quick }));
            expect(error.code).toBe("SSH_CONFIG_INVALID");
            return error.message;
        };
        expect(await message(configure("Hots web"))).toContain("line 1: Bad configuration option: hots");
        expect(await message(path("nowhere"))).toContain("No such file or directory");
    });

    it("never makes an option of a host name", async () => {
        const error = await failure(connect({ host: "-oProxyCommand=reboot", sshConfig: true }));
        expect(error.code).toBe("INVALID_ARGUMENT");
        await expect(askSsh({ path: undefined, host: "-V", user: undefined, port: undefined })).rejects.toThrow();
    });

    it("says which keys of the agent are tried", async () => {
        const agent = await Agent.start(sshd.directory);
        try {
            for (let count = 1; count <= 6; count++) {
                sshd.makeKey(`other${count}`, "ed25519");
                agent.add(path(`other${count}`));
            }
            agent.add(path("login"));
            const common = [...target().slice(0, 3), `UserKnownHostsFile ${path("known")}`];
            const byPub = [`IdentityFile ${path("login.pub")}`, `IdentityAgent ${agent.socket}`];
            const before = sshd.count("Failed publickey");
            const sshConfig = configure("Host web", ...common, ...byPub, "IdentitiesOnly yes");
            await connect({ host: "web", sshConfig, ...quick });
            await closeAllConnections();
            expect(sshd.count("Failed publickey")).toBe(before);
            const none = configure("Host web", ...common, `IdentityFile ${path("nowhere")}`, "IdentityAgent none");
            expect((await failure(connect({ host: "web", sshConfig: none, ...quick }))).code).toBe(
                "NO_AUTHENTICATION_METHOD",
            );
        } finally {
            agent.stop();
        }
    });

    it("is read by a library where there is no OpenSSH client", async () => {
        const home = mkdtempSync(join(tmpdir(), "fleet-home-"));
        try {
            mkdirSync(join(home, ".ssh", "more"), { recursive: true });
            writeFileSync(join(home, ".ssh", "config"), "Include more/*.conf\nHost *\n    User nobody\n");
            writeFileSync(join(home, ".ssh", "more", "web.conf"), `Host web\n${target().join("\n")}\n`);
            const code = `require("./src/ssh").connect({ host: "web", sshConfig: true, dialErrorLimit: 0 })
                .then(async (machine) => { console.log(machine.name); await machine.close(); });`;
            const output = execFileSync(process.execPath, ["--import", "tsx", "-e", code], {
                cwd: join(__dirname, "..", ".."),
                env: { PATH: "/nowhere", HOME: home },
            });
            expect(output.toString().trim()).toBe(`${me}@web:${sshd.port}`);
        } finally {
            rmSync(home, { recursive: true, force: true });
        }
    });
});

describeSsh("the library's reading of a configuration", () => {
    let directory: string;
    let files = 0;
    beforeAll(() => {
        directory = mkdtempSync(join(tmpdir(), "fleet-config-"));
        writeFileSync(join(directory, "included"), "User included\nHost web*\n    Port 77\n");
    });
    afterAll(() => rmSync(directory, { recursive: true, force: true }));

    /** The options that we use, from both. */
    const used = [
        "hostname",
        "user",
        "port",
        "identityfile",
        "identityagent",
        "hostkeyalias",
        "proxyjump",
        "proxycommand",
    ];
    async function both(lines: string[], host: string, more: Partial<SshQuery> = {}) {
        files += 1;
        const path = join(directory, `config${files}`);
        writeFileSync(path, `${lines.join("\n")}\n`);
        const query = { path, host, user: undefined, port: undefined, ...more };
        const theirs = (await askSsh(query))!;
        const ours = readSshConfig(query);
        // Where nothing is said, ssh lists its own choice of keys; "ProxyJump none" it does not list.
        const isSaid = (value: string) => !/^none$|^~\/\.ssh\/id_/.test(value);
        const pick = (options: Map<string, string[]>) =>
            used.map((keyword) => [keyword, (options.get(keyword) ?? []).filter(isSaid)]);
        return { theirs: pick(theirs), ours: pick(ours) };
    }

    it("is ssh's own, for every configuration", async () => {
        const pattern = fc.constantFrom("web", "web1", "w*", "web?", "!web1", "*", "db", "*.org", "127.0.0.1");
        const patterns = fc.array(pattern, { minLength: 1, maxLength: 3 });
        const setting = fc.oneof(
            fc.constantFrom("u1", "u2").map((value) => `User ${value}`),
            fc.constantFrom("22", "2222").map((value) => `Port=${value}`),
            fc.constantFrom("%h.org", "127.0.0.1", "db").map((value) => `hostname ${value}`),
            fc.constantFrom("~/.ssh/a", "/tmp/b", '"/tmp/with blank"').map((value) => `IdentityFile ${value}`),
            fc.constantFrom("none", "/tmp/agent").map((value) => `IdentityAgent ${value}`),
            fc.constantFrom("alias1", "alias2").map((value) => `HostKeyAlias ${value}`),
            fc.constantFrom("none", "jump", "a,u@b:22").map((value) => `ProxyJump ${value}`),
            fc.constantFrom("nc %h %p", 'nc -x "a b" %h', "none").map((value) => `ProxyCommand ${value}`),
            fc.constant("Include included"),
            fc.constant("# a comment"),
            fc.constant(""),
        );
        const block = fc.tuple(
            fc.oneof(
                patterns.map((list) => `Host ${list.join(" ")}`),
                patterns.map((list) => `Match originalhost ${list.join(",")}`),
                patterns.map((list) => `Match host ${list.join(",")}`),
                fc.constantFrom("u1", "u2", "!u1,*").map((list) => `Match user ${list}`),
                fc.constantFrom("root", "*").map((list) => `Match localuser ${list}`),
                fc.constant("Match all"),
            ),
            fc.array(setting, { maxLength: 4 }),
        );
        const config = fc.tuple(fc.array(setting, { maxLength: 2 }), fc.array(block, { maxLength: 5 }));
        await fc.assert(
            fc.asyncProperty(
                config,
                fc.constantFrom("web", "web1", "db", "x.org"),
                fc.constantFrom(undefined, "u1"),
                async ([head, blocks], host, user) => {
                    const lines = [...head, ...blocks.flatMap(([first, settings]) => [first, ...settings])].map(
                        (line) => line.replace("Include included", `Include ${join(directory, "included")}`),
                    );
                    const { theirs, ours } = await both(lines, host, { user });
                    expect(ours).toEqual(theirs);
                },
            ),
            { numRuns: 150 },
        );
    });

    it.each([
        ["Match exec true", "Match exec"],
        ["Match tagged x", "Match tagged"],
        ["CanonicalizeHostname yes", "CanonicalizeHostname"],
        [`Include /tmp/*/x`, "Include /tmp/*/x"],
    ])("does not pass over what it does not know: %s", (line, words) => {
        const path = join(directory, "unknown");
        writeFileSync(path, `${line}\n    User x\n`);
        const query = { path, host: "web", user: undefined, port: undefined };
        expect(() => readSshConfig(query)).toThrow(
            expect.objectContaining({ code: "SSH_CONFIG_INVALID", message: expect.stringContaining(words) }),
        );
    });

    it("ends where files include each other", () => {
        const path = join(directory, "circle");
        writeFileSync(path, `Include ${path}\n`);
        const query = { path, host: "web", user: undefined, port: undefined };
        expect(() => readSshConfig(query)).toThrow(/include each other/);
    });
});
