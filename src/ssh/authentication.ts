import type { AuthenticationType, AuthHandlerMiddleware } from "ssh2";
import type { Credentials } from "./credentials";
import { answerWithPassword, type Prompt, type Unanswerable } from "./keyboard";

/** What happened during a login, for its messages. */
export interface LoginEvents {
    /** A method is tried: `"connection.privateKey"`, `"password"`, … @param key the public key, in base64, where it is one */
    onTry: (name: string, key: string | undefined) => void;
    /** What was tried last was right, and the server wants something else as well. */
    onHalf: () => void;
    /** The server asks for something that we cannot give. */
    onUnanswerable: (question: Unanswerable) => void;
}

/**
 * The order of login attempts, for ssh2: the keys, the password, keyboard-interactive (answered with the password). Each
 * attempt that fails counts at the server, so nothing is tried that the server does not offer, and the password not twice.
 */
export function authHandler(user: string, credentials: Credentials, events: LoginEvents): AuthHandlerMiddleware {
    const username = user;
    const { keys, password } = credentials;
    const all = [
        ...keys.map(({ name, blob, way }) => ({
            name,
            key: blob.toString("base64"),
            method:
                "key" in way
                    ? { type: "publickey" as const, username, key: way.key }
                    : { type: "agent" as const, username, agent: way.agent() },
        })),
        ...(password === undefined
            ? []
            : [
                  { name: "password", key: undefined, method: { type: "password" as const, username, password } },
                  {
                      name: "keyboard-interactive",
                      key: undefined,
                      method: {
                          type: "keyboard-interactive" as const,
                          username,
                          prompt: answerPrompts(password, events),
                      },
                  },
              ]),
    ];
    let left = [...all];
    let last: (typeof all)[number] | undefined;
    let passwordTried = false;
    const hasSigned = ({ method }: (typeof all)[number]) => method.type === "agent" && method.agent.hasSigned;
    return (told: AuthenticationType[] | null, toldPartialSuccess: boolean | null) => {
        // After an agent's key ssh2 tells what the server said before it. A signed answer that was not the end was half of it.
        const isAgentsHalf = last !== undefined && hasSigned(last);
        const partialSuccess = isAgentsHalf || toldPartialSuccess;
        const offered = isAgentsHalf ? null : told;
        if (partialSuccess) {
            events.onHalf();
            // The server wants a second factor: what was refused before, because it came first, may be right now.
            left = all.filter((one) => one !== last && !hasSigned(one));
        }
        const isOffered = (type: string) => offered === null || offered.includes(type as AuthenticationType);
        for (let next = left.shift(); next !== undefined; next = left.shift()) {
            const { name, key, method } = next;
            const wasPassword = method.type === "keyboard-interactive" && passwordTried;
            const sameAgain = wasPassword && isOffered("password") && !partialSuccess;
            if (isOffered(method.type === "agent" ? "publickey" : method.type) && !sameAgain) {
                passwordTried ||= method.type === "password";
                events.onTry(name, key);
                last = next;
                return method;
            }
        }
        // ssh2 takes `false` for "no more"; its type declaration does not know that.
        return false as never;
    };
}

function answerPrompts(password: string, events: LoginEvents) {
    const answer = answerWithPassword(password);
    return (
        _name: string,
        _instructions: string,
        _language: string,
        prompts: Prompt[],
        finish: (answers: string[]) => void,
    ) => {
        const answers = answer(prompts);
        if (Array.isArray(answers)) {
            finish(answers);
        } else {
            // Not even with an empty answer: that would be one more wrong one in the server's books.
            events.onUnanswerable(answers);
        }
    };
}
