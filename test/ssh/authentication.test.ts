import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import os from "node:os";
import { join } from "node:path";
import { closeAllConnections, connect } from "../../src/ssh";
import { Sshd } from "../support/sshd";
import { Agent } from "./agent";
import { describeRoot, describeSsh, failure, script, until } from "./support";
import { createUser, type TestUser } from "./users";

jest.setTimeout(120_000);
afterEach(closeAllConnections);

describeSsh("logging in with a key", () => {
    let sshd: Sshd;
    beforeAll(async () => {
        sshd = await Sshd.create();
    });
    afterAll(() => sshd.stop());

    it.each([
        ["ed25519", []],
        ["rsa", ["-b", "2048"]],
        ["ecdsa", []],
        ["rsa in PEM format", ["-b", "2048", "-m", "PEM"]],
    ])("works with %s", async (kind, options) => {
        const privateKey = sshd.makeKey("other", kind.split(" ")[0]!, ...options);
        sshd.authorize("other");
        const machine = await connect({ ...sshd.connection, privateKey });
        expect((await machine.run({ step: "test", script: script("echo in"), sudo: false })).stdout).toBe("in\n");
    });

    it("works with an encrypted key, and with line ends of Windows", async () => {
        const privateKey = sshd.makeKey("other", "ed25519", "-N", "open sesame").replaceAll("\n", "\r\n");
        sshd.authorize("other");
        const machine = await connect({ ...sshd.connection, privateKey, privateKeyPassword: "open sesame" });
        expect(machine.hostKey).toBe(sshd.hostKey());
    });

    it("tells what is wrong with a key before it opens a connection", async () => {
        const before = sshd.count("Connection from");
        const encrypted = sshd.makeKey("other", "ed25519", "-N", "open sesame");
        const error = await failure(
            connect({ ...sshd.connection, privateKey: encrypted, privateKeyPassword: "wrong" }),
        );
        expect(error.code).toBe("PRIVATE_KEY_INVALID");
        expect(error.message).toContain("the passphrase is wrong");
        expect(error.message).not.toContain(encrypted.split("\n")[1]);
        expect(sshd.count("Connection from")).toBe(before);
    });

    it("tries a key that is refused exactly once, however many errors may be borne", async () => {
        const privateKey = sshd.makeKey("other", "ed25519");
        sshd.authorize("login");
        const before = sshd.count("Connection from");
        const error = await failure(connect({ ...sshd.connection, privateKey, dialErrorLimit: -1 }));
        expect(error.code).toBe("AUTHENTICATION_FAILED");
        expect(error.message).toContain("tried: connection.privateKey");
        expect(error.message).toContain("authorized_keys");
        expect(sshd.count("Connection from")).toBe(before + 1);
    });

    it("says that there is nothing to log in with, and does not dial", async () => {
        const before = sshd.count("Connection from");
        const agent = process.env.SSH_AUTH_SOCK;
        delete process.env.SSH_AUTH_SOCK;
        // Who runs the tests may have keys.
        const home = jest.spyOn(os, "homedir").mockReturnValue(sshd.home);
        try {
            const error = await failure(connect({ ...sshd.connection, privateKey: undefined }));
            expect(error.code).toBe("NO_AUTHENTICATION_METHOD");
        } finally {
            home.mockRestore();
            Object.assign(process.env, agent === undefined ? {} : { SSH_AUTH_SOCK: agent });
        }
        expect(sshd.count("Connection from")).toBe(before);
    });

    it("waits while the system says that it is booting up", async () => {
        const text = "System is booting up. Unprivileged users are not permitted to log in yet.";
        const booting = await Sshd.create({ config: ["Banner /etc/hostname"], stopped: true });
        const banner = join(booting.directory, "banner");
        writeFileSync(banner, text);
        const config = join(booting.directory, "sshd_config");
        writeFileSync(
            config,
            `Banner ${banner}\nAuthorizedKeysFile none\nHostKey ${booting.directory}/host_ed25519\nPort ${booting.port}\nListenAddress 127.0.0.1\nUsePAM no\nPidFile none\nLogLevel VERBOSE\n`,
        );
        await booting.start();
        try {
            const lines: string[] = [];
            const error = await failure(
                connect({ ...booting.connection, dialErrorLimit: 1 }, { onProgress: (line) => lines.push(line) }),
            );
            expect(lines).toEqual(["waiting for 127.0.0.1: the system is still booting up (try 1)"]);
            expect(error.code).toBe("AUTHENTICATION_FAILED");
        } finally {
            await booting.stop();
        }
    });
});

describeSsh("logging in with an agent", () => {
    let sshd: Sshd;
    let agent: Agent;
    beforeAll(async () => {
        sshd = await Sshd.create();
        agent = await Agent.start(sshd.directory);
    });
    afterAll(async () => {
        agent.stop();
        await sshd.stop();
    });
    const withAgent = (more: object) => ({
        ...sshd.connection,
        privateKey: undefined,
        agentSocketPath: agent.socket,
        ...more,
    });

    it("says that the agent holds no key", async () => {
        const error = await failure(connect(withAgent({})));
        expect(error.code).toBe("NO_AUTHENTICATION_METHOD");
        expect(error.message).toContain("it holds no key");
    });

    it("works with a key the agent holds", async () => {
        agent.add(join(sshd.directory, "login"));
        const machine = await connect(withAgent({}));
        expect((await machine.run({ step: "test", script: script("echo in"), sudo: false })).stdout).toBe("in\n");
    });

    it("takes the agent of the environment when nothing else is given", async () => {
        const before = process.env.SSH_AUTH_SOCK;
        process.env.SSH_AUTH_SOCK = agent.socket;
        try {
            await connect(withAgent({ agentSocketPath: undefined }));
        } finally {
            Object.assign(process.env, { SSH_AUTH_SOCK: before ?? "" });
        }
    });

    it("does not let a dead agent spoil a login with a key", async () => {
        const dead = join(sshd.directory, "dead");
        const server = createServer().listen(dead);
        await new Promise((resolve) => server.once("listening", resolve));
        server.close();
        const machine = await connect({ ...sshd.connection, agentSocketPath: dead });
        expect(machine.hostKey).toBe(sshd.hostKey());
    });

    it("does not wait for ever for an agent that says nothing", async () => {
        const mute = join(sshd.directory, "mute");
        const server = createServer((socket) => socket.resume()).listen(mute);
        const machine = await connect({ ...sshd.connection, agentSocketPath: mute });
        expect(machine.hostKey).toBe(sshd.hostKey());
        // Closed only when we have hung up.
        await new Promise((resolve) => server.close(resolve));
    });
});

describeRoot("logging in with a password", () => {
    const password = "corr3ct $(horse) 'battery\" `";
    let sshd: Sshd;
    let user: TestUser;
    beforeAll(async () => {
        user = createUser("password", { password });
        sshd = await Sshd.create();
    });
    afterAll(async () => {
        await sshd.stop();
        user.remove();
    });
    const login = (more: object) => ({ ...sshd.connection, user: user.name, privateKey: undefined, ...more });

    it("works", async () => {
        const machine = await connect(login({ password }));
        expect(machine.loginKeys).toEqual([]);
        expect((await machine.run({ step: "test", script: script("id -un"), sudo: false })).stdout).toBe(
            `${user.name}\n`,
        );
    });

    it("tries a wrong password exactly once and does not show it", async () => {
        const before = sshd.count("Failed password");
        const error = await failure(connect(login({ password: "wr0ng-secret" })));
        expect(error.code).toBe("AUTHENTICATION_FAILED");
        expect(error.message).toContain("connection.password");
        expect(error.message).not.toContain("wr0ng-secret");
        await until(() => sshd.count("Failed password") > before, "the log");
        expect(sshd.count("Failed password")).toBe(before + 1);
    });

    it("answers a keyboard-interactive login with the password", async () => {
        const interactive = await Sshd.create({
            config: ["UsePAM yes", "PasswordAuthentication no", "KbdInteractiveAuthentication yes"],
        });
        try {
            const machine = await connect({ ...login({ password }), port: interactive.port });
            expect(machine.hostKey).toBe(interactive.hostKey());
            await until(() => interactive.count("Accepted keyboard-interactive") === 1, "the log");
        } finally {
            await closeAllConnections();
            await interactive.stop();
        }
    });

    it("gives key and password where the machine demands both", async () => {
        const strict = await Sshd.create({ config: ["AuthenticationMethods password,publickey"] });
        try {
            const machine = await connect({ ...strict.connection, user: user.name, password });
            expect(machine.hostKey).toBe(strict.hostKey());
            expect(machine.loginKeys).toEqual([strict.publicKey("login").split(" ")[1]]);
        } finally {
            await closeAllConnections();
            await strict.stop();
        }
    });
});
