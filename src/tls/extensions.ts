import type { KeyObject } from "node:crypto";
import { isIP } from "node:net";
import { AsnConvert, OctetString } from "@peculiar/asn1-schema";
import * as x509 from "@peculiar/asn1-x509";
import type { Content } from "./issue";

/** What the subject may do with its key (RFC 5280, 4.2.1.3, 4.2.1.9 and 4.2.1.12). */
export function usageExtensions(use: Content["use"], key: KeyObject): x509.Extension[] {
    const { keyCertSign, cRLSign, digitalSignature, keyEncipherment } = x509.KeyUsageFlags;
    const usage = (flags: number) => extension(x509.id_ce_keyUsage, new x509.KeyUsage(flags), true);
    const authority = (cA: boolean) => extension(x509.id_ce_basicConstraints, new x509.BasicConstraints({ cA }), true);
    if (use === "authority") {
        // No limit to the length of a path: while a key is being replaced, the old one vouches for the new one.
        return [authority(true), usage(keyCertSign | cRLSign)];
    }
    // Key exchange by encryption exists with RSA only, in TLS 1.2, on a server.
    const encipher = use === "server" && key.asymmetricKeyType === "rsa" ? keyEncipherment : 0;
    const purpose = use === "server" ? x509.id_kp_serverAuth : x509.id_kp_clientAuth;
    return [
        authority(false),
        usage(digitalSignature | encipher),
        extension(x509.id_ce_extKeyUsage, new x509.ExtendedKeyUsage([purpose])),
    ];
}

/** The names and addresses of a server; nothing where there are none. */
export function hostExtensions(hosts: readonly string[]): x509.Extension[] {
    if (hosts.length === 0) {
        return [];
    }
    const names = hosts.map((host) => new x509.GeneralName(isIP(host) ? { iPAddress: host } : { dNSName: host }));
    return [extension(x509.id_ce_subjectAltName, new x509.SubjectAlternativeName(names))];
}

/** The identifiers of the subject's key and of the key that signs; an authority of others may have none. */
export function identifierExtensions(own: ArrayBuffer, issuer: ArrayBuffer | undefined): x509.Extension[] {
    const subject = extension(x509.id_ce_subjectKeyIdentifier, new x509.SubjectKeyIdentifier(own));
    if (issuer === undefined) {
        return [subject];
    }
    // By its identifier alone, not by a certificate's serial number: a renewed certificate of an authority with the same key
    // goes on proving what was signed before.
    const keyIdentifier = new x509.KeyIdentifier(issuer);
    return [subject, extension(x509.id_ce_authorityKeyIdentifier, new x509.AuthorityKeyIdentifier({ keyIdentifier }))];
}

/** The identifier that a certificate gives to the key it is about. */
export function subjectKeyIdentifier({ extensions }: x509.TBSCertificate): ArrayBuffer | undefined {
    const found = extensions?.find(({ extnID }) => extnID === x509.id_ce_subjectKeyIdentifier);
    return found && AsnConvert.parse(found.extnValue.buffer, x509.SubjectKeyIdentifier).buffer;
}

function extension(extnID: string, value: object, critical = false): x509.Extension {
    return new x509.Extension({ extnID, critical, extnValue: new OctetString(AsnConvert.serialize(value)) });
}
