import { randomUUID } from "node:crypto";
import { hostname, userInfo } from "node:os";
import { sha256 } from "../../sha256";
import { generateKeyPair, parsePublicKey, publicKeyOf } from "../../ssh";
import type { Context, Recorded } from "../definition";
import type { SshKeyInputs } from "./inputs";

/** What is known of an SshKey beyond its arguments. */
export interface SshKeyState {
    /** The private key that was made here; secret. */
    generatedKey?: string;
    /** `"ssh-ed25519 AAAA… comment"`. */
    sshPublicKey: string;
    /** `"SHA256:…"`. */
    sshKeyFingerprint: string;
    /** Whose key it is on the machine. */
    account: string;
    /** When this key was made or taken, in ISO form. */
    createdAt: string;
    /** The file that the key is in. */
    authorizedKeysFile: string;
    /** Whether a login with the key alone has worked. */
    proved: boolean;
    knownHosts: string;
    sshConfig: string;
    machineId: string;
    hostKey: string;
    /** The keys of the jump hosts on the way, by the names that known_hosts has for them. */
    proxyHostKeys?: Record<string, string>;
    endpoint: string;
    /** See {@link KeyOwner}. */
    instance: string;
    lineage: string;
}

/** A key as apply works with it. */
export interface Key {
    type: string;
    base64: string;
    /** The comment that its text came with, or the one of a key made here. */
    comment: string;
    /** Undefined where only the public key is known. */
    privateKey: string | undefined;
    privateKeyPassword: string | undefined;
    /** True when it was made here. */
    isGenerated: boolean;
    createdAt: string;
    instance: string;
    lineage: string;
}

/** A key that is not on the machine yet: made, or taken from the arguments. */
export async function newKey(inputs: SshKeyInputs, context: Context): Promise<Key> {
    const comment = inputs.comment ?? defaultComment(context.urn);
    const isGenerated = inputs.privateKey === undefined && inputs.publicKey === undefined;
    const pair = isGenerated ? generateKeyPair(comment) : undefined;
    const publicKey =
        pair?.publicKey ??
        inputs.publicKey ??
        (await publicKeyOf("privateKey", inputs.privateKey!, inputs.privateKeyPassword));
    const parsed = parsePublicKey(publicKey)!;
    return {
        ...parsed,
        comment: parsed.comment || comment,
        privateKey: pair?.privateKey ?? inputs.privateKey,
        privateKeyPassword: inputs.privateKeyPassword,
        isGenerated,
        createdAt: new Date().toISOString(),
        instance: randomUUID(),
        lineage: lineageOf(context.urn),
    };
}

/** The key of a record. */
export function knownKey(record: Recorded<SshKeyInputs, SshKeyState>): Key {
    return {
        ...parsePublicKey(record.sshPublicKey)!,
        privateKey: record.generatedKey ?? record.privateKey,
        privateKeyPassword: record.privateKeyPassword,
        isGenerated: record.generatedKey !== undefined,
        createdAt: record.createdAt,
        instance: record.instance,
        lineage: record.lineage,
    };
}

/**
 * The same for all runs of a stack from one place, and different for other stacks, even those of the same name that other
 * people have: nobody takes a key for abandoned that is in a state he cannot see.
 */
function lineageOf(urn: string): string {
    const place = [urn, userInfo().username, hostname(), process.cwd(), process.env.PULUMI_BACKEND_URL ?? ""];
    return sha256(JSON.stringify(place)).slice(0, 32);
}

/** `web-key (project/stack)`, from the resource's URN. */
function defaultComment(urn: string): string {
    const [, stack = "", project = "", , name = ""] = /^urn:pulumi:(.*?)::(.*?)::(.*?)::(.*)$/s.exec(urn) ?? [];
    return (name === "" ? "pulumi-docker-fleet" : `${name} (${project}/${stack})`).replace(/\s+/g, " ");
}
