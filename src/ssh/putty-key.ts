import { createDecipheriv, createHash, createHmac, timingSafeEqual } from "node:crypto";
import { readSshStrings, sshString, writeOpenSshKey } from "./openssh-key";
import { type Mistake, takeAgain } from "./private-key";

const damaged = (): Mistake => ({ reason: "is damaged: its parts do not fit together.", cure: takeAgain });

/** What the passphrase becomes: cipher key, initial vector, and the key of the checksum. */
interface Derived {
    key: Buffer;
    iv: Buffer;
    mac: Buffer;
}

/**
 * Turns a key of PuTTY (its files .ppk of the versions 2 and 3, with or without a passphrase) into OpenSSH's form.
 *
 * The format is told in appendix C of PuTTY's manual.
 */
export async function convertPuttyKey(text: string, passphrase: string | undefined): Promise<string | Mistake> {
    const { version, type, headers, blobs } = split(text);
    const { Encryption: encryption = "", Comment: comment = "" } = headers;
    const [publicBlob, stored] = blobs;
    if (publicBlob === undefined || stored === undefined || headers["Private-MAC"] === undefined) {
        return { reason: "is cut off: parts of the .ppk file are missing." };
    }
    if (version !== "2" && version !== "3") {
        return { reason: `is a .ppk file of version ${version}, which is not known.`, cure: convertIt };
    }
    const isEncrypted = encryption !== "none";
    if (isEncrypted && encryption !== "aes256-cbc") {
        return { reason: `is encrypted with ${encryption}, which is not known.`, cure: convertIt };
    }
    if (isEncrypted && passphrase === undefined) {
        return { kind: "encrypted", reason: "is encrypted." };
    }
    const secret = isEncrypted ? (passphrase as string) : "";
    const derived = await (version === "2" ? deriveOld(secret) : derive(secret, headers, isEncrypted));
    if (isEncrypted && stored.length % 16 !== 0) {
        return damaged();
    }
    const plain = isEncrypted ? decrypt(stored, derived) : stored;
    const sealed = Buffer.concat([type, encryption, comment, publicBlob, plain].map(sshString));
    const mac = createHmac(version === "2" ? "sha1" : "sha256", derived.mac)
        .update(sealed)
        .digest();
    const expected = Buffer.from(headers["Private-MAC"], "hex");
    if (expected.length !== mac.length || !timingSafeEqual(expected, mac)) {
        return isEncrypted
            ? { kind: "wrong passphrase", reason: "could not be decrypted: the passphrase is wrong." }
            : damaged();
    }
    return rewrite(type, publicBlob, plain);
}

const convertIt = "Convert it: puttygen FILE -O private-openssh-new -o NEWFILE.";

/** Takes the file apart: headers, and the two blocks of base64 whose number of lines a header tells. */
function split(text: string) {
    const lines = text.trim().split(/\r\n|\n|\r/);
    const [, version = "", type = ""] = /^PuTTY-User-Key-File-(\d+): *(\S+)/.exec(lines[0] ?? "") ?? [];
    const headers: Record<string, string> = {};
    const blobs: Buffer[] = [];
    for (let at = 1; at < lines.length; at++) {
        const [, name, value] = /^([\w-]+): ?(.*)$/.exec(lines[at] ?? "") ?? [];
        if (name === undefined || value === undefined) {
            continue;
        }
        if (name === "Public-Lines" || name === "Private-Lines") {
            blobs.push(Buffer.from(lines.slice(at + 1, at + 1 + Number(value)).join(""), "base64"));
            at += Number(value);
        } else {
            headers[name] = value;
        }
    }
    return { version, type, headers, blobs };
}

function deriveOld(passphrase: string): Derived {
    const sha1 = (...parts: (string | Buffer)[]) =>
        createHash("sha1")
            .update(Buffer.concat(parts.map(bytes)))
            .digest();
    const halves = [0, 1].map((count) => sha1(Buffer.from([0, 0, 0, count]), passphrase));
    return {
        key: Buffer.concat(halves).subarray(0, 32),
        iv: Buffer.alloc(16),
        mac: sha1("putty-private-key-file-mac-key", passphrase),
    };
}

async function derive(passphrase: string, headers: Record<string, string>, isEncrypted: boolean): Promise<Derived> {
    if (!isEncrypted) {
        return { key: Buffer.alloc(0), iv: Buffer.alloc(0), mac: Buffer.alloc(0) };
    }
    const { argon2d, argon2i, argon2id } = require("hash-wasm") as typeof import("hash-wasm");
    const kinds: Record<string, typeof argon2id> = { Argon2d: argon2d, Argon2i: argon2i, Argon2id: argon2id };
    const hash = await (kinds[headers["Key-Derivation"] ?? ""] ?? argon2id)({
        password: passphrase,
        salt: Buffer.from(headers["Argon2-Salt"] ?? "", "hex"),
        memorySize: Number(headers["Argon2-Memory"]),
        iterations: Number(headers["Argon2-Passes"]),
        parallelism: Number(headers["Argon2-Parallelism"]),
        hashLength: 80,
        outputType: "binary",
    });
    const all = Buffer.from(hash);
    return { key: all.subarray(0, 32), iv: all.subarray(32, 48), mac: all.subarray(48) };
}

function decrypt(stored: Buffer, { key, iv }: Derived): Buffer {
    const decipher = createDecipheriv("aes-256-cbc", key, iv).setAutoPadding(false);
    return Buffer.concat([decipher.update(stored), decipher.final()]);
}

/** The same numbers in the order in which OpenSSH has them. */
function rewrite(type: string, publicBlob: Buffer, plain: Buffer): string | Mistake {
    const open = readSshStrings(publicBlob)?.slice(1) ?? [];
    const hidden = leadingStrings(plain);
    if (type === "ssh-rsa") {
        const [e, n] = open;
        const [d, p, q, inverse] = hidden;
        return e && n && d && p && q && inverse
            ? writeOpenSshKey(type, publicBlob, [n, e, d, inverse, p, q])
            : damaged();
    }
    if (/^ecdsa-sha2-nistp(256|384|521)$/.test(type)) {
        const [curve, point] = open;
        const [exponent] = hidden;
        return curve && point && exponent ? writeOpenSshKey(type, publicBlob, [curve, point, exponent]) : damaged();
    }
    if (type === "ssh-ed25519") {
        const [point] = open;
        const [seed] = hidden;
        return point && seed?.length === 32
            ? writeOpenSshKey(type, publicBlob, [point, Buffer.concat([seed, point])])
            : damaged();
    }
    return { reason: `is of the type ${type}, which is not supported.`, cure: "Make one with ssh-keygen -t ed25519." };
}

/** The strings at the start; what follows fills up the last block of the cipher. */
function leadingStrings(plain: Buffer): Buffer[] {
    const strings: Buffer[] = [];
    for (let at = 0; at + 4 <= plain.length; ) {
        const end = at + 4 + plain.readUInt32BE(at);
        if (end > plain.length) {
            break;
        }
        strings.push(plain.subarray(at + 4, end));
        at = end;
    }
    return strings;
}

function bytes(value: string | Buffer): Buffer {
    return Buffer.isBuffer(value) ? value : Buffer.from(value, "utf8");
}
