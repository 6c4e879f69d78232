import * as pulumi from "@pulumi/pulumi";
import { FleetResource } from "./base";
import { commonNameOf, type TlsKeyAlgorithm } from "./tls-authority";

/** Who signs a {@link TlsCertificate}: a {@link TlsAuthority}, or any other authority whose key you have. */
export interface TlsSignerArgs {
    /** Its certificate in PEM; for an authority below another one, followed by those above it. */
    certificate: pulumi.Input<string>;
    /** Its private key in PEM, without a passphrase: ECDSA P-256, P-384 or P-521, RSA, Ed25519. Kept encrypted in the state. */
    privateKey: pulumi.Input<string>;
    /** Further certificates to be shown with what it signs. Default: none */
    intermediates?: pulumi.Input<string>;
}

/** Arguments of {@link TlsCertificate}. */
export interface TlsCertificateArgs {
    /**
     * Who signs it: a {@link TlsAuthority}, or certificate and key of another authority. When its key changes, a new
     * certificate is signed; when only its certificate is renewed, nothing happens.
     *
     * @example `ca`
     */
    authority: pulumi.Input<TlsSignerArgs>;
    /**
     * What it is for: `"server"`, e.g. a Docker host, or `"client"`, who connects to one. A certificate for the one is
     * refused in the place of the other.
     *
     * Default: `"server"`
     */
    use?: pulumi.Input<"server" | "client">;
    /**
     * Every name and address under which clients reach the server: host names, also `*.example.com`, IPv4 and IPv6 addresses.
     * Clients accept no other. A change makes a new certificate for the same key.
     *
     * Required for a server; default for a client: none. Example: `["web.example.com", "203.0.113.10", "2001:db8::10"]`
     */
    hosts?: pulumi.Input<pulumi.Input<string>[]>;
    /**
     * The name in it, at most 64 characters. For a client it says who that is; a server is known by its `hosts` only.
     *
     * Default: the resource's name
     */
    commonName?: pulumi.Input<string>;
    /**
     * The kind of its key. Another one makes a new key.
     *
     * Default: `"ECDSA-P256"`
     */
    algorithm?: pulumi.Input<TlsKeyAlgorithm>;
    /**
     * How long it is valid, from when it is made; units: `s`, `m`, `h`, `d`, `w`. It never outlives its authority's
     * certificate. Another value makes a new certificate for the same key.
     *
     * Default: `"365d"`
     */
    validity?: pulumi.Input<string>;
    /**
     * How long before its end a new one is made, for the same key. Previews show it from then on.
     *
     * Default: `"30d"`, or a third of `validity` where that is shorter
     */
    renewBefore?: pulumi.Input<string>;
    /**
     * Any value; another one than before makes a new key with a new certificate.
     *
     * Default: none; the key stays. Example: `"2027"`
     */
    rotate?: pulumi.Input<unknown>;
}

/**
 * A TLS certificate with its key, for a Docker host or for a client. It touches no machine: both are in the stack's state, the
 * key encrypted.
 *
 * Everything happens in place, never by replacement: renewal before its end, and other names or addresses, make a new
 * certificate for the same key. It is valid from one hour before it was made, since clocks differ. Deleting the resource
 * revokes nothing.
 *
 * Errors: TLS_AUTHORITY_UNUSABLE; see docs/errors.md.
 *
 * @example
 * ```ts
 * const server = new TlsCertificate("web-server", { authority: ca, hosts: ["203.0.113.10", "web.example.com"] });
 * ```
 */
export class TlsCertificate extends FleetResource {
    /** The certificate in PEM, followed by those that lead to the authority, if there are any: the whole file for a server. */
    declare readonly certificate: pulumi.Output<string>;
    /** Its private key, PKCS#8 in PEM. Secret. */
    declare readonly privateKey: pulumi.Output<string>;
    /** Its serial number, in hexadecimal digits. */
    declare readonly serialNumber: pulumi.Output<string>;
    /** Its SHA-256 fingerprint, as `openssl x509 -fingerprint -sha256` prints it. */
    declare readonly fingerprint: pulumi.Output<string>;
    /** When it ends, in ISO 8601. */
    declare readonly expiresAt: pulumi.Output<string>;
    /** From when on `pulumi up` makes a new one, in ISO 8601. */
    declare readonly renewAt: pulumi.Output<string>;
    /** `"valid"`; after a refresh also what is to be done, e.g. `"due for renewal, expires on 2027-11-24"`. */
    declare readonly status: pulumi.Output<string>;

    /**
     * @param name the resource's name in the program
     * @param args see {@link TlsCertificateArgs}
     * @param options Pulumi's own resource options
     */
    constructor(name: string, args: TlsCertificateArgs, options?: pulumi.CustomResourceOptions) {
        const commonName = args.commonName ?? commonNameOf(name);
        super(kind, name, { ...args, commonName, authority: signerOf(args.authority) }, options);
    }
}

/** Only what is needed for signing: of a resource, the engine would be sent a reference in place of its outputs. */
function signerOf(authority: pulumi.Input<TlsSignerArgs>): object {
    const later = pulumi.Output.isInstance(authority) || authority instanceof Promise;
    // A secret key makes the whole of an output secret; the certificates in it are public.
    const known = later ? pulumi.unsecret(pulumi.output(authority)) : undefined;
    const part = (key: keyof TlsSignerArgs) =>
        known ? known.apply((signer) => signer[key]) : (authority as TlsSignerArgs)[key];
    return {
        certificate: part("certificate"),
        privateKey: pulumi.secret(part("privateKey")),
        intermediates: part("intermediates"),
    };
}

const kind = {
    kind: "TlsCertificate",
    provider: "tlsCert",
    outputs: ["certificate", "privateKey", "serialNumber", "fingerprint", "expiresAt", "renewAt", "status"],
    secretOutputs: ["privateKey"],
};
