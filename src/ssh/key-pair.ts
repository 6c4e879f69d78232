import { createHash, generateKeyPairSync } from "node:crypto";
import { sshString, writeOpenSshKey } from "./openssh-key";

/** A key pair in the forms that OpenSSH reads. */
export interface KeyPair {
    /** The private key's text, as ssh-keygen would write it to a file: not encrypted. */
    privateKey: string;
    /** `"ssh-ed25519 AAAA…"`, without a comment. */
    publicKey: string;
}

const type = "ssh-ed25519";

/**
 * Makes a new ed25519 key pair.
 *
 * The key comes from OpenSSL through node:crypto and is taken from its DER form, in which the numbers have a fixed length.
 * ssh2's own generator drops leading zero bytes and so makes an invalid key in one of about 256 cases.
 *
 * @param comment kept inside the private key, as ssh-keygen does; one line
 */
export function generateKeyPair(comment: string): KeyPair {
    const { publicKey, privateKey } = generateKeyPairSync("ed25519", {
        publicKeyEncoding: { type: "spki", format: "der" },
        privateKeyEncoding: { type: "pkcs8", format: "der" },
    });
    // Both forms end with the 32 bytes of the key.
    return encodeKeyPair(privateKey.subarray(-32), publicKey.subarray(-32), comment);
}

/** Writes an ed25519 key as OpenSSH reads it. @param seed the private number @param point the public one */
export function encodeKeyPair(seed: Uint8Array, point: Uint8Array, comment: string): KeyPair {
    const blob = Buffer.concat([sshString(type), sshString(Buffer.from(point))]);
    const fields = [Buffer.from(point), Buffer.concat([seed, point])];
    return {
        privateKey: writeOpenSshKey(type, blob, fields, comment),
        publicKey: `${type} ${blob.toString("base64")}`,
    };
}

/**
 * Reads a public key as `.pub` files hold it: type, base64, perhaps a comment.
 *
 * @returns its parts in canonical writing, or undefined when it is none
 */
export function parsePublicKey(text: string): { type: string; base64: string; comment: string } | undefined {
    const match = /^(\S+)[ \t]+([A-Za-z0-9+/]+={0,2})(?:[ \t]+(.*))?$/.exec(text.trim());
    if (match === null) {
        return undefined;
    }
    const [, type = "", base64 = "", comment = ""] = match;
    const blob = Buffer.from(base64, "base64");
    if (blobType(blob) !== type) {
        return undefined;
    }
    return { type, base64: blob.toString("base64"), comment: comment.trim() };
}

/** The type that a key's blob names as its own; undefined for bytes that are no key. */
export function blobType(blob: Buffer): string | undefined {
    const length = blob.length > 4 ? blob.readUInt32BE(0) : 0;
    return length > 0 && blob.length > 4 + length ? blob.subarray(4, 4 + length).toString("latin1") : undefined;
}

/** The fingerprint of a key's blob as OpenSSH prints it: `SHA256:…`. */
export function fingerprintOf(base64: string): string {
    const digest = createHash("sha256").update(Buffer.from(base64, "base64")).digest("base64");
    return `SHA256:${digest.replace(/=+$/, "")}`;
}
