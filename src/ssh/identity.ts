import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import type { ParsedKey } from "ssh2";
import { publicPartOfOpenSshKey } from "./openssh-key";
import { isPublicKey, type Mistake, readPrivateKey } from "./private-key";

/** A key that the user means: by its text or by its path. */
export interface Identity {
    /** For messages: `"connection.privateKey"` or the path. */
    name: string;
    /** The file it was read from. */
    path?: string;
    /** The private key, when it can be used. */
    key?: ParsedKey;
    /** The public key in SSH's binary form, as far as it is known: an agent may hold the private one. */
    blob?: Buffer;
    /** Why `key` is missing. */
    mistake?: Mistake;
    /** Whether a certificate lies beside the file, which ssh would use. */
    hasCertificate?: boolean;
}

/** What OpenSSH tries by itself, the usual first. */
export const defaultIdentityFiles = ["~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa"];

/** A path with `~` for the home directory of whoever runs this. */
export function expandHome(path: string): string {
    return path.replace(/^~(?=[/\\]|$)/, homedir());
}

/** The identity of a key's text. */
export async function identityOfText(name: string, text: string, passphrase: string | undefined): Promise<Identity> {
    const result = await readPrivateKey(text, passphrase);
    return "reason" in result
        ? { name, mistake: result, blob: publicPartOfOpenSshKey(text) }
        : { name, key: result, blob: result.getPublicSSH() };
}

/**
 * The identity of a file: a private key, or a public one whose private key an agent holds.
 *
 * @returns undefined when there is no such file
 */
export async function identityOfFile(path: string, passphrase: string | undefined): Promise<Identity | undefined> {
    let text: string;
    try {
        text = await readFile(expandHome(path), "utf8");
    } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        const isMissing = code === "ENOENT" || code === "ENOTDIR";
        const blob = isMissing ? await publicKeyBeside(path) : undefined;
        if (isMissing && blob === undefined) {
            return undefined;
        }
        const reason = isMissing ? "does not exist, only its public key does." : `cannot be read: ${message}.`;
        return { name: path, blob, mistake: { reason } };
    }
    if (isPublicKey(text.trim())) {
        const mistake = {
            reason: "is a public key, and no agent that can be used holds its private key.",
            cure: "Give the path without .pub, or ssh-add the private key to the agent.",
        };
        return { name: path, blob: blobOf(text), mistake };
    }
    const identity = await identityOfText(path, text, passphrase);
    return {
        ...identity,
        path,
        blob: identity.blob ?? (await publicKeyBeside(path)),
        hasCertificate: existsSync(expandHome(`${path}-cert.pub`)),
    };
}

async function publicKeyBeside(path: string): Promise<Buffer | undefined> {
    return readFile(expandHome(`${path}.pub`), "utf8").then(blobOf, () => undefined);
}

/** The blob of a line as in authorized_keys; undefined for other forms of public keys. */
function blobOf(publicKey: string): Buffer | undefined {
    const base64 = /^\S+ (AAAA[A-Za-z0-9+/=]+)/.exec(publicKey.trim())?.[1];
    return base64 === undefined ? undefined : Buffer.from(base64, "base64");
}

/** A fingerprint as OpenSSH writes it. */
export function fingerprintOf(blob: Buffer): string {
    return `SHA256:${createHash("sha256").update(blob).digest("base64").replace(/=+$/, "")}`;
}
