import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { sshString, writeOpenSshKey } from "./openssh-key";
import { type Mistake, takeAgain } from "./private-key";

/** The curves that SSH has. */
const curves = ["prime256v1", "secp384r1", "secp521r1"];

/**
 * Turns any PEM key that OpenSSL reads (PKCS#1, SEC1, PKCS#8, each with or without a passphrase, with parameters or bag
 * attributes before it) into a form that ssh2 reads.
 */
export function convertPemKey(text: string, passphrase: string | undefined): string | Mistake {
    let key: KeyObject;
    try {
        key = createPrivateKey({ key: text, format: "pem", passphrase });
    } catch (error) {
        return explain(error as NodeJS.ErrnoException, text, passphrase);
    }
    switch (key.asymmetricKeyType) {
        case "rsa":
            return key.export({ type: "pkcs1", format: "pem" }) as string;
        case "ec": {
            const curve = key.asymmetricKeyDetails?.namedCurve ?? "an unnamed curve";
            return curves.includes(curve)
                ? (key.export({ type: "sec1", format: "pem" }) as string)
                : {
                      reason: `is on the curve ${curve}, which SSH does not know.`,
                      cure: "Make one with ssh-keygen -t ed25519.",
                  };
        }
        case "ed25519":
            return convertEd25519(key);
        default:
            return {
                reason: `is of the type ${key.asymmetricKeyType}, which SSH servers do not take.`,
                cure: "Make one with ssh-keygen -t ed25519.",
            };
    }
}

function convertEd25519(key: KeyObject): string {
    const seed = (key.export({ type: "pkcs8", format: "der" }) as Buffer).subarray(-32);
    const point = (createPublicKey(key).export({ type: "spki", format: "der" }) as Buffer).subarray(-32);
    const type = "ssh-ed25519";
    const blob = Buffer.concat([sshString(type), sshString(point)]);
    return writeOpenSshKey(type, blob, [point, Buffer.concat([seed, point])]);
}

function explain(error: NodeJS.ErrnoException, text: string, passphrase: string | undefined): Mistake {
    const isEncrypted = /BEGIN ENCRYPTED PRIVATE KEY|^Proc-Type: 4,ENCRYPTED/m.test(text);
    if (isEncrypted && passphrase === undefined) {
        return { kind: "encrypted", reason: "is encrypted." };
    }
    if (isEncrypted && /digital envelope/i.test(error.message)) {
        return {
            reason: "is encrypted in a way that OpenSSL no longer supports.",
            cure: "Encrypt it anew: openssl pkcs8 -topk8 -v2 aes256 -in FILE -out NEWFILE -provider legacy -provider default.",
        };
    }
    if (isEncrypted) {
        // One wrong passphrase in some hundred looks as if it were right, with nonsense behind it.
        const isSure = /bad decrypt/i.test(error.message);
        return {
            kind: "wrong passphrase",
            reason: `could not be decrypted: the passphrase is wrong${isSure ? "" : ", or the key is damaged"}.`,
        };
    }
    return { reason: "is damaged: it cannot be decoded.", cure: takeAgain };
}
