import { z } from "zod";
import {
    type CertificateWish,
    canBeRenewed,
    certificateRenewal,
    chainOf,
    type KeyAndCertificate,
    nextCertificate,
    type Signer,
} from "../tls/certificate";
import { canonicalHost } from "../tls/hosts";
import { readSigningKey } from "../tls/keys";
import { readCertificates } from "../tls/pem";
import { define } from "./define";
import { duration, millisecondsOf } from "./duration";
import { type CertificateFacts, dueStatus, factsOf } from "./tls-facts";
import { type CertificateInputs, certificateShape, certificateWish, checkRenewal, valid } from "./tls-inputs";

/** How long before its end a certificate is renewed. */
const usualRenewal = millisecondsOf("30d");

const host = z.string("a host name or an IP address").transform((text, context) => {
    const result = canonicalHost(text);
    if ("mistake" in result) {
        context.addIssue({ code: "custom", message: `expected ${result.mistake}` });
        return z.NEVER;
    }
    return result.host;
});

const certificates = z.string("the text of a certificate in PEM").superRefine((pem, context) => {
    const found = readCertificates(pem);
    if ("mistake" in found) {
        context.addIssue({ code: "custom", message: `expected ${found.mistake}` });
    }
});

const signer = z
    .strictObject({
        certificate: certificates,
        privateKey: z.string("the text of a private key in PEM").superRefine((pem, context) => {
            const key = readSigningKey(pem);
            if ("mistake" in key) {
                context.addIssue({ code: "custom", message: `expected ${key.mistake}` });
            }
        }),
        intermediates: z.union([z.literal(""), certificates]).optional(),
    })
    .superRefine(({ certificate, privateKey }, context) => {
        const [found, key] = [readCertificates(certificate), readSigningKey(privateKey)];
        if ("mistake" in found || "mistake" in key) return;
        const refuse = (path: string, message: string) => context.addIssue({ code: "custom", path: [path], message });
        if (!found[0]!.ca) {
            refuse("certificate", "expected the certificate of an authority; this one may not sign others (CA:FALSE)");
        }
        if (!found[0]!.checkPrivateKey(key)) {
            refuse("privateKey", "expected the key that belongs to authority.certificate; this is another one");
        }
    });

const inputs = z
    .strictObject({
        ...certificateShape,
        hosts: z
            .array(host, "a list of names and addresses")
            .transform((hosts) => [...new Set(hosts)].sort())
            .default([]),
        use: z.enum(["server", "client"], '"server" or "client"').default("server"),
        authority: signer,
        validity: duration("a length of time").default("365d"),
    })
    .superRefine(checkRenewal)
    .superRefine(({ use, hosts }, context) => {
        if (use === "server" && hosts.length === 0) {
            const message = "expected the names and addresses that clients use for the server; they accept no other";
            context.addIssue({ code: "custom", path: ["hosts"], message });
        }
    });

/** The arguments of a TlsCertificate after the check. */
export interface TlsCertificateInputs extends CertificateInputs {
    hosts: string[];
    use: "server" | "client";
    authority: Signer;
}

/** What is known of a TlsCertificate beyond its arguments. */
export interface TlsCertificateState extends KeyAndCertificate, CertificateFacts {
    /** The certificate as it is shown: those that lead to the authority follow it. */
    certificate: string;
}

/** A certificate with its key, for a server or a client; it exists in the state alone. */
export const tlsCertificate = define<TlsCertificateInputs, TlsCertificateState>({
    kind: "TlsCertificate",
    schemaVersion: 1,
    inputs,
    secrets: ["authority"],

    due: (prior) => canBeRenewed(prior.certificate, wishOf(prior), new Date()),

    async observe(inputs, prior, context) {
        if (prior === undefined) return undefined;
        const [wish, now] = [wishOf(inputs), new Date()];
        const status = dueStatus(prior.certificate, certificateRenewal(prior.certificate, wish), now) ?? valid;
        if (status !== valid && !canBeRenewed(prior.certificate, wish, now)) {
            context.warn(`The certificate is ${status}. Its authority ends then, too: that has to be renewed first.`);
        }
        return { inputs: { ...inputs, status }, state: prior };
    },

    async apply(inputs, prior) {
        const wish = wishOf(inputs);
        const made = nextCertificate(wish, prior && { wish: wishOf(prior), made: prior }, new Date());
        const facts = factsOf(made.certificate, certificateRenewal(made.certificate, wish));
        const state = {
            certificate: chainOf(made.certificate, inputs.authority),
            privateKey: made.privateKey,
            ...facts,
        };
        return { id: facts.serialNumber, state };
    },

    async remove() {
        // Nothing of it is anywhere but in the state.
    },
});

function wishOf(inputs: TlsCertificateInputs): CertificateWish {
    return {
        ...certificateWish(inputs, usualRenewal),
        hosts: inputs.hosts,
        use: inputs.use,
        signer: inputs.authority,
    };
}
