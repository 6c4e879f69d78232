import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Lab, LabHost } from "../../lab";
import { run } from "../../lab/run";

/** How OpenSSH's client tries to log in, each time on a connection of its own. */
export interface LoginTry {
    user: string;
    /** File with the private key; no other is offered. */
    keyFile?: string;
    password?: string;
}

/**
 * Whether a login lets in, as OpenSSH's own client sees it.
 *
 * @returns `"in"`, or the client's last words, e.g. `Permission denied (publickey).`
 */
export async function tryLogin(lab: Lab, host: LabHost, login: LoginTry): Promise<string> {
    const scratch = mkdtempSync(join(tmpdir(), "login-"));
    try {
        const askpass = join(scratch, "askpass");
        writeFileSync(askpass, `#!/bin/sh\nprintf '%s\\n' '${login.password}'\n`, { mode: 0o700 });
        const methods =
            login.password === undefined
                ? ["PreferredAuthentications=publickey", "BatchMode=yes"]
                : [
                      "PreferredAuthentications=password,keyboard-interactive",
                      "PubkeyAuthentication=no",
                      "NumberOfPasswordPrompts=1",
                  ];
        const options = [
            ...methods,
            "IdentitiesOnly=yes",
            "IdentityAgent=none",
            `UserKnownHostsFile=${lab.knownHostsPath}`,
            "GlobalKnownHostsFile=/dev/null",
            "StrictHostKeyChecking=yes",
            "ConnectTimeout=10",
            "LogLevel=ERROR",
        ].flatMap((option) => ["-o", option]);
        const key = login.keyFile === undefined ? ["-i", "/dev/null"] : ["-i", login.keyFile];
        const environment = [`SSH_ASKPASS=${askpass}`, "SSH_ASKPASS_REQUIRE=force"];
        const command = ["ssh", "-F", "none", ...key, ...options, `${login.user}@${host.address}`, "echo in"];
        const { stdout, stderr } = await run("env", [...environment, ...command], { allowFailure: true });
        return stdout.trim() === "in" ? "in" : (stderr.trim().split("\n").at(-1) ?? "");
    } finally {
        if (existsSync(scratch)) rmSync(scratch, { recursive: true });
    }
}
