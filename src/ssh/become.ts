import type { FleetErrorDetails } from "../errors";
import { type Privilege, Refusal, type RefusalReason } from "./privilege";
import type { Session } from "./session";

/** What the tools that make us root may be told. */
export interface RootSecrets {
    /** Answers sudo and doas. */
    sudoPassword?: string;
    /** Answers su. */
    rootPassword?: string;
}

/** Nothing makes us root; the details of the error to throw, but for machine and step. */
export class NoRootError extends Error {
    constructor(readonly details: FleetErrorDetails) {
        super(details.message);
    }
}

const tools = ["sudo", "doas", "su"] as const;
type Tool = (typeof tools)[number];

/**
 * How to become root on the machine of one connection: sudo, else doas, else su. The first session that needs root finds it
 * out by simply trying, so that a machine where sudo works pays nothing for it; the sessions after it go straight the way
 * that was found.
 */
export class RootAccess {
    #found: Privilege | undefined;
    /** Whether the tool let us through without asking. */
    #asksNothing = false;
    /** While one session is finding out, the others wait: each would be refused, and counted, in the same way. */
    #search: Promise<unknown> | undefined;
    /** A refused password is never offered again, so that no account gets locked. */
    readonly #refused = new Map<string, Refusal>();

    /**
     * Starts a session as root.
     *
     * @param attempt starts it in one way; rejects with {@link Refusal} when that is not the way
     * @throws NoRootError with SUDO_PASSWORD_REQUIRED, SUDO_PASSWORD_WRONG, SUDO_NOT_PERMITTED, SUDO_MISSING or
     * ROOT_PASSWORD_WRONG; and what `attempt` throws
     */
    async start(secrets: RootSecrets, attempt: (privilege: Privilege) => Promise<Session>): Promise<Session> {
        while (this.#search !== undefined) {
            await this.#search;
        }
        const known = this.#known(secrets);
        if (known !== undefined) {
            try {
                return await this.#try(known, attempt);
            } catch (error) {
                // sudo had remembered an earlier login, and has forgotten it; or its rules were changed. Nothing has run yet.
                if (!(error instanceof Refusal)) {
                    throw error;
                }
                this.#found = undefined;
            }
        }
        const search = this.#find(secrets, attempt);
        const over = search.then(
            () => {},
            () => {},
        );
        this.#search = over;
        over.then(() => {
            this.#search = undefined;
        });
        return search;
    }

    #known({ sudoPassword, rootPassword }: RootSecrets): Privilege | undefined {
        if (this.#found === undefined) {
            return undefined;
        }
        const { tool } = this.#found;
        const password = tool === "su" ? rootPassword : sudoPassword;
        if (tool === "sudo" && this.#asksNothing) {
            return this.#found;
        }
        // Without the password that it took to find this way, another one has to be found.
        return this.#asksNothing || password !== undefined ? { ...this.#found, password } : undefined;
    }

    async #find(secrets: RootSecrets, attempt: (privilege: Privilege) => Promise<Session>): Promise<Session> {
        const refusals: Refusal[] = [];
        for (const tool of tools) {
            let next = firstWay(tool, secrets);
            while (next !== undefined) {
                const privilege: Privilege = next;
                try {
                    return await this.#try(privilege, attempt);
                } catch (error) {
                    if (!(error instanceof Refusal)) {
                        throw error;
                    }
                    if (error.reason === "password wrong") {
                        throw wrongPassword(tool);
                    }
                    next = otherWay(privilege, error.reason, secrets);
                    if (next === undefined) {
                        refusals.push(error);
                    }
                }
            }
        }
        throw noWay(refusals, secrets);
    }

    async #try(privilege: Privilege, attempt: (privilege: Privilege) => Promise<Session>): Promise<Session> {
        const { tool, password } = privilege;
        const key = password === undefined ? undefined : `${tool} ${password}`;
        const before = key === undefined ? undefined : this.#refused.get(key);
        if (before !== undefined) {
            throw before;
        }
        try {
            const session = await attempt(privilege);
            this.#found = { tool, terminal: privilege.terminal };
            this.#asksNothing = !session.asked;
            return session;
        } catch (error) {
            if (key !== undefined && error instanceof Refusal && error.reason === "password wrong") {
                this.#refused.set(key, error);
            }
            throw error;
        }
    }
}

function firstWay(tool: Tool, { sudoPassword, rootPassword }: RootSecrets): Privilege | undefined {
    switch (tool) {
        case "sudo":
            return { tool, password: sudoPassword };
        case "doas":
            return { tool };
        case "su":
            return rootPassword === undefined ? undefined : { tool, password: rootPassword };
    }
}

function otherWay(refused: Privilege, reason: RefusalReason, { sudoPassword }: RootSecrets): Privilege | undefined {
    if (reason === "needs a terminal" && !refused.terminal) {
        return { ...refused, terminal: true };
    }
    if (refused.tool === "doas" && reason === "password required" && sudoPassword !== undefined) {
        // It reads a password from nothing else.
        return { tool: "doas", password: sudoPassword, terminal: true };
    }
    return undefined;
}

function wrongPassword(tool: Tool): NoRootError {
    return tool === "su"
        ? new NoRootError({
              code: "ROOT_PASSWORD_WRONG",
              message: "su refused the password, or root has none.",
              cure: "Check connection.rootPassword.",
          })
        : new NoRootError({
              code: "SUDO_PASSWORD_WRONG",
              message: `${tool} refused the password.`,
              cure: "Check connection.sudoPassword (connection.password when it is not set).",
          });
}

/** No tool made us root. The code tells what is nearest to working. */
function noWay(refusals: Refusal[], { rootPassword }: RootSecrets): NoRootError {
    const ended = (reason: RefusalReason) => refusals.some((refusal) => refusal.reason === reason);
    const verdict: Pick<FleetErrorDetails, "code" | "cure"> = ended("password required")
        ? {
              code: "SUDO_PASSWORD_REQUIRED",
              cure: "Set connection.sudoPassword, or allow the user to become root without a password.",
          }
        : refusals.every(({ reason }) => reason === "missing")
          ? {
                code: "SUDO_MISSING",
                cure: "Log in as root, set connection.rootPassword, or install sudo on the machine.",
            }
          : {
                code: "SUDO_NOT_PERMITTED",
                cure: "Log in as another user, set connection.rootPassword, or add this one to the group sudo (wheel) on the machine.",
            };
    const tried = refusals.map((refusal) => `${refusal.privilege.tool} ${describe(refusal)}`);
    const untried = rootPassword === undefined ? ["su was not tried (connection.rootPassword is not set)"] : [];
    return new NoRootError({
        ...verdict,
        message: `This user cannot become root: ${[...tried, ...untried].join("; ")}.`,
    });
}

function describe({ reason, words }: Refusal): string {
    switch (reason) {
        case "missing":
            return "is not installed";
        case "password required":
            return "asks for a password, and none is given";
        case "no terminal to be had":
            return "works on a terminal only, and the SSH server gives none (PermitTTY)";
        default:
            return `does not permit it${words === "" ? "" : ` ("${words}")`}`;
    }
}
