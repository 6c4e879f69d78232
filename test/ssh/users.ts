import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** A user of this machine for the time of a test. */
export interface TestUser {
    name: string;
    home: string;
    remove(): void;
}

const prefix = "pdf-test-";

/**
 * Creates a user whose name begins with `pdf-test-`; one that an interrupted run has left is replaced. Only root can.
 *
 * @param files files of the home directory, by relative path
 * @param sudo what sudoers says after the name, e.g. `"ALL=(ALL:ALL) NOPASSWD: ALL"`
 */
export function createUser(
    suffix: string,
    options: { shell?: string; password?: string; files?: Record<string, string>; sudo?: string } = {},
): TestUser {
    const name = `${prefix}${suffix}`;
    const home = `/home/${name}`;
    const sudoers = `/etc/sudoers.d/${name}`;
    const remove = () => {
        rmSync(sudoers, { force: true });
        withRetry(() => execFileSync("userdel", ["-f", name], { stdio: "pipe" }), /does not exist/);
        rmSync(home, { recursive: true, force: true });
    };
    remove();
    withRetry(() =>
        // "*" is a password nobody has; an account without any is locked, and sshd lets no key of it in.
        execFileSync("useradd", ["-m", "-d", home, "-p", "*", "-s", options.shell ?? "/bin/sh", name], {
            stdio: "pipe",
        }),
    );
    if (options.password !== undefined) {
        withRetry(() => execFileSync("chpasswd", { input: `${name}:${options.password}\n`, stdio: "pipe" }));
    }
    for (const [path, text] of Object.entries(options.files ?? {})) {
        mkdirSync(dirname(join(home, path)), { recursive: true });
        writeFileSync(join(home, path), text);
    }
    execFileSync("chown", ["-R", `${name}:`, home]);
    if (options.sudo !== undefined) {
        if (!existsSync("/etc/sudoers.d")) {
            throw new Error("sudo is not installed");
        }
        writeFileSync(sudoers, `${name} ${options.sudo}\n`, { mode: 0o440 });
    }
    return { name, home, remove };
}

/** Another test may hold the lock of the password files for a moment. */
function withRetry(action: () => unknown, fine?: RegExp): void {
    for (let tries = 1; ; tries++) {
        try {
            action();
            return;
        } catch (error) {
            const said = String((error as { stderr?: Buffer }).stderr ?? error);
            if (fine?.test(said)) {
                return;
            }
            if (tries === 20 || !/cannot lock|try again/i.test(said)) {
                throw error;
            }
            execFileSync("sleep", ["0.2"]);
        }
    }
}
