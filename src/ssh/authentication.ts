import { connect as openSocket } from "node:net";
import type { AuthenticationType, AuthHandlerMiddleware, BaseAgent, ParsedKey } from "ssh2";
import { FleetError } from "../errors";
import { machineName, type ResolvedConnection } from "./connection";
import { parsePrivateKey } from "./private-key";

/** What a connection has to show at the door. */
export interface Credentials {
    privateKey: ParsedKey | undefined;
    agent: BaseAgent | undefined;
    password: string | undefined;
}

/**
 * Collects what can be used to log in: the private key, the agent if it answers and holds keys, the password. No network
 * traffic. An agent that does not answer is left out: it must not spoil a login that works without it.
 *
 * @throws FleetError PRIVATE_KEY_INVALID, NO_AUTHENTICATION_METHOD
 */
export async function collectCredentials(connection: ResolvedConnection): Promise<Credentials> {
    const { privateKey, privateKeyPassword, password } = connection;
    const parsed = privateKey === undefined ? undefined : await parsePrivateKey(privateKey, privateKeyPassword);
    const socket = agentSocket(connection);
    const agent = socket === undefined ? undefined : await openAgent(socket);
    const usable = agent instanceof Error ? undefined : agent;
    if (parsed === undefined && password === undefined && usable === undefined) {
        throw new FleetError({
            code: "NO_AUTHENTICATION_METHOD",
            machine: machineName(connection),
            message:
                agent instanceof Error
                    ? `The SSH agent at ${socket} cannot be used: ${agent.message}.`
                    : "There is nothing to log in with.",
            cure: "Set connection.privateKey or connection.password, or run an SSH agent that holds the key.",
        });
    }
    return { privateKey: parsed, agent: usable, password };
}

/** The agent's socket this connection uses, if any. */
export function agentSocket(connection: ResolvedConnection): string | undefined {
    if (connection.agentSocketPath !== undefined) {
        return connection.agentSocketPath;
    }
    const nothingElse = connection.password === undefined && connection.privateKey === undefined;
    return nothingElse ? process.env.SSH_AUTH_SOCK || undefined : undefined;
}

/** An agent as ssh2 wants it, or why there is none. */
async function openAgent(path: string): Promise<BaseAgent | Error> {
    const keys = await countKeys(path);
    if (typeof keys !== "number") {
        return keys;
    }
    const { OpenSSHAgent } = require("ssh2") as typeof import("ssh2");
    return keys === 0 ? new Error("it holds no key") : new OpenSSHAgent(path);
}

/**
 * Asks an agent how many keys it holds. ssh2 could ask, too, but it has no way to hang up on an agent that says nothing,
 * and the open socket would keep the process from ending.
 */
function countKeys(path: string): Promise<number | Error> {
    const requestIdentities = Buffer.from([0, 0, 0, 1, 11]);
    const identitiesAnswer = 12;
    return new Promise((resolve) => {
        let answer = Buffer.alloc(0);
        const socket = openSocket(path, () => socket.write(requestIdentities));
        const settle = (result: number | Error) => {
            socket.destroy();
            resolve(result);
        };
        socket.setTimeout(3_000, () => settle(new Error("it does not answer")));
        socket.on("error", settle);
        socket.on("close", () => settle(new Error("it closed the connection")));
        socket.on("data", (chunk) => {
            answer = Buffer.concat([answer, chunk]);
            if (answer.length >= 9) {
                settle(
                    answer[4] === identitiesAnswer ? answer.readUInt32BE(5) : new Error("it refuses to list its keys"),
                );
            }
        });
    });
}

/**
 * The order of login attempts, for ssh2: key, agent, password, keyboard-interactive (answered with the password). Each
 * attempt that fails counts at the server, so nothing is tried that the server does not offer, and the password not twice.
 *
 * @param tried receives the name of each method that was tried, for the message
 */
export function authHandler(user: string, credentials: Credentials, tried: string[]): AuthHandlerMiddleware {
    const username = user;
    const { privateKey, agent, password } = credentials;
    const all = [
        ...(privateKey ? [{ type: "publickey" as const, username, key: privateKey }] : []),
        ...(agent ? [{ type: "agent" as const, username, agent }] : []),
        ...(password === undefined
            ? []
            : [
                  { type: "password" as const, username, password },
                  { type: "keyboard-interactive" as const, username, prompt: answerOnce(password) },
              ]),
    ];
    let left = [...all];
    let last: (typeof all)[number] | undefined;
    return (offered: AuthenticationType[] | null, partialSuccess: boolean | null) => {
        if (partialSuccess) {
            // The server wants a second factor: what was refused before, because it came first, may be right now.
            left = all.filter((method) => method !== last);
        }
        const isOffered = (type: string) => offered === null || offered.includes(type as AuthenticationType);
        for (let method = left.shift(); method !== undefined; method = left.shift()) {
            const wasPassword = method.type === "keyboard-interactive" && tried.includes("password");
            const sameAgain = wasPassword && isOffered("password") && !partialSuccess;
            if (isOffered(method.type === "agent" ? "publickey" : method.type) && !sameAgain) {
                tried.push(method.type);
                last = method;
                return method;
            }
        }
        // ssh2 takes `false` for "no more"; its type declaration does not know that.
        return false as never;
    };
}

type Prompt = { prompt: string; echo?: boolean };

/** Answers the first round of hidden prompts with the password; a further round would only be the same wrong answer. */
function answerOnce(password: string) {
    let answered = false;
    return (
        _name: string,
        _instructions: string,
        _language: string,
        prompts: Prompt[],
        finish: (answers: string[]) => void,
    ) => {
        finish(prompts.map((prompt) => (prompt.echo || answered ? "" : password)));
        answered = true;
    };
}
