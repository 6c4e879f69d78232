import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { closeAllConnections, connect } from "../../src/ssh";
import { Sshd } from "../support/sshd";
import { describeRoot, failure, until } from "./support";
import { createUser, type TestUser } from "./users";

jest.setTimeout(60_000);

const password = "corr3ct horse";
const secret = "3132333435363738393031323334353637383930";

describeRoot("a keyboard-interactive login", () => {
    let user: TestUser;
    let sshd: Sshd;
    const service = `pdf-test-${process.pid}`;
    const pam = `/etc/pam.d/${service}`;
    const path = (name: string) => join(sshd.directory, name);
    beforeAll(async () => {
        user = createUser("keyboard", { password });
        sshd = await Sshd.create({
            // sshd takes the rules of PAM that go by its own name.
            program: service,
            config: ["UsePAM yes", "PasswordAuthentication no", "KbdInteractiveAuthentication yes"],
        });
    });
    afterEach(closeAllConnections);
    afterAll(async () => {
        await sshd.stop();
        rmSync(pam, { force: true });
        user.remove();
    });
    const rules = (...auth: string[]) =>
        writeFileSync(
            pam,
            `${auth.map((rule) => `auth ${rule}\n`).join("")}account required pam_unix.so\nsession required pam_permit.so\npassword required pam_unix.so\n`,
        );
    const login = (more: object = {}) =>
        connect({ ...sshd.connection, user: user.name, privateKey: undefined, password, ...more });
    const unix = "required pam_unix.so";

    it("answers the password's prompt, with words of the machine before and behind it", async () => {
        writeFileSync(path("words"), "Authorized use only\n");
        rules(`optional pam_echo.so file=${path("words")}`, unix, `optional pam_echo.so file=${path("words")}`);
        await login();
        await until(() => sshd.count("Accepted keyboard-interactive") === 1, "the log");
    });

    it("names the code that is asked for as well, and gives no wrong answer to it", async () => {
        writeFileSync(path("oath"), `HOTP ${user.name} - ${secret}\n`, { mode: 0o600 });
        rules(unix, `required pam_oath.so usersfile=${path("oath")} digits=6`);
        const error = await failure(login());
        expect(error.code).toBe("AUTHENTICATION_FAILED");
        expect(error.message).toContain(`asks for "One-time password (OATH) for \`${user.name}':"`);
        expect(error.message).toContain("AuthenticationMethods publickey");
        expect(error.message).not.toContain(password);
        // The other way round, the password is not given away either.
        rules(`required pam_oath.so usersfile=${path("oath")} digits=6`, unix);
        expect((await failure(login())).message).toContain("One-time password");
        expect(sshd.count(/Failed keyboard-interactive/)).toBe(0);
    });

    it("does not give a wrong password twice", async () => {
        rules("requisite pam_unix.so");
        const error = await failure(login({ password: "wr0ng" }));
        expect(error.message).toContain("tried: password, keyboard-interactive");
        await until(() => sshd.count("PAM: Authentication failure") > 0, "the log");
        expect(sshd.count("PAM: Authentication failure")).toBe(1);
    });

    it("says that the password has expired", async () => {
        rules(unix);
        execFileSync("chage", ["-d", "0", user.name]);
        try {
            expect((await failure(login())).message).toContain("The password has expired");
        } finally {
            execFileSync("chage", ["-d", "2026-01-01", user.name]);
        }
    });

    it("is the second factor behind a key", async () => {
        const strict = await Sshd.create({
            program: service,
            config: [
                "UsePAM yes",
                "KbdInteractiveAuthentication yes",
                "AuthenticationMethods publickey,keyboard-interactive",
            ],
        });
        try {
            rules(unix);
            await connect({ ...strict.connection, user: user.name, password });
        } finally {
            await closeAllConnections();
            await strict.stop();
        }
    });
});
