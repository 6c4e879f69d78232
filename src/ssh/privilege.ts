import { randomInt } from "node:crypto";
import { quote } from "./quote";

/** Whose rights a command gets, and how. */
export interface Privilege {
    /** What makes us root; `"login"`: nothing, the command has the rights of the login. */
    tool: "login" | "sudo" | "doas" | "su";
    /** Told to the tool when it asks. Without one it must not ask. */
    password?: string;
    /** Run it on a terminal: the tool works on nothing else. Default false. */
    terminal?: boolean;
}

/** Why a tool did not make us root. */
export type RefusalReason =
    | "missing"
    | "not permitted"
    | "password required"
    | "password wrong"
    | "needs a terminal"
    | "no terminal to be had";

/** A tool did not make us root; our script has not begun. */
export class Refusal extends Error {
    constructor(
        readonly privilege: Privilege,
        readonly reason: RefusalReason,
        /** The tool's own last words, without secrets. */
        readonly words = "",
    ) {
        super(`${privilege.tool}: ${reason}`);
    }
}

/** How a script is started with the rights of a {@link Privilege}. */
export interface Launch {
    /** For the login shell, whichever it is. */
    command: string;
    /** How many times, in what was printed so far, the tool has asked for the password. */
    countPrompts(said: string): number;
}

/**
 * The command that starts `sh -c INNER` with the rights that are wanted. Every login shell (bash, dash, fish, csh) reads it
 * in the same way.
 *
 * @param inner shell text without a single quote, backslash, newline or `!`
 */
export function launch(privilege: Privilege, inner: string): Launch {
    const { tool, password } = privilege;
    // No two commands have the same one, so that nothing else a machine prints can be taken for it.
    const sign = `[fleet-${randomInt(2 ** 47)}]`;
    const body = quote(inner);
    if (tool === "sudo" && password !== undefined) {
        // sudo-rs puts words of its own around the prompt.
        const command = `sudo -H -S -p ${quote(sign)} sh -c ${body}`;
        return { command, countPrompts: (said) => said.split(sign).length - 1 };
    }
    if (tool === "login" || (tool !== "su" && password === undefined)) {
        const prefix = { login: "", sudo: "sudo -n -H ", doas: "doas -n " }[tool];
        return { command: `${prefix}sh -c ${body}`, countPrompts: () => 0 };
    }
    // doas and su take no prompt from us: only what comes after our sign can be theirs, and is not the login shell's.
    const start = tool === "doas" ? 'doas sh -c "$0"' : 'env LC_ALL=C su -s /bin/sh -c "$0" root';
    return {
        command: `sh -c ${quote(`echo "${sign}" >&2; exec ${start}`)} ${body}`,
        countPrompts: (said) => {
            const at = said.indexOf(sign);
            return at === -1 ? 0 : (said.slice(at).match(/password: ?/gi)?.length ?? 0);
        },
    };
}

const patterns: Record<"sudo" | "doas" | "su", [RegExp, RefusalReason][]> = {
    // The texts are those of sudo 1.9 and of sudo-rs 0.2.
    sudo: [
        [/not in the sudoers|is not allowed to|may not run sudo|I'm afraid I can't do that/i, "not permitted"],
        [/must have a tty/i, "needs a terminal"],
        [/try again|incorrect password|incorrect authentication|authentication failed/i, "password wrong"],
        [
            /password is required|authentication is required|authentication required|terminal is required/i,
            "password required",
        ],
    ],
    doas: [
        [/authentication required/i, "password required"],
        [/authentication failed|authorization failed/i, "password wrong"],
    ],
    su: [[/authentication (failure|failed)|incorrect password/i, "password wrong"]],
};

/**
 * Finds in what was said, instead of starting our command, why the tool refused.
 *
 * @param said what came on both streams before our command began
 * @returns undefined when it was not the tool that stopped us
 */
export function explainRefusal(said: string, exitCode: number, privilege: Privilege): RefusalReason | undefined {
    const { tool } = privilege;
    if (tool === "login") {
        return undefined;
    }
    const known = patterns[tool].find(([pattern]) => pattern.test(said));
    if (known !== undefined) {
        return known[1];
    }
    if (exitCode === 127 || new RegExp(`${tool}:? (command )?not found|unknown command:? '?${tool}`, "i").test(said)) {
        return "missing";
    }
    // Whatever else it complains of (its configuration, its owner, a PAM module): it does not do it.
    return new RegExp(`^${tool}(-rs)?: `, "im").test(said) ? "not permitted" : undefined;
}
