import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";

/** The keys that are made here. */
export const keyAlgorithms = ["ECDSA-P256", "RSA-2048", "RSA-3072", "RSA-4096"] as const;

/** One of {@link keyAlgorithms}. */
export type KeyAlgorithm = (typeof keyAlgorithms)[number];

/** A new private key, as unencrypted PKCS#8 in PEM: what Docker, Node, OpenSSL and Go read alike. */
export function generateKey(algorithm: KeyAlgorithm): string {
    const { privateKey } =
        algorithm === "ECDSA-P256"
            ? generateKeyPairSync("ec", { namedCurve: "P-256" })
            : generateKeyPairSync("rsa", { modulusLength: Number(algorithm.slice("RSA-".length)) });
    return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}

/** Reads a private key in PEM that can sign certificates; otherwise says what would be right, without showing anything of it. */
export function readSigningKey(pem: string): KeyObject | { mistake: string } {
    if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(pem)) {
        return { mistake: "a private key without a passphrase (openssl pkey -in FILE takes it off)" };
    }
    if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem)) {
        return { mistake: 'the text of a private key in PEM: "-----BEGIN PRIVATE KEY-----…"' };
    }
    try {
        const key = createPrivateKey(pem);
        return signatureOf(key) === undefined
            ? { mistake: "a private key of the kind ECDSA P-256, P-384 or P-521, RSA, or Ed25519" }
            : key;
    } catch {
        return { mistake: "a whole private key in PEM; this one cannot be read" };
    }
}

/** How certificates are signed with a key. */
export interface Signature {
    /** The object identifier of the algorithm. */
    oid: string;
    /** Whether ASN.1 NULL takes the place of parameters, as RSA wants it. */
    parameters: null | undefined;
    /** The hash, undefined where the algorithm has its own. */
    hash: string | undefined;
}

/** The signature algorithm for a key; undefined for kinds of keys that TLS servers and clients do not commonly take. */
export function signatureOf(key: KeyObject): Signature | undefined {
    switch (key.asymmetricKeyType) {
        case "rsa":
            return { oid: "1.2.840.113549.1.1.11", parameters: null, hash: "sha256" };
        case "ed25519":
            return { oid: "1.3.101.112", parameters: undefined, hash: undefined };
        case "ec":
            return ecdsa[key.asymmetricKeyDetails?.namedCurve ?? ""];
        default:
            return undefined;
    }
}

const ecdsa: Record<string, Signature> = {
    prime256v1: { oid: "1.2.840.10045.4.3.2", parameters: undefined, hash: "sha256" },
    secp384r1: { oid: "1.2.840.10045.4.3.3", parameters: undefined, hash: "sha384" },
    secp521r1: { oid: "1.2.840.10045.4.3.4", parameters: undefined, hash: "sha512" },
};
