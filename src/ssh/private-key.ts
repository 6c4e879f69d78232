import type { ParsedKey } from "ssh2";
import { FleetError } from "../errors";
import { publicPartOfOpenSshKey, readSshStrings } from "./openssh-key";
import { convertPemKey } from "./pem-key";
import { convertPuttyKey } from "./putty-key";

/** What is wrong with a key, and what to do about it, as two sentences without their subject. */
export interface Mistake {
    /** Set where the caller may know a way out: nothing is wrong with the key itself. */
    kind?: "encrypted" | "wrong passphrase";
    reason: string;
    cure?: string;
}

/**
 * Reads a private key in any of the usual forms (OpenSSH; PEM as PKCS#1, SEC1 and PKCS#8; PuTTY's .ppk of the versions 2
 * and 3; each also encrypted) and says exactly what is wrong with one that cannot be used. ssh2's own word for most of
 * these is "Unsupported key format".
 *
 * @throws FleetError PRIVATE_KEY_INVALID
 */
export async function parsePrivateKey(text: string, passphrase: string | undefined): Promise<ParsedKey> {
    const result = await readPrivateKey(text, passphrase);
    if ("reason" in result) {
        throw invalidKey("connection.privateKey", result);
    }
    return result;
}

/** The error for a key that cannot be used. @param what whose key it is: `"connection.privateKey"`, or `"privateKey"` of a resource */
export function invalidKey(what: string, mistake: Mistake): FleetError {
    const password = what === "privateKey" ? "privateKeyPassword" : "connection.privateKeyPassword";
    const cures: Record<string, string> = {
        encrypted: `Set ${password} to its passphrase.`,
        "wrong passphrase": `Check ${password}; ssh-keygen -y -f FILE asks for the same passphrase.`,
    };
    return new FleetError({
        code: "PRIVATE_KEY_INVALID",
        message: `${what} ${mistake.reason}`,
        cure: mistake.cure ?? cures[mistake.kind ?? ""],
    });
}

/**
 * The public key of a private one, as `type base64`.
 *
 * @param what whose key it is, for the message: `"connection.privateKey"`
 * @throws FleetError PRIVATE_KEY_INVALID
 */
export async function publicKeyOf(what: string, text: string, passphrase: string | undefined): Promise<string> {
    const key = await readPrivateKey(text, passphrase);
    if ("reason" in key) {
        throw invalidKey(what, key);
    }
    return `${key.type} ${key.getPublicSSH().toString("base64")}`;
}

/** As {@link parsePrivateKey}, for callers who know a way out of some mistakes. */
export async function readPrivateKey(text: string, passphrase: string | undefined): Promise<ParsedKey | Mistake> {
    const mistake = privateKeyMistake(text);
    if (mistake !== undefined) {
        return mistake;
    }
    const trimmed = text.trim();
    if (isOpenSsh(trimmed)) {
        return parse(trimmed, passphrase);
    }
    const converted = trimmed.startsWith(putty)
        ? await convertPuttyKey(trimmed, passphrase)
        : convertPemKey(trimmed, passphrase);
    return typeof converted === "string" ? parse(converted, undefined) : converted;
}

/** What to do about a key that is not whole. */
export const takeAgain = "Take it again from where it was made, every line of it.";

const putty = "PuTTY-User-Key-File-";
const isOpenSsh = (text: string) => text.includes("-----BEGIN OPENSSH PRIVATE KEY-----");

/**
 * What is visibly wrong with the text of a private key. Pure and cheap, without ssh2, so that the usual slips show in a
 * preview; whether the key can really be used is found out when it is used.
 */
export function privateKeyMistake(text: string): Mistake | undefined {
    const trimmed = text.trim();
    if (trimmed === "") {
        return { reason: "is empty." };
    }
    if (isPublicKey(trimmed)) {
        return { reason: "is a public key.", cure: "Give the contents of the file without .pub." };
    }
    if (!trimmed.includes("-----BEGIN") && !trimmed.startsWith(putty)) {
        const isPath = /^([~./]|[A-Za-z]:\\)/.test(trimmed) && !trimmed.includes("\n");
        return isPath
            ? {
                  reason: "is a file name.",
                  cure: "Give the text of the key, or the file name as connection.identityFile.",
              }
            : {
                  reason: "is not a private key: it has no BEGIN line.",
                  cure: 'Give the text of the key; read the file, e.g. fs.readFileSync(path, "utf8").',
              };
    }
    if (trimmed.includes("\\n")) {
        return {
            reason: "holds the two characters \\ and n where its line breaks should be.",
            cure: String.raw`Undo the escaping: key.replaceAll("\\n", "\n").`,
        };
    }
    if (/^[ \t]+\S/m.test(trimmed)) {
        return { reason: "has indented lines.", cure: "Remove the blanks at the start of each line." };
    }
    if (trimmed.startsWith(putty)) {
        return /^Private-MAC: *([0-9a-f]{40}|[0-9a-f]{64})$/m.test(trimmed)
            ? undefined
            : { reason: "is cut off: its last line, Private-MAC, is missing." };
    }
    const [, kind = ""] = /-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----/.exec(trimmed) ?? [];
    if (kind === "") {
        const [, other = ""] = /-----BEGIN ([^-]*)/.exec(trimmed) ?? [];
        return {
            reason: `is not a private key: it begins with BEGIN ${other}.`,
            cure: 'A private key has a line such as "-----BEGIN OPENSSH PRIVATE KEY-----".',
        };
    }
    if (!trimmed.includes(`-----END ${kind}-----`)) {
        return { reason: "is cut off: its END line is missing." };
    }
    if (!/^-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----\r?$/m.test(trimmed)) {
        return {
            reason: "has lost its line breaks.",
            cure: "Take it again from where it was made; a shell variable with a key in it belongs into double quotes.",
        };
    }
    return undefined;
}

/** Whether a text is a public key: a line as in authorized_keys, or one of the blocks that ssh-keygen and openssl write. */
export function isPublicKey(text: string): boolean {
    return /^(ssh-|ecdsa-sha2-|sk-)\S+ AAAA/.test(text) || /^-+ ?BEGIN (SSH2 |RSA )?PUBLIC KEY/.test(text);
}

/** Has ssh2 read what should be in order. */
function parse(text: string, passphrase: string | undefined): ParsedKey | Mistake {
    const token = tokenType(text);
    if (token !== undefined) {
        return {
            reason: `belongs to a security token (${token}), with which this package cannot log in.`,
            cure: "Use another key for this machine, e.g. one made by SshKey.",
        };
    }
    const { utils } = require("ssh2") as typeof import("ssh2");
    const parsed = utils.parseKey(text, passphrase);
    if ("message" in parsed) {
        return explain(parsed.message, passphrase);
    }
    const key = ([] as ParsedKey[]).concat(parsed)[0];
    return key?.isPrivateKey() ? key : { reason: "holds no private key." };
}

/** The type of a key that lives in a security token: the file only points to it. */
function tokenType(text: string): string | undefined {
    const type = readSshStrings(publicPartOfOpenSshKey(text) ?? Buffer.alloc(0))?.[0]?.toString("latin1");
    return type?.startsWith("sk-") ? type : undefined;
}

function explain(said: string, passphrase: string | undefined): Mistake {
    if (/no passphrase given/i.test(said)) {
        return { kind: "encrypted", reason: "is encrypted." };
    }
    if (/bad passphrase|unable to authenticate/i.test(said) && passphrase !== undefined) {
        return { kind: "wrong passphrase", reason: "could not be decrypted: the passphrase is wrong." };
    }
    if (/unsupported cipher|initialization vector/i.test(said)) {
        return {
            reason: "is encrypted with a cipher that cannot be read here.",
            cure: "Encrypt it anew: ssh-keygen -p -Z aes256-ctr -f FILE.",
        };
    }
    // What else is said may quote bytes of the key.
    return { reason: "is damaged: it cannot be decoded.", cure: takeAgain };
}
