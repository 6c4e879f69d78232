import { X509Certificate } from "node:crypto";
import { expiryOf } from "../tls/life";

/** What there is to tell about a certificate. */
export interface CertificateFacts {
    serialNumber: string;
    fingerprint: string;
    expiresAt: string;
    renewAt: string;
}

/** What there is to tell about a certificate, for outputs. @param renewal when it is to be renewed */
export function factsOf(pem: string, renewal: Date): CertificateFacts {
    const certificate = new X509Certificate(pem);
    return {
        serialNumber: certificate.serialNumber,
        fingerprint: certificate.fingerprint256,
        expiresAt: expiryOf(certificate).toISOString(),
        renewAt: renewal.toISOString(),
    };
}

/** Words for a certificate near its end or behind it; undefined while it is neither. */
export function dueStatus(pem: string, renewal: Date, now: Date): string | undefined {
    const expiry = expiryOf(new X509Certificate(pem));
    const day = expiry.toISOString().slice(0, 10);
    if (now >= expiry) return `expired on ${day}`;
    return now >= renewal ? `due for renewal, expires on ${day}` : undefined;
}
