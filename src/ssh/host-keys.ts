import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { FleetError, type FleetErrorDetails } from "../errors";
import { machineName, type ResolvedConnection } from "./connection";
import { findKnownKeys, type KnownHostsFile, type KnownKey } from "./known-hosts";

/** What we know about a machine's host key before we talk to it. */
export interface HostKeyPolicy {
    /** Keys the machine may show, as `type base64`; empty when nothing is known. */
    accepted: string[];
    /** Where they stand, when they come from known_hosts. */
    listed: KnownKey[];
    /** Keys that are refused whatever else is known. */
    revoked: KnownKey[];
    /** Certification authorities that vouch for the machine in a way that we cannot check. */
    authorities: KnownKey[];
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

/** Those of the whole computer, which ssh reads as well. */
const systemFiles = ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"];

/**
 * Gathers what is known: `connection.hostKey`, else the key a resource remembers, else the known_hosts files. The first
 * that knows anything decides; revoked keys of the files always count.
 *
 * @throws FleetError INVALID_ARGUMENT for a `connection.hostKey` or a file that cannot be read
 */
export function hostKeyPolicy(connection: ResolvedConnection, knownHostKey: string | undefined): HostKeyPolicy {
    const { host, port, configured, userKnownHostsFile } = connection;
    const alias = configured?.hostKeyAlias;
    const files = [...userKnownHostsFile, ...systemFiles].map(readKnownHosts);
    // An alias stands in the files without a port.
    const { accepted, ...known } = findKnownKeys(files, alias ?? host, alias === undefined ? port : 22);
    if (connection.hostKey !== undefined) {
        const key = canonicalKey(connection.hostKey, "connection.hostKey");
        return { ...known, accepted: [key], listed: [], source: "hostKey" };
    }
    if (knownHostKey !== undefined) {
        const key = canonicalKey(knownHostKey, "The remembered host key");
        return { ...known, accepted: [key], listed: [], source: "state" };
    }
    const listed = accepted.filter(({ key }) => typeOf(key) in algorithmsOf);
    return {
        ...known,
        accepted: [...new Set(listed.map(({ key }) => key))],
        listed,
        source: listed.length > 0 ? "known_hosts" : "nothing",
    };
}

function readKnownHosts(path: string): KnownHostsFile {
    try {
        return { path, text: readFileSync(path, "utf8") };
    } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") {
            return { path, text: "" };
        }
        throw new FleetError({
            code: "INVALID_ARGUMENT",
            message: `The known_hosts file ${path} cannot be read: ${(error as Error).message}.`,
            cure: systemFiles.includes(path) ? undefined : "Check connection.userKnownHostsFile.",
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
    const accept = `set connection.hostKey to "${shown}"`;
    const revoked = policy.revoked.find(({ key }) => key === shown);
    if (revoked !== undefined) {
        return {
            code: "HOST_KEY_REVOKED",
            machine,
            step,
            message: `The machine shows ${fingerprint(shown)}, which ${placeIn(revoked)} marks as @revoked.`,
            cure: "Do not trust this machine. If the mark is wrong, remove that line.",
        };
    }
    if (policy.accepted.includes(shown)) {
        return undefined;
    }
    if (policy.source !== "nothing") {
        const known = {
            hostKey: `connection.hostKey says ${policy.accepted.map(fingerprint).join()}`,
            state: `this resource first saw ${policy.accepted.map(fingerprint).join()}`,
            known_hosts: policy.listed.map((key) => `${placeIn(key)} says ${fingerprint(key.key)}`).join(", "),
        }[policy.source];
        const correct =
            policy.source === "known_hosts" ? `, or correct ${policy.listed.map(placeIn).join(" and ")}` : "";
        return {
            code: "HOST_KEY_MISMATCH",
            machine,
            step,
            message: `The machine shows ${fingerprint(shown)}, but ${known}. It was reinstalled, or somebody else answers in its place. Nothing was sent to it.`,
            cure: `If the new key is right, ${accept}${correct}.`,
        };
    }
    const [authority] = policy.authorities;
    if (authority !== undefined) {
        return {
            code: "HOST_CERTIFICATE_UNSUPPORTED",
            machine,
            step,
            message: `${placeIn(authority)} has the machine vouched for by a certification authority, and host certificates are not supported. It shows ${fingerprint(shown)}.`,
            cure: `If that key is right, ${accept}.`,
        };
    }
    if (connection.strictHostKeyChecking === "yes") {
        return {
            code: "HOST_KEY_UNKNOWN",
            machine,
            step,
            message: `The machine shows ${fingerprint(shown)}, which nobody has vouched for, and connection.strictHostKeyChecking is "yes".`,
            cure: `If that key is right, ${accept}.`,
        };
    }
    return undefined;
}

/** A host key as it comes over the wire, in its usual writing `type base64`. */
export function formatHostKey(blob: Buffer): string {
    return `${blob.subarray(4, 4 + blob.readUInt32BE(0)).toString("latin1")} ${blob.toString("base64")}`;
}

/** `/home/me/.ssh/known_hosts:3`. */
function placeIn({ file, line }: KnownKey): string {
    return `${file}:${line}`;
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
