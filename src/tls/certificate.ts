import { createPrivateKey, X509Certificate } from "node:crypto";
import { FleetError } from "../errors";
import { generateKey, type KeyAlgorithm } from "./keys";
import { beginOf, expiryOf, lifeFrom, renewalOf } from "./life";
import { joinPem, readCertificates } from "./pem";

/** Who signs certificates. */
export interface Signer {
    /** Its certificate; others may follow, up to the one that clients trust. */
    certificate: string;
    /** Its private key. */
    privateKey: string;
    /** Further certificates that lead from its key to others that clients trust. */
    intermediates?: string;
}

/** What is wanted of a server's or client's certificate; times in ms. */
export interface CertificateWish {
    commonName: string;
    hosts: readonly string[];
    use: "server" | "client";
    algorithm: KeyAlgorithm;
    signer: Signer;
    validity: number;
    renewBefore: number;
    /** Another value than before asks for a new key. */
    rotate?: string;
}

/** A certificate with its key. */
export interface KeyAndCertificate {
    /** The certificate; others may follow. */
    certificate: string;
    /** Its private key. */
    privateKey: string;
}

/**
 * The certificate as it is to be from now on: the one that was there as long as it is what is wanted, is not near its end, and
 * was signed by the signer's key; else a new one. The key stays the same unless another algorithm or a rotation is asked for.
 *
 * @throws FleetError TLS_AUTHORITY_UNUSABLE when the signer's own certificate is not valid now
 */
export function nextCertificate(
    wish: CertificateWish,
    prior: { wish: CertificateWish; made: KeyAndCertificate } | undefined,
    now: Date,
): KeyAndCertificate {
    const signer = signerIn(wish.signer);
    requireValid(signer, now);
    if (prior === undefined || asksForNewKey(wish, prior.wish)) {
        return issue(wish, signer, generateKey(wish.algorithm), now);
    }
    const { certificate, privateKey } = prior.made;
    const stays =
        !asksForNewCertificate(wish, prior.wish) &&
        isSignedBy(new X509Certificate(certificate), signer) &&
        !canBeRenewed(certificate, wish, now);
    return stays ? prior.made : issue(wish, signer, privateKey, now);
}

/** What a server or client has to show: its certificate, and those from there to the certificates that others may trust. */
export function chainOf(certificate: string, { certificate: own, intermediates = "" }: Signer): string {
    const others = [own, intermediates].flatMap(certificatesIn).filter((other) => !isSelfSigned(other));
    return joinPem([new X509Certificate(certificate), ...others].map(String));
}

/** When the certificate is to be renewed. */
export function certificateRenewal(certificate: string, wish: CertificateWish): Date {
    return renewalOf(new X509Certificate(certificate), wish.renewBefore, wish.validity);
}

/** Whether the time for a renewal has come, and it would lead to a later end. */
export function canBeRenewed(certificate: string, wish: CertificateWish, now: Date): boolean {
    return (
        certificateRenewal(certificate, wish) <= now &&
        lifeFrom(now, wish.validity, signerIn(wish.signer)).notAfter > expiryOf(new X509Certificate(certificate))
    );
}

function asksForNewKey(wish: CertificateWish, before: CertificateWish): boolean {
    return wish.algorithm !== before.algorithm || (wish.rotate !== undefined && wish.rotate !== before.rotate);
}

function asksForNewCertificate(wish: CertificateWish, before: CertificateWish): boolean {
    return (
        wish.commonName !== before.commonName ||
        wish.use !== before.use ||
        wish.validity !== before.validity ||
        wish.hosts.join() !== before.hosts.join()
    );
}

/** By key and name: a renewed certificate of the same authority changes nothing. */
function isSignedBy(certificate: X509Certificate, signer: X509Certificate): boolean {
    return certificate.issuer === signer.subject && certificate.verify(signer.publicKey);
}

function issue(wish: CertificateWish, signer: X509Certificate, privateKey: string, now: Date): KeyAndCertificate {
    const { issueCertificate } = require("./issue") as typeof import("./issue");
    const certificate = issueCertificate(
        {
            subject: { commonName: wish.commonName },
            key: createPrivateKey(privateKey),
            use: wish.use,
            hosts: wish.hosts,
            ...lifeFrom(now, wish.validity, signer),
        },
        { key: createPrivateKey(wish.signer.privateKey), certificate: signer },
    );
    return { certificate, privateKey };
}

function requireValid(signer: X509Certificate, now: Date): void {
    const name = signer.subject.replaceAll("\n", ", ");
    if (now > expiryOf(signer)) {
        throw new FleetError({
            code: "TLS_AUTHORITY_UNUSABLE",
            step: "sign a certificate",
            message: `the certificate of the authority (${name}) expired on ${expiryOf(signer).toISOString()}.`,
            cure: "Renew it first, and give the new one; a TlsAuthority renews itself.",
        });
    }
    if (now < beginOf(signer)) {
        throw new FleetError({
            code: "TLS_AUTHORITY_UNUSABLE",
            step: "sign a certificate",
            message: `the certificate of the authority (${name}) is not valid before ${beginOf(signer).toISOString()}.`,
            cure: `Check the clock of this computer: it says ${now.toISOString()}.`,
        });
    }
}

function signerIn({ certificate }: Signer): X509Certificate {
    return certificatesIn(certificate)[0]!;
}

/** The certificates in a text that was checked; none in an empty one. */
function certificatesIn(pem: string): X509Certificate[] {
    const found = pem === "" ? [] : readCertificates(pem);
    if ("mistake" in found) {
        throw new TypeError(`expected ${found.mistake}`);
    }
    return found;
}

function isSelfSigned(certificate: X509Certificate): boolean {
    return certificate.checkIssued(certificate);
}
