import { randomInt } from "node:crypto";
import type { FleetErrorDetails } from "../errors";
import { quote } from "./quote";

/** Whose rights a command gets, and how. */
export type Privilege =
    /** Those of the login. */
    | { kind: "login" }
    /** root, through a sudo that must not ask. */
    | { kind: "sudo" }
    /** root, through a sudo that may ask: the password is sent when the prompt shows up. */
    | { kind: "sudo with password"; password: string; prompt: string };

/** sudo that is told the password when it asks. */
export function sudoWithPassword(password: string): Privilege {
    // No two commands have the same prompt, so that nothing else a machine prints can be taken for it.
    return { kind: "sudo with password", password, prompt: `[fleet-${randomInt(2 ** 47)}]` };
}

/** Puts what gives the rights before a command. */
export function withPrivilege(privilege: Privilege, command: string): string {
    switch (privilege.kind) {
        case "login":
            return command;
        case "sudo":
            return `sudo -n -H ${command}`;
        case "sudo with password":
            return `sudo -H -S -p ${quote(privilege.prompt)} ${command}`;
    }
}

/**
 * Finds in what sudo said, instead of starting our command, the reason. The texts are those of sudo 1.9 and of sudo-rs.
 *
 * @param said what came on both streams before our command began
 * @returns code, message and cure of the error, or undefined when it was not sudo that stopped us
 */
export function explainSudo(
    said: string,
    exitCode: number,
    privilege: Privilege,
): Pick<FleetErrorDetails, "code" | "message" | "cure"> | undefined {
    if (privilege.kind === "login") {
        return undefined;
    }
    if (/not in the sudoers|is not allowed to|may not run sudo|I'm afraid I can't do that/i.test(said)) {
        return {
            code: "SUDO_NOT_PERMITTED",
            message: "sudo does not permit this user to become root.",
            cure: "Log in as another user, or add this one to the group sudo (wheel) on the machine.",
        };
    }
    if (/must have a tty/i.test(said)) {
        return {
            code: "SUDO_NOT_PERMITTED",
            message: "sudo on this machine works on a terminal only (requiretty).",
            cure: "Add `Defaults:USER !requiretty` to its sudoers.",
        };
    }
    if (/try again|incorrect password|incorrect authentication|authentication failed/i.test(said)) {
        return wrongPassword;
    }
    if (/password is required|authentication is required|authentication required|terminal is required/i.test(said)) {
        return {
            code: "SUDO_PASSWORD_REQUIRED",
            message: "sudo asks for a password (or does not permit this user anything).",
            cure: "Set connection.sudoPassword, or allow the user sudo without a password.",
        };
    }
    if (exitCode === 127 || /sudo:? (command )?not found|unknown command:? '?sudo/i.test(said)) {
        return {
            code: "SUDO_MISSING",
            message: "There is no sudo on the machine.",
            cure: "Log in as root, or install sudo on the machine.",
        };
    }
    return undefined;
}

/** sudo asked a second time: it did not like the first answer. */
export const wrongPassword = {
    code: "SUDO_PASSWORD_WRONG",
    message: "sudo refused the password.",
    cure: "Check connection.sudoPassword (connection.password when it is not set).",
} as const;
