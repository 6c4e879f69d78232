import { createHash, createPublicKey, type KeyObject, randomBytes, sign, X509Certificate } from "node:crypto";
import { AsnConvert } from "@peculiar/asn1-schema";
import * as x509 from "@peculiar/asn1-x509";
import { hostExtensions, identifierExtensions, subjectKeyIdentifier, usageExtensions } from "./extensions";
import { signatureOf } from "./keys";

/** What a certificate says. */
export interface Content {
    /** Whom it names. */
    subject: Subject;
    /** The key it is about, private or public. */
    key: KeyObject;
    /** `authority`: it signs others. `server` and `client`: it is shown by one. */
    use: "authority" | "server" | "client";
    /** Names and addresses, in the form of canonicalHost. */
    hosts?: readonly string[];
    /** First and last moment of its life; whole seconds count. */
    notBefore: Date;
    notAfter: Date;
}

/** Whom a certificate names. */
export interface Subject {
    /** Its CN, at most 64 characters. */
    commonName: string;
    /** Tells apart authorities of one name with different keys. */
    serialNumber?: string;
}

/** Who signs; without a certificate it is the subject itself. */
export interface Issuer {
    key: KeyObject;
    certificate?: X509Certificate;
}

/**
 * Makes a certificate (X.509 version 3, RFC 5280) and returns it in PEM. Its serial number is random: certificates that were
 * made by programs which know nothing of each other differ.
 *
 * This module brings the ASN.1 library with it (35 ms): load it on first use.
 */
export function issueCertificate(content: Content, issuer: Issuer): string {
    const signature = signatureOf(issuer.key);
    if (signature === undefined) {
        throw new TypeError(`cannot sign with a key of the type ${issuer.key.asymmetricKeyType}`);
    }
    const algorithm = new x509.AlgorithmIdentifier({ algorithm: signature.oid, parameters: signature.parameters });
    const subject = nameOf(content.subject);
    const subjectPublicKeyInfo = AsnConvert.parse(spkiOf(content.key), x509.SubjectPublicKeyInfo);
    const identifier = keyIdentifier(subjectPublicKeyInfo);
    const parent =
        issuer.certificate && AsnConvert.parse(exact(issuer.certificate.raw), x509.Certificate).tbsCertificate;
    const tbsCertificate = new x509.TBSCertificate({
        version: 2,
        serialNumber: serialNumber(),
        signature: algorithm,
        issuer: parent?.subject ?? subject,
        validity: new x509.Validity({ notBefore: content.notBefore, notAfter: content.notAfter }),
        subject,
        subjectPublicKeyInfo,
        extensions: new x509.Extensions([
            ...usageExtensions(content.use, content.key),
            ...identifierExtensions(identifier, parent ? subjectKeyIdentifier(parent) : identifier),
            ...hostExtensions(content.hosts ?? []),
        ]),
    });
    const certificate = new x509.Certificate({
        tbsCertificate,
        signatureAlgorithm: algorithm,
        signatureValue: exact(sign(signature.hash, new Uint8Array(AsnConvert.serialize(tbsCertificate)), issuer.key)),
    });
    return new X509Certificate(new Uint8Array(AsnConvert.serialize(certificate))).toString();
}

function nameOf({ commonName, serialNumber }: Subject): x509.Name {
    const attribute = (type: string, value: { utf8String: string } | { printableString: string }) =>
        new x509.RelativeDistinguishedName([
            new x509.AttributeTypeAndValue({ type, value: new x509.AttributeValue(value) }),
        ]);
    return new x509.Name([
        attribute("2.5.4.3", { utf8String: commonName }),
        ...(serialNumber === undefined ? [] : [attribute("2.5.4.5", { printableString: serialNumber })]),
    ]);
}

/** 126 random bits: unique without a register, positive, and not longer than 20 octets (RFC 5280, 4.1.2.2). */
function serialNumber(): ArrayBuffer {
    const bytes = randomBytes(16);
    // The first octet is neither 0, which would not be the shortest form, nor makes the number negative.
    bytes[0] = (bytes[0]! & 0x3f) | 0x40;
    return exact(bytes);
}

/** RFC 7093, method 1: it needs no SHA-1, which hardened systems refuse. */
function keyIdentifier({ subjectPublicKey }: x509.SubjectPublicKeyInfo): ArrayBuffer {
    return exact(createHash("sha256").update(new Uint8Array(subjectPublicKey)).digest().subarray(0, 20));
}

function spkiOf(key: KeyObject): ArrayBuffer {
    const publicKey = key.type === "private" ? createPublicKey(key) : key;
    return exact(publicKey.export({ type: "spki", format: "der" }));
}

/** The bytes alone: a Buffer is often a window on a larger buffer. */
function exact(bytes: Uint8Array): ArrayBuffer {
    return Uint8Array.from(bytes).buffer;
}
