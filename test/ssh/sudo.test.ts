import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { closeAllConnections, connect } from "../../src/ssh";
import { Sshd } from "../support/sshd";
import { describeRoot, failure, script, until } from "./support";
import { createUser, type TestUser } from "./users";

jest.setTimeout(120_000);

const password = "s3cret $'\"\\!";

describeRoot("becoming root", () => {
    let sshd: Sshd;
    const created: TestUser[] = [];
    beforeAll(async () => {
        sshd = await Sshd.create();
        created.push(createUser("free", { sudo: "ALL=(ALL:ALL) NOPASSWD: ALL" }));
        created.push(createUser("ask", { password, sudo: "ALL=(ALL:ALL) ALL" }));
        created.push(createUser("never", { password }));
        created.push(createUser("lesser", { password, sudo: "ALL=(ALL:ALL) NOPASSWD: /bin/true" }));
    });
    afterEach(closeAllConnections);
    afterAll(async () => {
        await sshd.stop();
        for (const user of created) {
            user.remove();
        }
    });
    const login = (user: string, more: object = {}) =>
        connect({ ...sshd.connection, user: `pdf-test-${user}`, ...more });
    const whoAmI = { step: "become root", script: script('id -u; echo "$HOME"; cat'), stdin: Buffer.from("input") };
    const root = { code: 0, stdout: "0\n/root\ninput", stderr: "" };

    it("needs no sudo for root", async () => {
        const result = await (await connect(sshd.connection)).run(whoAmI);
        expect(result).toEqual({ ...root, stdout: `0\n${sshd.home}\ninput` });
    });

    it("works with a sudo that does not ask, in one session", async () => {
        const machine = await login("free");
        const before = sshd.count("Starting session");
        expect(await machine.run(whoAmI)).toEqual(root);
        expect(sshd.count("Starting session")).toBe(before + 1);
    });

    it("works with a sudo that does not ask although a password is known, and the password reaches nobody", async () => {
        const machine = await login("free", { sudoPassword: password });
        expect(await machine.run(whoAmI)).toEqual(root);
        expect(await machine.run(whoAmI)).toEqual(root);
    });

    it("works with the password, in one session each", async () => {
        const machine = await login("ask", { sudoPassword: password });
        const before = sshd.count("Starting session");
        expect(await machine.run(whoAmI)).toEqual(root);
        expect(await machine.run(whoAmI)).toEqual(root);
        expect(sshd.count("Starting session")).toBe(before + 2);
    });

    it("uses the login's password where sudo has none of its own", async () => {
        const machine = await login("ask", { privateKey: undefined, password });
        expect(await machine.run(whoAmI)).toEqual(root);
    });

    it("is not tried when it is not wanted", async () => {
        const machine = await login("never");
        const result = await machine.run({ step: "test", script: script("id -un"), sudo: false });
        expect(result.stdout).toBe("pdf-test-never\n");
    });

    it("fails when sudo asks and no password is known", async () => {
        const error = await failure((await login("ask")).run(whoAmI));
        expect(error.code).toBe("SUDO_PASSWORD_REQUIRED");
        expect(error.message).toContain("connection.sudoPassword");
    });

    it("fails with a wrong password, tries it once, and does not show it", async () => {
        const machine = await login("ask", { sudoPassword: "wr0ng-one" });
        const error = await failure(machine.run(whoAmI));
        expect(error.code).toBe("SUDO_PASSWORD_WRONG");
        expect(error.message).not.toContain("wr0ng-one");
    });

    it("fails for a user whom sudo does not know", async () => {
        const error = await failure((await login("never", { sudoPassword: password })).run(whoAmI));
        expect(error.code).toBe("SUDO_NOT_PERMITTED");
    });

    it("fails for a user whom sudo permits something else", async () => {
        const error = await failure((await login("lesser", { sudoPassword: password })).run(whoAmI));
        expect(error.code).toBe("SUDO_NOT_PERMITTED");
    });

    it("fails when there is no sudo", async () => {
        const bare = await Sshd.create({ config: ["SetEnv PATH=/nonexistent"] });
        const machine = await connect({ ...bare.connection, user: "pdf-test-free" });
        const error = await failure(machine.run(whoAmI));
        expect(error.code).toBe("SUDO_MISSING");
        await machine.close();
        await bare.stop();
    });

    it("uploads a file that only root may write", async () => {
        const machine = await login("ask", { sudoPassword: password });
        const path = "/root/.pdf-test-upload";
        const content = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 13) % 256));
        await machine.upload({ step: "write", path, content, mode: "0640", owner: "pdf-test-ask:root" });
        expect(readFileSync(path).equals(content)).toBe(true);
        expect(statSync(path).mode & 0o7777).toBe(0o640);
        expect(String(statSync(path).uid)).toBe(
            execFileSync("id", ["-u", "pdf-test-ask"], { encoding: "utf8" }).trim(),
        );
        execFileSync("rm", [path]);
    });

    it("ends a script of root at its deadline", async () => {
        const machine = await login("ask", { sudoPassword: password });
        const error = await failure(
            machine.run({ step: "test", script: script("echo $$ >/tmp/pdf-test-root-pid; sleep 95"), timeout: 500 }),
        );
        expect(error.code).toBe("TIMEOUT");
        const pid = readFileSync("/tmp/pdf-test-root-pid", "utf8").trim();
        execFileSync("rm", ["/tmp/pdf-test-root-pid"]);
        await until(() => !existsSync(`/proc/${pid}`), "the end of the script", 1_000);
    });

    it("shows neither the password nor arguments in the process list", async () => {
        const machine = await login("ask", { sudoPassword: password });
        const secret = "argument-that-is-secret";
        const ours = () => readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, "utf8").trim().split(" ");
        const before = ours();
        const running = machine.run({
            step: "test",
            script: script('say started; sleep 1; test "$1" = argument-that-is-secret'),
            args: [secret],
            onLine: () => {
                list = execFileSync("ps", ["axeww"], { encoding: "utf8" });
                children = ours();
            },
        });
        let list = "";
        let children: string[] = [];
        expect((await running).code).toBe(0);
        expect(list).toContain("sudo -H -S -p");
        expect(list).not.toContain(secret);
        expect(list).not.toContain("s3cret");
        expect(children).toEqual(before);
        expect(sshd.log).not.toContain("s3cret");
    });
});
