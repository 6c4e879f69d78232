import type * as pulumi from "@pulumi/pulumi";
import { FleetResource } from "./base";

/** The keys that {@link TlsAuthority} and {@link TlsCertificate} make. */
export type TlsKeyAlgorithm = "ECDSA-P256" | "RSA-2048" | "RSA-3072" | "RSA-4096";

/** Arguments of {@link TlsAuthority}. */
export interface TlsAuthorityArgs {
    /**
     * The name in its certificate, at most 64 characters. Another one makes a new key, as `rotate` does.
     *
     * Default: the resource's name
     */
    commonName?: pulumi.Input<string>;
    /**
     * The kind of its key. Another one makes a new key, as `rotate` does.
     *
     * Default: `"ECDSA-P256"`
     */
    algorithm?: pulumi.Input<TlsKeyAlgorithm>;
    /**
     * How long its certificate is valid, from when it is made; units: `s`, `m`, `h`, `d`, `w`. Another value makes a new
     * certificate for the same key.
     *
     * Default: `"3650d"`
     */
    validity?: pulumi.Input<string>;
    /**
     * How long before its end the certificate is made anew, for the same key: everything it has signed stays good.
     *
     * Default: `"366d"`, or a third of `validity` where that is shorter
     */
    renewBefore?: pulumi.Input<string>;
    /**
     * Any value; another one than before makes a new key. The old key signs nothing from then on.
     *
     * Default: none; the key stays. Example: `"2027"`
     */
    rotate?: pulumi.Input<unknown>;
    /**
     * How long a retired key is still trusted: it stays in `bundle`, and has signed its successor, so that old and new
     * certificates are accepted everywhere, in whatever order servers and clients get theirs. `"0"`: not at all, for a key
     * that others may have. The first `pulumi up` after that time ends it.
     *
     * Default: `"30d"`
     */
    overlap?: pulumi.Input<string>;
}

/**
 * A certificate authority of your own, for the TLS certificates of Docker hosts and of those who use them. It touches no
 * machine: certificate and key are in the stack's state, the key encrypted.
 *
 * Everything happens in place, never by replacement. The end of its life shows in previews when it comes near.
 *
 * @example
 * ```ts
 * const ca = new TlsAuthority("fleet-ca");
 * const server = new TlsCertificate("web-server", { authority: ca, hosts: ["203.0.113.10", "web.example.com"] });
 * const client = new TlsCertificate("admin", { authority: ca, use: "client" });
 * export const trust = ca.bundle; // ca.pem for clients
 * ```
 */
export class TlsAuthority extends FleetResource {
    /** Its certificate, in PEM. */
    declare readonly certificate: pulumi.Output<string>;
    /** Its private key, PKCS#8 in PEM. Secret. */
    declare readonly privateKey: pulumi.Output<string>;
    /** What to trust, in PEM: its certificate, then those of retired keys while their overlap lasts. */
    declare readonly bundle: pulumi.Output<string>;
    /** While an overlap lasts: its key, signed by the retired one, in PEM. {@link TlsCertificate} adds it to what it signs. */
    declare readonly intermediates: pulumi.Output<string>;
    /** Number of its key; 1 until it is rotated. */
    declare readonly generation: pulumi.Output<number>;
    /** Serial number of its certificate, in hexadecimal digits. */
    declare readonly serialNumber: pulumi.Output<string>;
    /** SHA-256 fingerprint of its certificate, as `openssl x509 -fingerprint -sha256` prints it. */
    declare readonly fingerprint: pulumi.Output<string>;
    /** When its certificate ends, in ISO 8601. */
    declare readonly expiresAt: pulumi.Output<string>;
    /** From when on `pulumi up` makes a new certificate, in ISO 8601. */
    declare readonly renewAt: pulumi.Output<string>;
    /** `"valid"`; after a refresh also what is to be done, e.g. `"due for renewal, expires on 2036-11-24"`. */
    declare readonly status: pulumi.Output<string>;

    /**
     * @param name the resource's name in the program
     * @param args see {@link TlsAuthorityArgs}
     * @param options Pulumi's own resource options
     */
    constructor(name: string, args: TlsAuthorityArgs = {}, options?: pulumi.CustomResourceOptions) {
        super(kind, name, { ...args, commonName: args.commonName ?? commonNameOf(name) }, options);
    }
}

/** The name in a certificate where the program gives none: as much of the resource's name as fits. */
export function commonNameOf(name: string): string {
    return [...name].slice(0, 64).join("");
}

const kind = {
    kind: "TlsAuthority",
    provider: "tlsCa",
    outputs: [
        "certificate",
        "privateKey",
        "bundle",
        "intermediates",
        "generation",
        "serialNumber",
        "fingerprint",
        "expiresAt",
        "renewAt",
        "status",
    ],
    secretOutputs: ["privateKey"],
};
