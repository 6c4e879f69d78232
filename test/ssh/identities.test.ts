import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import os from "node:os";
import { join } from "node:path";
import { closeAllConnections, connect } from "../../src/ssh";
import { sshString, writeOpenSshKey } from "../../src/ssh/openssh-key";
import { Sshd } from "../support/sshd";
import { Agent } from "./agent";
import { describeRoot, describeSsh, failure, until } from "./support";
import { createUser, type TestUser } from "./users";

jest.setTimeout(60_000);

/** The home directory of a test, without keys, and its agent. Jest keeps the environment from Node's own homedir. */
const agentBefore = process.env.SSH_AUTH_SOCK;
function setEnvironment(home: string, agent: string | undefined): void {
    jest.spyOn(os, "homedir").mockReturnValue(home);
    setAgent(agent);
}
function setAgent(agent: string | undefined): void {
    if (agent === undefined) {
        delete process.env.SSH_AUTH_SOCK;
    } else {
        process.env.SSH_AUTH_SOCK = agent;
    }
}
afterEach(async () => {
    jest.restoreAllMocks();
    setAgent(agentBefore);
    await closeAllConnections();
});

describeSsh("keys by path", () => {
    let sshd: Sshd;
    let path: (name: string) => string;
    let login: (more: object) => Parameters<typeof connect>[0];
    beforeAll(async () => {
        sshd = await Sshd.create();
        path = (name) => join(sshd.directory, name);
        login = (more) => ({ ...sshd.connection, privateKey: undefined, ...more });
    });
    beforeEach(() => setEnvironment(sshd.home, undefined));
    afterAll(() => sshd.stop());

    it("are read, also below ~ and encrypted", async () => {
        await connect(login({ identityFile: path("login") }));
        await closeAllConnections();
        const text = sshd.makeKey("locked", "ed25519", "-N", "open sesame");
        sshd.authorize("locked");
        mkdirSync(join(sshd.home, "keys"), { recursive: true });
        writeFileSync(join(sshd.home, "keys", "mine"), text);
        await connect(login({ identityFile: "~/keys/mine", privateKeyPassword: "open sesame" }));
    });

    it("are tried in order, after the key that is given by value, until one is right", async () => {
        sshd.makeKey("wrong1", "ed25519");
        const privateKey = sshd.makeKey("wrong2", "ed25519");
        const failed = sshd.count("Failed publickey");
        const identityFile = [path("wrong1"), path("login")];
        await connect(login({ privateKey, identityFile }));
        await until(() => sshd.count("Accepted publickey") > 0, "the log");
        expect(sshd.count("Failed publickey")).toBe(failed + 2);

        const error = await failure(connect(login({ privateKey, identityFile: path("wrong1") })));
        expect(error.message).toContain(`tried: connection.privateKey, connection.identityFile ${path("wrong1")}`);
    });

    it("that cannot be used are named", async () => {
        sshd.makeKey("locked", "ed25519", "-N", "open sesame");
        writeFileSync(path("text"), "hello\n");
        const message = async (identityFile: string) => {
            const error = await failure(connect(login({ identityFile: [path("login"), identityFile] })));
            expect(error.code).toBe("PRIVATE_KEY_INVALID");
            return error.message;
        };
        expect(await message(path("nowhere"))).toContain(`connection.identityFile ${path("nowhere")} does not exist.`);
        expect(await message(path("locked"))).toContain("is encrypted. Set connection.privateKeyPassword");
        expect(await message(path("login.pub"))).toContain("is a public key");
        expect(await message(path("text"))).toContain("it has no BEGIN line");
        expect(await message(sshd.directory)).toContain("cannot be read");
    });

    it("are OpenSSH's own where nothing is said, unless they are encrypted", async () => {
        mkdirSync(join(sshd.home, ".ssh"), { recursive: true });
        copyFileSync(path("login"), join(sshd.home, ".ssh", "id_rsa"));
        sshd.makeKey("locked", "ed25519", "-N", "open sesame");
        copyFileSync(path("locked"), join(sshd.home, ".ssh", "id_ed25519"));
        await connect(login({}));
        await closeAllConnections();
        rmSync(join(sshd.home, ".ssh", "id_rsa"));
        const error = await failure(connect(login({})));
        expect(error.code).toBe("NO_AUTHENTICATION_METHOD");
        expect(error.message).toContain("~/.ssh/id_ed25519 was not tried: it is encrypted.");
        // Another way in is said: they are nobody's business.
        copyFileSync(path("login"), join(sshd.home, ".ssh", "id_rsa"));
        expect((await failure(connect(login({ password: "none" })))).message).toContain("tried: password)");
    });
});

describeSsh("the agent's keys", () => {
    let sshd: Sshd;
    let agent: Agent;
    let path: (name: string) => string;
    let login: (more: object) => Parameters<typeof connect>[0];
    beforeAll(async () => {
        sshd = await Sshd.create();
        agent = await Agent.start(sshd.directory);
        path = (name) => join(sshd.directory, name);
        login = (more) => ({ ...sshd.connection, privateKey: undefined, ...more });
        for (let count = 1; count <= 8; count++) {
            sshd.makeKey(`other${count}`, "ed25519");
        }
    });
    beforeEach(() => {
        agent.clear();
        setEnvironment(sshd.home, agent.socket);
    });
    afterAll(async () => {
        agent.stop();
        await sshd.stop();
    });
    const fill = (...names: string[]) => {
        for (const name of names) {
            agent.add(path(name));
        }
    };
    const others = (most: number) => Array.from({ length: most }, (_, index) => `other${index + 1}`);
    const refusals = () => sshd.count(/Failed publickey|Too many authentication failures/);

    it.each(["rsa", "ecdsa", "ed25519"])("sign: %s", async (type) => {
        sshd.makeKey("held", type);
        sshd.authorize("held");
        fill("held");
        await connect(login({}));
    });

    it("are tried one after the other", async () => {
        fill(...others(4), "login");
        await connect(login({}));
    });

    it("are known by which of them let us in", async () => {
        fill(...others(3), "login");
        const [, login64] = sshd.publicKey("login").split(" ");
        expect((await connect(login({}))).loginKeys).toEqual([login64]);
        expect((await connect(login({ identityFile: path("login") }))).loginKeys).toEqual([login64]);
        expect((await connect(sshd.connection)).loginKeys).toEqual([login64]);
    });

    it("are never so many that the server hangs up: the rest is told, and how to choose", async () => {
        fill(...others(8), "login");
        const before = refusals();
        const error = await failure(connect(login({})));
        expect(error.code).toBe("AUTHENTICATION_FAILED");
        expect(error.message).toContain("Not tried, because a server hangs up after some wrong keys");
        expect(error.message).toContain("connection.identityFile");
        await until(() => refusals() >= before + 5, "the log");
        expect(refusals()).toBe(before + 5);
        expect(sshd.count("Too many authentication failures")).toBe(0);
    });

    it.each(["login.pub", "login"])("are chosen by the path of %s, and no other is tried", async (name) => {
        fill(...others(8), "login");
        const before = refusals();
        if (name === "login") {
            // The file itself cannot be opened: only the agent can.
            copyFileSync(path("login"), path("copy"));
            execFileSync("ssh-keygen", ["-q", "-p", "-N", "open sesame", "-f", path("copy")]);
        }
        await connect(login({ identityFile: path(name === "login" ? "copy" : name) }));
        expect(refusals()).toBe(before);
    });

    it("do not spoil the login with a password, or with a key that comes first", async () => {
        fill(...others(8));
        await connect({ ...sshd.connection, agentSocketPath: agent.socket });
        expect(sshd.connection.privateKey).toBe(readFileSync(path("login"), "utf8"));
    });

    it("are an answer to a key that nobody holds, and the message says what the agent is", async () => {
        const error = await failure(connect(login({ identityFile: path("login.pub") })));
        expect(error.message).toContain("no agent that can be used holds its private key");
        const dead = await failure(connect(login({ identityFile: path("login.pub"), agentSocketPath: path("dead") })));
        expect(dead.message).toContain("there is no such socket");
    });

    it("are none where the agent is dead or dies, and the login goes on without it", async () => {
        const dying = await Agent.start(sshd.directory, "dying");
        execFileSync("ssh-add", ["-q", path("other1")], { env: { ...process.env, SSH_AUTH_SOCK: dying.socket } });
        dying.stop();
        await until(() => dying.child.signalCode !== null || dying.child.exitCode !== null, "the end of the agent");
        const privateKey = readFileSync(path("other2"), "utf8");
        const error = await failure(connect(login({ privateKey, agentSocketPath: dying.socket })));
        expect(error.message).toContain(`The SSH agent at ${dying.socket} cannot be used`);
        await connect(login({ identityFile: path("login"), agentSocketPath: dying.socket }));
    });

    it("are passed over when the agent lists them and then does not sign", async () => {
        const list = [sshString(Buffer.from(sshd.publicKey("login").split(" ")[1]!, "base64")), sshString("liar")];
        const server = createServer((socket) =>
            socket.on("data", (request) => {
                // 11: list them; anything else is refused.
                const answer =
                    request[4] === 11 ? Buffer.concat([Buffer.from([12, 0, 0, 0, 1]), ...list]) : Buffer.from([5]);
                socket.write(sshString(answer));
            }),
        ).listen(path("liar"));
        try {
            const error = await failure(connect(login({ agentSocketPath: path("liar") })));
            expect(error.code).toBe("AUTHENTICATION_FAILED");
            expect(error.message).toContain('key "liar" of the SSH agent');
            const identityFile = [path("other1")];
            sshd.authorize("other1");
            await connect(login({ identityFile, agentSocketPath: path("liar") }));
        } finally {
            server.close();
        }
    });

    it("that are certificates or belong to security tokens are told, not passed over in silence", async () => {
        sshd.authorize("login");
        sshd.makeKey("authority", "ed25519");
        execFileSync("ssh-keygen", ["-q", "-s", path("authority"), "-I", "me", "-n", "root", path("other1.pub")]);
        fill("other1");
        rmSync(path("other1-cert.pub"));
        writeFileSync(path("token"), tokenKey(), { mode: 0o600 });
        fill("token");
        const error = await failure(connect(login({ password: undefined })));
        expect(error.message).toMatch(/of the SSH agent is a certificate, with which this package cannot log in/);
        expect(error.message).toMatch(/of the SSH agent is a key of a security token/);
        writeFileSync(path("other2-cert.pub"), "");
        const beside = await failure(connect(login({ identityFile: path("other2") })));
        expect(beside.message).toContain(`The certificate of connection.identityFile ${path("other2")} was not used`);
        const byValue = await failure(connect({ ...sshd.connection, privateKey: tokenKey() }));
        expect(byValue.message).toContain("belongs to a security token (sk-ssh-ed25519@openssh.com)");
    });

    it("are named as the reason where the server allows fewer tries", async () => {
        const strict = await Sshd.create({ config: ["MaxAuthTries 2"] });
        try {
            fill(...others(4));
            const error = await failure(connect({ ...strict.connection, privateKey: undefined }));
            expect(error.code).toBe("AUTHENTICATION_FAILED");
            expect(error.message).toContain("MaxAuthTries");
        } finally {
            await strict.stop();
        }
    });

    /** A key file as `ssh-keygen -t ed25519-sk` writes it: what it points to is in no token, but its form is right. */
    function tokenKey(): string {
        const type = "sk-ssh-ed25519@openssh.com";
        const point = randomBytes(32);
        const blob = Buffer.concat([sshString(type), sshString(point), sshString("ssh:")]);
        const text = writeOpenSshKey(type, blob, [point, Buffer.from("ssh:"), Buffer.alloc(0)]);
        const flagsAt = Buffer.concat([sshString(type), sshString(point), sshString("ssh:")]);
        const file = Buffer.from(text.replace(/-----.*-----|\n/g, ""), "base64");
        // The private part has one byte of flags between the application and the key handle.
        const at = file.lastIndexOf(flagsAt) + flagsAt.length;
        const start = file.lastIndexOf(flagsAt) - 8;
        const secret = Buffer.concat([
            file.subarray(start, at),
            Buffer.from([1]),
            ...[randomBytes(64), "", "token"].map(sshString),
        ]);
        const padding = Buffer.from(Array.from({ length: (8 - (secret.length % 8)) % 8 }, (_, index) => index + 1));
        const whole = Buffer.concat([file.subarray(0, start - 4), sshString(Buffer.concat([secret, padding]))]);
        return `-----BEGIN OPENSSH PRIVATE KEY-----\n${whole
            .toString("base64")
            .match(/.{1,70}/g)!
            .join("\n")}\n-----END OPENSSH PRIVATE KEY-----\n`;
    }
});

describeRoot("an agent's key where the machine demands a password, too", () => {
    it("is the first half, also behind a wrong key", async () => {
        const password = "s3cret";
        const user: TestUser = createUser("half", { password });
        const sshd = await Sshd.create({ config: ["AuthenticationMethods publickey,password"] });
        const agent = await Agent.start(sshd.directory);
        try {
            agent.add(join(sshd.directory, "login"));
            const wrong = sshd.makeKey("wrong", "ed25519");
            const connection = { ...sshd.connection, user: user.name, password, agentSocketPath: agent.socket };
            await connect({ ...connection, privateKey: wrong });
            await closeAllConnections();
            await connect({ ...connection, privateKey: undefined });
        } finally {
            await closeAllConnections();
            agent.stop();
            await sshd.stop();
            user.remove();
        }
    });
});

describeRoot("an agent with many keys beside a password", () => {
    it("leaves the last try to the password", async () => {
        const password = "s3cret";
        const user: TestUser = createUser("many", { password });
        const sshd = await Sshd.create();
        const agent = await Agent.start(sshd.directory);
        try {
            for (let count = 1; count <= 7; count++) {
                sshd.makeKey("other", "ed25519");
                agent.add(join(sshd.directory, "other"));
            }
            const connection = { ...sshd.connection, user: user.name, privateKey: undefined, password };
            await connect({ ...connection, agentSocketPath: agent.socket });
        } finally {
            await closeAllConnections();
            agent.stop();
            await sshd.stop();
            user.remove();
        }
    });
});
