import type { ParsedKey } from "ssh2";
import { FleetError } from "../errors";
import { type AgentIdentity, type AgentKey, agentWithOneKey, listIdentities } from "./agent";
import { type Connection, machineName, type ResolvedConnection, resolveConnection } from "./connection";
import { defaultIdentityFiles, fingerprintOf, type Identity, identityOfFile, identityOfText } from "./identity";
import { invalidKey } from "./private-key";
import { withSshConfig } from "./ssh-config";

/** One key to try: by itself, or through the agent that holds it. */
export interface LoginKey {
    /** For messages. */
    name: string;
    /** The public key in SSH's binary form. */
    blob: Buffer;
    /** The file it was read from, as the user names it. */
    path?: string;
    way: { key: ParsedKey } | { agent: () => AgentKey };
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
    const { password } = connection;
    const remarks: string[] = [];
    const socket = agentSocket(connection);
    const listed = socket === undefined ? [] : await listIdentities(socket);
    const inAgent = usableKeys(listed instanceof Error ? [] : listed, remarks);
    const throughAgent = (identity: AgentIdentity): LoginKey => ({
        name: `${nameOf(identity)} of the SSH agent`,
        blob: identity.blob,
        way: { agent: () => agentWithOneKey(socket as string, identity) },
    });

    const named = await namedIdentities(connection);
    const own: LoginKey[] = [];
    for (const identity of named) {
        const held = inAgent.find(({ blob }) => identity.blob?.equals(blob));
        if (identity.key !== undefined) {
            own.push(loginKey(identity, identity.key));
        } else if (held !== undefined) {
            own.push(throughAgent(held));
        } else {
            const agent = listed instanceof Error ? ` The SSH agent at ${socket} cannot help: ${listed.message}.` : "";
            const { reason, ...mistake } = identity.mistake ?? { reason: "cannot be used." };
            throw invalidKey(identity.name, { ...mistake, reason: `${reason}${agent}` });
        }
    }
    const usual = await usualIdentities(connection);
    const [usualThroughAgent, usualAlone] = sortUsual(usual, inAgent, remarks);
    for (const { name, hasCertificate } of [...named, ...usual]) {
        if (hasCertificate) {
            remarks.push(`The certificate of ${name} was not used: this package cannot log in with one.`);
        }
    }
    const isNamed = (blob: Buffer) => [...named, ...usual].some((identity) => identity.blob?.equals(blob));
    const onlyNamed = connection.identityFile !== undefined || connection.configured?.identitiesOnly === true;
    const others = onlyNamed ? [] : inAgent.filter(({ blob }) => !isNamed(blob));
    // What OpenSSH tries on its own account comes last, what its configuration names comes first.
    const isConfigured = connection.configured?.identityFiles !== undefined;
    const keys = [
        ...own,
        ...usualThroughAgent.map(throughAgent),
        ...(isConfigured ? usualAlone : []),
        ...others.map(throughAgent),
        ...(isConfigured ? [] : usualAlone),
    ];

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

/**
 * The public keys, in base64, with which a connection logs in, whoever holds their private halves: a file, an agent. No network
 * traffic.
 *
 * @throws FleetError PRIVATE_KEY_INVALID, NO_AUTHENTICATION_METHOD, and those of a connection's check
 */
export async function offeredKeys(connection: Connection): Promise<string[]> {
    const { keys } = await collectCredentials(resolveConnection(await withSshConfig(connection)));
    return keys.map(({ blob }) => blob.toString("base64"));
}

function loginKey({ name, path }: Identity, key: ParsedKey): LoginKey {
    return { name, blob: key.getPublicSSH(), path, way: { key } };
}

/** The agent's socket this connection uses, if any. */
export function agentSocket(connection: ResolvedConnection): string | undefined {
    const { agentSocketPath, password, privateKey, identityFile } = connection;
    if (agentSocketPath !== undefined) {
        return agentSocketPath === "none" ? undefined : agentSocketPath;
    }
    // Beside a path the agent is asked for that key alone.
    const isWanted = privateKey === undefined && (password === undefined || identityFile !== undefined);
    return isWanted ? process.env.SSH_AUTH_SOCK || undefined : undefined;
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

/**
 * The keys that OpenSSH would try of itself: those of its configuration, if that is read, else its own choice where nothing is
 * said. What of them is missing or cannot be opened is passed over, as ssh does.
 */
async function usualIdentities(connection: ResolvedConnection): Promise<Identity[]> {
    const { password, privateKey, privateKeyPassword, identityFile, agentSocketPath, configured } = connection;
    const namesKey = privateKey !== undefined || identityFile !== undefined;
    const saysNothing = !namesKey && password === undefined && agentSocketPath === undefined;
    if (configured === undefined ? !saysNothing : namesKey) {
        return [];
    }
    const found = (configured?.identityFiles ?? defaultIdentityFiles).map((path) =>
        identityOfFile(path, privateKeyPassword),
    );
    return (await Promise.all(found)).filter((identity) => identity !== undefined);
}

/** Tells those that an agent holds from those that are used by themselves; the others are remarked on. */
function sortUsual(usual: Identity[], inAgent: AgentIdentity[], remarks: string[]): [AgentIdentity[], LoginKey[]] {
    const throughAgent: AgentIdentity[] = [];
    const alone: LoginKey[] = [];
    for (const identity of usual) {
        const { name, key, blob, mistake } = identity;
        const held = inAgent.find((other) => blob?.equals(other.blob));
        if (held !== undefined) {
            throughAgent.push(held);
        } else if (key !== undefined) {
            alone.push(loginKey(identity, key));
        } else {
            remarks.push(`${name} was not tried: it ${mistake?.reason ?? "cannot be used."}`);
        }
    }
    return [throughAgent, alone];
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
