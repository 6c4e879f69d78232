import { createPrivateKey, X509Certificate } from "node:crypto";
import { generateKey, type KeyAlgorithm } from "./keys";
import { expiryOf, lifeFrom, renewalOf } from "./life";

/** What is wanted of an authority; times in ms. */
export interface AuthorityWish {
    commonName: string;
    algorithm: KeyAlgorithm;
    validity: number;
    renewBefore: number;
    /** How long a retired key is trusted beside its successor. */
    overlap: number;
    /** Another value than before asks for a new key. */
    rotate?: string;
}

/** A certificate authority with its own key. */
export interface Authority {
    /** Number of its key, from 1. */
    generation: number;
    /** Its certificate, signed by itself. */
    certificate: string;
    /** The key that it signs with. */
    privateKey: string;
    /** Its retired keys, the last one first. */
    retired: Retired[];
}

/** An authority's key that signs no more, and is still trusted for a while. */
export interface Retired {
    certificate: string;
    /** Its successor's key, signed by it: whoever trusts only the retired key can follow from there to the new one. */
    successor: string;
    /** When it was retired, in ISO 8601. */
    at: string;
}

/**
 * The authority as it is to be from now on: a new one; or the one that was there, with what time and other wishes ask for.
 *
 * - Near its end, or with another validity, it gets a new certificate for the same key: all that it has signed stays good.
 * - With another algorithm or name, or when a rotation is asked for, it gets a new key. The old one is trusted beside it for
 *   the time of the overlap, and vouches for it.
 */
export function nextAuthority(
    wish: AuthorityWish,
    prior: { wish: AuthorityWish; authority: Authority } | undefined,
    now: Date,
): Authority {
    if (prior === undefined || asksForNewKey(wish, prior.wish)) {
        return withNewKey(wish, prior?.authority, now);
    }
    const { authority } = prior;
    const renew = wish.validity !== prior.wish.validity || authorityRenewal(authority, wish).getTime() <= now.getTime();
    return {
        ...authority,
        certificate: renew ? selfSigned(wish, authority, now) : authority.certificate,
        retired: authority.retired.filter((retired) => now < endOfOverlap(retired, wish.overlap)),
    };
}

/** When the authority needs a new certificate. */
export function authorityRenewal(authority: Authority, wish: AuthorityWish): Date {
    return renewalOf(new X509Certificate(authority.certificate), wish.renewBefore, wish.validity);
}

/** The retired keys that are no longer to be trusted. */
export function overdue(authority: Authority, overlap: number, now: Date): Retired[] {
    return authority.retired.filter((retired) => now >= endOfOverlap(retired, overlap));
}

function endOfOverlap({ certificate, at }: Retired, overlap: number): Date {
    const end = Date.parse(at) + overlap;
    return new Date(Math.min(end, expiryOf(new X509Certificate(certificate)).getTime()));
}

function asksForNewKey(wish: AuthorityWish, before: AuthorityWish): boolean {
    return (
        wish.algorithm !== before.algorithm ||
        wish.commonName !== before.commonName ||
        (wish.rotate !== undefined && wish.rotate !== before.rotate)
    );
}

function withNewKey(wish: AuthorityWish, old: Authority | undefined, now: Date): Authority {
    const generation = (old?.generation ?? 0) + 1;
    const privateKey = generateKey(wish.algorithm);
    const certificate = selfSigned(wish, { generation, privateKey }, now);
    if (old === undefined) {
        return { generation, certificate, privateKey, retired: [] };
    }
    const { issueCertificate } = require("./issue") as typeof import("./issue");
    const oldCertificate = new X509Certificate(old.certificate);
    const retired = [...old.retired];
    if (now < expiryOf(oldCertificate)) {
        const successor = issueCertificate(
            {
                subject: subjectOf(wish, generation),
                key: createPrivateKey(privateKey),
                use: "authority",
                ...lifeFrom(now, wish.validity, oldCertificate),
            },
            { key: createPrivateKey(old.privateKey), certificate: oldCertificate },
        );
        retired.unshift({ certificate: old.certificate, successor, at: now.toISOString() });
    }
    return {
        generation,
        certificate,
        privateKey,
        retired: retired.filter((entry) => now < endOfOverlap(entry, wish.overlap)),
    };
}

function selfSigned(
    wish: AuthorityWish,
    { generation, privateKey }: Pick<Authority, "generation" | "privateKey">,
    now: Date,
): string {
    const { issueCertificate } = require("./issue") as typeof import("./issue");
    const key = createPrivateKey(privateKey);
    const subject = subjectOf(wish, generation);
    return issueCertificate({ subject, key, use: "authority", ...lifeFrom(now, wish.validity) }, { key });
}

/** Two keys under one name would leave it to each client's luck which certificate it tries. */
function subjectOf({ commonName }: AuthorityWish, generation: number) {
    return { commonName, ...(generation > 1 ? { serialNumber: String(generation) } : {}) };
}
