import { closeAllConnections, connect } from "../../src/ssh";
import { Sshd } from "../support/sshd";
import { describeRoot, failure, script } from "./support";
import { createUser, type TestUser } from "./users";

jest.setTimeout(120_000);

const noise = "echo noise; echo noise >&2; printf 'no newline'";
const users = {
    sh: { shell: "/bin/sh" },
    bash: { shell: "/bin/bash", files: { ".bashrc": noise } },
    fish: { shell: "/usr/bin/fish", files: { ".config/fish/config.fish": noise } },
    csh: { shell: "/bin/tcsh", files: { ".cshrc": "echo noise; set prompt='%'", ".login": "echo noise" } },
    nologin: { shell: "/usr/sbin/nologin" },
};

describeRoot("the login shell", () => {
    let sshd: Sshd;
    const created: TestUser[] = [];
    beforeAll(async () => {
        sshd = await Sshd.create();
        for (const [suffix, options] of Object.entries(users)) {
            created.push(createUser(suffix, { ...options, sudo: "ALL=(ALL:ALL) NOPASSWD: ALL" }));
        }
    });
    afterAll(async () => {
        await closeAllConnections();
        await sshd.stop();
        for (const user of created) {
            user.remove();
        }
    });
    const login = (suffix: string) => connect({ ...sshd.connection, user: `pdf-test-${suffix}` });

    it.each(["sh", "bash", "fish", "csh"])("may be %s, and its noise is not ours", async (suffix) => {
        const machine = await login(suffix);
        const args = ["a 'b' \"c\"", "$HOME !x \\"];
        const text = 'echo "$1|$2"; echo err >&2; cat; exit 5';
        for (const sudo of [false, true]) {
            const result = await machine.run({
                step: "test",
                script: script(text),
                args,
                stdin: Buffer.from("in"),
                sudo,
            });
            expect(result).toEqual({ code: 5, stdout: `${args.join("|")}\nin`, stderr: "err\n" });
        }
        await machine.upload({
            step: "test",
            path: `/home/pdf-test-${suffix}/f`,
            content: Buffer.from("x"),
            mode: "0600",
        });
    });

    it("that lets nobody in is named as the reason", async () => {
        const machine = await login("nologin");
        const error = await failure(machine.run({ step: "test", script: script("true"), sudo: false }));
        expect(error.code).toBe("SHELL_UNUSABLE");
        expect(error.message).toContain("This account is currently not available");
    });

    it("that is replaced by a forced command is named as the reason", async () => {
        const forced = await Sshd.create({ config: ["ForceCommand echo go away"] });
        const machine = await connect(forced.connection);
        const error = await failure(machine.run({ step: "test", script: script("true") }));
        expect(error.code).toBe("SHELL_UNUSABLE");
        expect(error.message).toContain("go away");
        await machine.close();
        await forced.stop();
    });

    it("is all that is needed: forwarding and SFTP may be disabled", async () => {
        const bare = await Sshd.create({ config: ["DisableForwarding yes", "Subsystem sftp /bin/false"] });
        const machine = await connect({ ...bare.connection, user: "pdf-test-sh" });
        await machine.upload({ step: "test", path: "/home/pdf-test-sh/g", content: Buffer.from("x"), mode: "0600" });
        expect((await machine.run({ step: "test", script: script("cat /home/pdf-test-sh/g") })).stdout).toBe("x");
        const error = await failure(machine.openUnixSocket("/run/nothing.sock"));
        expect(error.code).toBe("UNIX_SOCKET_REFUSED");
        await machine.close();
        await bare.stop();
    });
});
