import type { X509Certificate } from "node:crypto";

/** How long before now a certificate's life begins, in ms: clocks of machines are not all right. */
const backdated = 3_600_000;

/** First and last moment of a certificate's life. */
export interface Life {
    notBefore: Date;
    notAfter: Date;
}

/** The life of a certificate that is made now: `validity` in ms, counted from now, within the life of who signs it. */
export function lifeFrom(now: Date, validity: number, issuer?: X509Certificate): Life {
    const [first, last] = issuer ? [beginOf(issuer), expiryOf(issuer)] : [new Date(0), new Date(8.64e15)];
    return {
        notBefore: new Date(Math.max(now.getTime() - backdated, first.getTime())),
        notAfter: new Date(Math.min(now.getTime() + validity, last.getTime())),
    };
}

/**
 * When a certificate is to be renewed: `renewBefore` ms before its end. Of a life that was cut short by the authority's own
 * end, it is the last third at most.
 */
export function renewalOf(certificate: X509Certificate, renewBefore: number, validity: number): Date {
    const [begin, end] = [beginOf(certificate).getTime(), expiryOf(certificate).getTime()];
    const shortened = end - begin < validity;
    return new Date(end - (shortened ? Math.min(renewBefore, (end - begin) / 3) : renewBefore));
}

/** First moment of a certificate's life. */
export function beginOf(certificate: X509Certificate): Date {
    return new Date(certificate.validFrom);
}

/** Last moment of a certificate's life. */
export function expiryOf(certificate: X509Certificate): Date {
    return new Date(certificate.validTo);
}
