import { connect as openSocket } from "node:net";
import type { BaseAgent, SignCallback, SigningRequestOptions } from "ssh2";
import { readSshStrings, sshString } from "./openssh-key";

/** A key that an agent holds. */
export interface AgentIdentity {
    /** The public key in SSH's binary form. */
    blob: Buffer;
    /** e.g. `"ssh-ed25519"` */
    type: string;
    /** What `ssh-add -l` shows behind the fingerprint; usually a path or `user@host`. */
    comment: string;
}

/** Message numbers of the agent's protocol (draft-ietf-sshm-ssh-agent). */
const message = { requestIdentities: 11, identities: 12, signRequest: 13, signature: 14 };
const flags: Record<string, number> = { sha256: 2, sha512: 4 };

/** An agent that is there answers at once, unless it asks its user first. */
const listTimeout = 3_000;
const signTimeout = 120_000;

/**
 * What an agent holds, or why that cannot be known. ssh2 could ask, too, but it has no way to hang up on an agent that says
 * nothing, and it leaves out what it cannot use without a word.
 */
export async function listIdentities(socket: string): Promise<AgentIdentity[] | Error> {
    const answer = await ask(socket, Buffer.from([message.requestIdentities]), listTimeout, true);
    if (answer instanceof Error) {
        return answer;
    }
    const strings = answer[0] === message.identities ? readSshStrings(answer.subarray(5)) : undefined;
    if (strings === undefined) {
        return new Error("it refuses to list its keys");
    }
    const identities: AgentIdentity[] = [];
    for (let at = 0; at + 1 < strings.length; at += 2) {
        const blob = Buffer.from(strings[at]!);
        identities.push({ blob, type: typeOf(blob), comment: strings[at + 1]!.toString("utf8") });
    }
    return identities;
}

function typeOf(blob: Buffer): string {
    const length = blob.length >= 4 ? blob.readUInt32BE(0) : 0;
    return blob.toString("latin1", 4, 4 + length);
}

/** One key of an agent as ssh2 wants an agent: with more keys than one it would try them all before anything else. */
export interface AgentKey extends BaseAgent {
    /** Whether it has signed, which it is asked to do when the server has taken the key. */
    readonly hasSigned: boolean;
}

/** Makes one for a login. */
export function agentWithOneKey(socket: string, identity: AgentIdentity): AgentKey {
    const { BaseAgent } = require("ssh2") as typeof import("ssh2");
    class OneKey extends BaseAgent implements AgentKey {
        hasSigned = false;

        override getIdentities(callback: (error: Error | undefined, keys?: Buffer[]) => void): void {
            callback(undefined, [identity.blob]);
        }

        override sign(
            _key: unknown,
            data: Buffer,
            options: SigningRequestOptions | SignCallback,
            callback?: SignCallback,
        ): void {
            const hash = typeof options === "function" ? undefined : options.hash;
            const done = typeof options === "function" ? options : callback!;
            sign(socket, identity, data, flags[hash ?? ""] ?? 0).then((result) => {
                this.hasSigned = Buffer.isBuffer(result);
                return Buffer.isBuffer(result) ? done(undefined, result) : done(result);
            }, done);
        }
    }
    return new OneKey();
}

async function sign(socket: string, identity: AgentIdentity, data: Buffer, flag: number): Promise<Buffer | Error> {
    const request = Buffer.concat([
        Buffer.from([message.signRequest]),
        sshString(identity.blob),
        sshString(data),
        Buffer.from([0, 0, 0, flag]),
    ]);
    const answer = await ask(socket, request, signTimeout, false);
    if (answer instanceof Error) {
        return answer;
    }
    const [signature] = answer[0] === message.signature ? (readSshStrings(answer.subarray(1)) ?? []) : [];
    // ssh2 writes the name of the algorithm itself.
    const [, value] = readSshStrings(signature ?? Buffer.alloc(0)) ?? [];
    return value ?? new Error("it refuses to sign");
}

/**
 * Sends one request and waits for the answer.
 *
 * @param keepsAlive whether the open socket keeps the process from ending
 * @returns the answer without its length, or why there is none
 */
function ask(path: string, request: Buffer, timeout: number, keepsAlive: boolean): Promise<Buffer | Error> {
    return new Promise((resolve) => {
        let answer = Buffer.alloc(0);
        const socket = openSocket(path, () => socket.write(sshString(request)));
        if (!keepsAlive) {
            socket.unref();
        }
        const settle = (result: Buffer | Error) => {
            socket.destroy();
            resolve(result);
        };
        socket.setTimeout(timeout, () => settle(new Error("it does not answer")));
        socket.on("error", (error: NodeJS.ErrnoException) =>
            settle(new Error(words[error.code ?? ""] ?? error.message)),
        );
        socket.on("close", () => settle(new Error("it closed the connection")));
        socket.on("data", (chunk) => {
            answer = Buffer.concat([answer, chunk]);
            if (answer.length > 4 && answer.length >= 4 + answer.readUInt32BE(0)) {
                settle(answer.subarray(4, 4 + answer.readUInt32BE(0)));
            }
        });
    });
}

const words: Record<string, string> = {
    ENOENT: "there is no such socket",
    ECONNREFUSED: "nothing listens there any more",
    EACCES: "this user may not use it",
};
