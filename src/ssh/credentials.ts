import type { BaseAgent, ParsedKey } from "ssh2";
import { FleetError } from "../errors";
import { type AgentIdentity, agentWithOneKey, listIdentities } from "./agent";
import { machineName, type ResolvedConnection } from "./connection";
import { defaultIdentityFiles, fingerprintOf, type Identity, identityOfFile, identityOfText } from "./identity";
import { invalidKey } from "./private-key";

/** One key to try: by itself, or through the agent that holds it. */
export interface LoginKey {
    /** For messages. */
    name: string;
    way: { key: ParsedKey } | { agent: BaseAgent };
}

/** What a connection has to show at the door. */
export interface Credentials {
    /** In the order in which they are tried; never so many that the server hangs up. */
    keys: LoginKey[];
    password: string | undefined;
    /** What was left out and why, as sentences: for the message when the login is refused. */
    remarks: string[];
}

/** sshd hangs up after MaxAuthTries wrong answers, by default 6: the last one stays free for the password. */
const mostKeys = 5;

/** Types of keys that ssh2 can log in with. */
const usableTypes = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
] as const;

/**
 * Collects what can be used to log in, in the order in which it is tried: `privateKey`, `identityFile` (each through the
 * agent where only that holds the private key), other keys of the agent, the password. No network traffic. An agent that
 * does not answer is left out: it must not spoil a login that works without it.
 *
 * @throws FleetError PRIVATE_KEY_INVALID, NO_AUTHENTICATION_METHOD
 */
export async function collectCredentials(connection: ResolvedConnection): Promise<Credentials> {
    const { privateKeyPassword, password } = connection;
    const remarks: string[] = [];
    const socket = agentSocket(connection);
    const listed = socket === undefined ? [] : await listIdentities(socket);
    const inAgent = usableKeys(listed instanceof Error ? [] : listed, remarks);
    const throughAgent = (identity: AgentIdentity): LoginKey => ({
        name: `${nameOf(identity)} of the SSH agent`,
        way: { agent: agentWithOneKey(socket as string, identity) },
    });

    const named = await namedIdentities(connection);
    const own: LoginKey[] = [];
    for (const identity of named) {
        const held = inAgent.find(({ blob }) => identity.blob?.equals(blob));
        if (identity.key !== undefined) {
            own.push({ name: identity.name, way: { key: identity.key } });
        } else if (held !== undefined) {
            own.push(throughAgent(held));
        } else {
            const agent = listed instanceof Error ? ` The SSH agent at ${socket} cannot help: ${listed.message}.` : "";
            const { reason, ...mistake } = identity.mistake ?? { reason: "cannot be used." };
            throw invalidKey(identity.name, { ...mistake, reason: `${reason}${agent}` });
        }
    }
    const isNamed = (blob: Buffer) => named.some((identity) => identity.blob?.equals(blob));
    const others =
        connection.identityFile === undefined ? inAgent.filter(({ blob }) => !isNamed(blob)).map(throughAgent) : [];
    const defaults = hasNothing(connection) ? await defaultKeys(privateKeyPassword, inAgent, remarks) : [];
    const keys = [...own, ...others, ...defaults];

    if (keys.length === 0 && password === undefined) {
        throw nothingToShow(connection, listed instanceof Error ? listed.message : "it holds no key", remarks);
    }
    if (listed instanceof Error) {
        remarks.push(`The SSH agent at ${socket} cannot be used: ${listed.message}.`);
    }
    if (keys.length > mostKeys) {
        const left = keys.slice(mostKeys).map(({ name }) => name);
        remarks.push(
            `Not tried, because a server hangs up after some wrong keys: ${left.join(", ")}. Name the right key with connection.identityFile (its .pub is enough for a key of the agent).`,
        );
    }
    return { keys: keys.slice(0, mostKeys), password, remarks };
}

/** The agent's socket this connection uses, if any. */
export function agentSocket(connection: ResolvedConnection): string | undefined {
    const { agentSocketPath, password, privateKey } = connection;
    if (agentSocketPath !== undefined) {
        return agentSocketPath === "none" ? undefined : agentSocketPath;
    }
    const nothingElse = password === undefined && privateKey === undefined;
    return nothingElse ? process.env.SSH_AUTH_SOCK || undefined : undefined;
}

/** Whether a connection says nothing of how to log in. */
function hasNothing({ password, privateKey, identityFile, agentSocketPath }: ResolvedConnection): boolean {
    return [password, privateKey, identityFile, agentSocketPath].every((value) => value === undefined);
}

/** The keys that the connection names, also those that cannot be used by themselves. */
async function namedIdentities(connection: ResolvedConnection): Promise<Identity[]> {
    const { privateKey, privateKeyPassword, identityFile = [] } = connection;
    const identities: Identity[] = [];
    if (privateKey !== undefined) {
        identities.push(await identityOfText("connection.privateKey", privateKey, privateKeyPassword));
    }
    for (const path of identityFile) {
        const missing = { name: path, mistake: { reason: "does not exist.", cure: "Check connection.identityFile." } };
        const identity = (await identityOfFile(path, privateKeyPassword)) ?? missing;
        identities.push({ ...identity, name: `connection.identityFile ${path}` });
    }
    return identities;
}

/** OpenSSH's own choice where nothing is said: what is in the user's ~/.ssh and in no agent. */
async function defaultKeys(
    passphrase: string | undefined,
    inAgent: AgentIdentity[],
    remarks: string[],
): Promise<LoginKey[]> {
    const keys: LoginKey[] = [];
    for (const path of defaultIdentityFiles) {
        const identity = await identityOfFile(path, passphrase);
        if (identity === undefined || inAgent.some(({ blob }) => identity.blob?.equals(blob))) {
            continue;
        }
        if (identity.key === undefined) {
            remarks.push(`${path} was not tried: it ${identity.mistake?.reason}`);
        } else {
            keys.push({ name: path, way: { key: identity.key } });
        }
    }
    return keys;
}

/** What of an agent's keys ssh2 can use; the others are told of. */
function usableKeys(identities: AgentIdentity[], remarks: string[]): AgentIdentity[] {
    const usable: AgentIdentity[] = [];
    for (const identity of identities) {
        const { type } = identity;
        if ((usableTypes as readonly string[]).includes(type)) {
            usable.push(identity);
        } else {
            const what = /-cert-v0\d@/.test(type)
                ? "a certificate"
                : type.startsWith("sk-")
                  ? "a key of a security token"
                  : `of the type ${type}`;
            remarks.push(`${nameOf(identity)} of the SSH agent is ${what}, with which this package cannot log in.`);
        }
    }
    return usable;
}

function nameOf({ comment, blob }: AgentIdentity): string {
    // The comment comes from outside: in a message it is one short line.
    const words = comment.replace(/[^ -~]+/g, " ").slice(0, 60);
    return words === "" ? `key ${fingerprintOf(blob)}` : `key "${words}"`;
}

function nothingToShow(connection: ResolvedConnection, agentProblem: string, remarks: string[]): FleetError {
    const socket = agentSocket(connection);
    const first =
        socket === undefined
            ? "There is nothing to log in with."
            : remarks.length > 0
              ? `The SSH agent at ${socket} holds no key that can be used.`
              : `The SSH agent at ${socket} cannot be used: ${agentProblem}.`;
    return new FleetError({
        code: "NO_AUTHENTICATION_METHOD",
        machine: machineName(connection),
        message: [first, ...remarks].join(" "),
        cure: "Set connection.privateKey, connection.identityFile or connection.password, or run an SSH agent that holds the key.",
    });
}
