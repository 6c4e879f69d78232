import { X509Certificate } from "node:crypto";

/** Reads one or more certificates in PEM, in their order; text around them does not count. Otherwise says what would be right. */
export function readCertificates(pem: string): X509Certificate[] | { mistake: string } {
    const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g);
    if (blocks === null) {
        return { mistake: 'the text of a certificate in PEM: "-----BEGIN CERTIFICATE-----…"' };
    }
    try {
        return blocks.map((block) => new X509Certificate(block));
    } catch {
        return { mistake: "a whole certificate in PEM; this one cannot be read" };
    }
}

/** Several texts in PEM as one, each ending with a line break. */
export function joinPem(parts: readonly string[]): string {
    return parts.map((part) => `${part.trim()}\n`).join("");
}
