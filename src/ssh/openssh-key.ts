import { randomBytes } from "node:crypto";

const magic = Buffer.from("openssh-key-v1\0", "latin1");

/** A length and the bytes: how SSH writes a string. */
export function sshString(value: string | Buffer): Buffer {
    const bytes = Buffer.isBuffer(value) ? value : Buffer.from(value, "utf8");
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return Buffer.concat([length, bytes]);
}

/**
 * Reads the strings that follow one another in SSH's binary form.
 *
 * @returns undefined when the bytes do not come out even
 */
export function readSshStrings(bytes: Buffer): Buffer[] | undefined {
    const strings: Buffer[] = [];
    for (let at = 0; at < bytes.length; ) {
        const length = at + 4 <= bytes.length ? bytes.readUInt32BE(at) : Number.POSITIVE_INFINITY;
        if (at + 4 + length > bytes.length) {
            return undefined;
        }
        strings.push(bytes.subarray(at + 4, at + 4 + length));
        at += 4 + length;
    }
    return strings;
}

/**
 * A private key as ssh-keygen writes it, without a passphrase.
 *
 * @param type e.g. `"ssh-ed25519"`
 * @param publicBlob the public key in SSH's binary form
 * @param comment what it is called, kept inside
 * @param fields what follows the type in the private part, e.g. for ed25519 the public key and the seed with it
 */
export function writeOpenSshKey(type: string, publicBlob: Buffer, fields: Buffer[], comment = ""): string {
    const check = randomBytes(4);
    const secret = Buffer.concat([check, check, sshString(type), ...fields.map(sshString), sshString(comment)]);
    // The private part fills blocks of eight bytes; what fills it up counts from one.
    const padding = Buffer.from(Array.from({ length: (8 - (secret.length % 8)) % 8 }, (_, index) => index + 1));
    const file = Buffer.concat([
        magic,
        sshString("none"),
        sshString("none"),
        sshString(""),
        Buffer.from([0, 0, 0, 1]),
        sshString(publicBlob),
        sshString(Buffer.concat([secret, padding])),
    ]);
    const lines = file.toString("base64").match(/.{1,70}/g) ?? [];
    return `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines.join("\n")}\n-----END OPENSSH PRIVATE KEY-----\n`;
}

/** The public key, in SSH's binary form, that an OpenSSH private key file tells even when the rest of it is encrypted. */
export function publicPartOfOpenSshKey(text: string): Buffer | undefined {
    const base64 = /-----BEGIN OPENSSH PRIVATE KEY-----([^-]*)-----END/.exec(text)?.[1];
    const file = Buffer.from(base64 ?? "", "base64");
    if (!file.subarray(0, magic.length).equals(magic)) {
        return undefined;
    }
    let at = magic.length;
    const next = () => {
        const length = at + 4 <= file.length ? file.readUInt32BE(at) : file.length;
        at += 4 + length;
        return at <= file.length ? file.subarray(at - length, at) : undefined;
    };
    // Cipher, key derivation and its options; then a number: how many keys.
    next();
    next();
    next();
    at += 4;
    return next();
}
