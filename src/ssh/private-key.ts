import type { ParsedKey } from "ssh2";
import { FleetError } from "../errors";

const invalid = (reason: string, cure?: string) =>
    new FleetError({ code: "PRIVATE_KEY_INVALID", message: `connection.privateKey ${reason}`, cure });

/**
 * Reads a private key and says exactly what is wrong with one that cannot be used. ssh2's own word for most of these is
 * "Unsupported key format".
 *
 * @throws FleetError PRIVATE_KEY_INVALID
 */
export function parsePrivateKey(text: string, passphrase: string | undefined): ParsedKey {
    const mistake = privateKeyMistake(text);
    if (mistake !== undefined) {
        throw invalid(mistake.reason, mistake.cure);
    }
    const { utils } = require("ssh2") as typeof import("ssh2");
    const parsed = utils.parseKey(text, passphrase);
    if (parsed instanceof Error) {
        throw explain(parsed.message, passphrase);
    }
    const key = ([] as ParsedKey[]).concat(parsed)[0];
    if (key === undefined || !key.isPrivateKey()) {
        throw invalid("holds no private key.");
    }
    return key;
}

/** What is wrong with an argument, and what to do about it, as two sentences without their subject. */
export interface Mistake {
    reason: string;
    cure?: string;
}

/**
 * What is visibly wrong with the text of a private key. Pure and cheap, without ssh2, so that the usual slips show in a
 * preview; whether the key can really be used is found out when it is used.
 */
export function privateKeyMistake(text: string): Mistake | undefined {
    const trimmed = text.trim();
    if (trimmed === "") {
        return { reason: "is empty." };
    }
    if (/^(ssh-|ecdsa-sha2-|sk-)\S+ AAAA/.test(trimmed) || /^-+ ?BEGIN (SSH2 )?PUBLIC KEY/.test(trimmed)) {
        return { reason: "is a public key.", cure: "Give the contents of the file without .pub." };
    }
    if (!trimmed.includes("-----BEGIN") && !trimmed.startsWith("PuTTY-User-Key-File")) {
        const isPath = /^[~./]/.test(trimmed) && !trimmed.includes("\n");
        return {
            reason: isPath ? "is a file name." : "is not a private key: it has no BEGIN line.",
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
    if (/-----BEGIN (ENCRYPTED )?PRIVATE KEY-----/.test(trimmed)) {
        return {
            reason: "is in PKCS#8 format (BEGIN PRIVATE KEY), which is not supported.",
            cure: "Convert it in place: ssh-keygen -p -f FILE.",
        };
    }
    if (!trimmed.startsWith("PuTTY") && !/-----END [A-Z0-9 ]*-----$/.test(trimmed)) {
        return { reason: "is cut off: its END line is missing." };
    }
    return undefined;
}

function explain(said: string, passphrase: string | undefined): FleetError {
    if (/no passphrase given/i.test(said)) {
        return invalid("is encrypted.", "Set connection.privateKeyPassword to its passphrase.");
    }
    if (/bad passphrase|bad decrypt|integrity check failed/i.test(said) && passphrase !== undefined) {
        return invalid(
            "could not be decrypted: the passphrase is wrong.",
            "Check connection.privateKeyPassword; ssh-keygen -y -f FILE asks for the same passphrase.",
        );
    }
    return invalid(`cannot be read: ${said}.`, "Supported are OpenSSH, PEM (PKCS#1, SEC1) and PPK v2; no sk- keys.");
}
