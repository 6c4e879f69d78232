import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { FleetError, type FleetErrorDetails } from "../errors";
import { machineName, type ResolvedConnection } from "./connection";
import { findKnownKeys } from "./known-hosts";

/** What we know about a machine's host key before we talk to it. */
export interface HostKeyPolicy {
    /** Keys the machine may show, as `type base64`; empty when nothing is known. */
    accepted: string[];
    /** Keys that are refused whatever else is known. */
    revoked: string[];
    /** Where `accepted` comes from. */
    source: "hostKey" | "state" | "known_hosts" | "nothing";
}

/** In ssh2's own order of preference. */
const algorithmsOf = {
    "ssh-ed25519": ["ssh-ed25519"],
    "ecdsa-sha2-nistp256": ["ecdsa-sha2-nistp256"],
    "ecdsa-sha2-nistp384": ["ecdsa-sha2-nistp384"],
    "ecdsa-sha2-nistp521": ["ecdsa-sha2-nistp521"],
    "ssh-rsa": ["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"],
} as const;

type KeyType = keyof typeof algorithmsOf;
type Algorithm = (typeof algorithmsOf)[KeyType][number];

/**
 * Gathers what is known: `connection.hostKey`, else the key a resource remembers, else the known_hosts file. The first
 * that knows anything decides; revoked keys of the file always count.
 *
 * @throws FleetError INVALID_ARGUMENT for a `connection.hostKey` or a file that cannot be read
 */
export function hostKeyPolicy(connection: ResolvedConnection, knownHostKey: string | undefined): HostKeyPolicy {
    const { host, port, configured, userKnownHostsFile } = connection;
    const alias = configured?.hostKeyAlias;
    // An alias stands in the file without a port.
    const listed = findKnownKeys(readKnownHosts(userKnownHostsFile), alias ?? host, alias === undefined ? port : 22);
    const { revoked } = listed;
    if (connection.hostKey !== undefined) {
        return { accepted: [canonicalKey(connection.hostKey, "connection.hostKey")], revoked, source: "hostKey" };
    }
    if (knownHostKey !== undefined) {
        return { accepted: [canonicalKey(knownHostKey, "The remembered host key")], revoked, source: "state" };
    }
    const accepted = listed.accepted.filter((key) => typeOf(key) in algorithmsOf);
    return { accepted, revoked, source: accepted.length > 0 ? "known_hosts" : "nothing" };
}

function readKnownHosts(path: string): string {
    try {
        return readFileSync(path, "utf8");
    } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") {
            return "";
        }
        throw new FleetError({
            code: "INVALID_ARGUMENT",
            message: `connection.userKnownHostsFile cannot be read: ${(error as Error).message}.`,
            cause: error,
        });
    }
}

function canonicalKey(key: string, what: string): string {
    const [type = "", base64 = ""] = key.trim().split(/\s+/);
    const blob = Buffer.from(base64, "base64");
    const length = blob.length > 4 ? blob.readUInt32BE(0) : 0;
    if (blob.subarray(4, 4 + length).toString("latin1") !== type || blob.length <= 4 + length) {
        throw new FleetError({
            code: "INVALID_ARGUMENT",
            message: `${what} is not a public key.`,
            cure: 'It looks like "ssh-ed25519 AAAA…": the second and third field of what ssh-keyscan prints for the machine.',
        });
    }
    if (!(type in algorithmsOf)) {
        throw new FleetError({
            code: "INVALID_ARGUMENT",
            message: `${what} has the unsupported type ${type}.`,
            cure: `Supported are ${Object.keys(algorithmsOf).join(", ")}.`,
        });
    }
    return `${type} ${blob.toString("base64")}`;
}

/**
 * The key algorithms to ask the server for: those of the keys we know come first, or the server would prove another key
 * of its own which we cannot judge. The others follow, so that a server that lost the known key can show its new one and
 * be refused with its fingerprint.
 */
export function serverHostKeyAlgorithms(policy: HostKeyPolicy): Algorithm[] {
    const known = new Set(policy.accepted.map(typeOf));
    const types = Object.keys(algorithmsOf) as KeyType[];
    return [...types.filter((type) => known.has(type)), ...types.filter((type) => !known.has(type))].flatMap(
        (type) => algorithmsOf[type] as readonly Algorithm[],
    );
}

/**
 * Judges the key a server has shown.
 *
 * @returns why the key must not be trusted, or undefined
 */
export function judgeHostKey(
    shown: string,
    policy: HostKeyPolicy,
    connection: ResolvedConnection,
): FleetErrorDetails | undefined {
    const machine = machineName(connection);
    const step = "check the host key";
    if (policy.revoked.includes(shown)) {
        return {
            code: "HOST_KEY_REVOKED",
            machine,
            step,
            message: `The machine shows ${fingerprint(shown)}, which ${connection.userKnownHostsFile} marks as @revoked.`,
            cure: "Do not trust this machine. If the mark is wrong, remove that line.",
        };
    }
    if (policy.accepted.includes(shown)) {
        return undefined;
    }
    if (policy.source !== "nothing") {
        const where = {
            hostKey: "connection.hostKey says",
            state: "this resource first saw",
            known_hosts: `${connection.userKnownHostsFile} lists`,
        }[policy.source];
        const accept = {
            hostKey: `set connection.hostKey to "${shown}"`,
            state: `set connection.hostKey to "${shown}"`,
            known_hosts: `set connection.hostKey to "${shown}", or correct ${connection.userKnownHostsFile}`,
        }[policy.source];
        return {
            code: "HOST_KEY_MISMATCH",
            machine,
            step,
            message: `The machine shows ${fingerprint(shown)}, but ${where} ${policy.accepted.map(fingerprint).join(", ")}. It was reinstalled, or somebody else answers in its place. Nothing was sent to it.`,
            cure: `If the new key is right, ${accept}.`,
        };
    }
    if (connection.strictHostKeyChecking === "yes") {
        return {
            code: "HOST_KEY_UNKNOWN",
            machine,
            step,
            message: `The machine shows ${fingerprint(shown)}, which nobody has vouched for, and connection.strictHostKeyChecking is "yes".`,
            cure: `If that key is right, set connection.hostKey to "${shown}".`,
        };
    }
    return undefined;
}

/** A host key as it comes over the wire, in its usual writing `type base64`. */
export function formatHostKey(blob: Buffer): string {
    return `${blob.subarray(4, 4 + blob.readUInt32BE(0)).toString("latin1")} ${blob.toString("base64")}`;
}

/** A key's type and its fingerprint as OpenSSH prints it. */
function fingerprint(key: string): string {
    const [type, base64 = ""] = key.split(" ");
    const digest = createHash("sha256").update(Buffer.from(base64, "base64")).digest("base64");
    return `${type} SHA256:${digest.replace(/=+$/, "")}`;
}

function typeOf(key: string): string {
    return key.split(" ", 1)[0] ?? "";
}
