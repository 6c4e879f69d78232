import { z } from "zod";
import { type Authority, type AuthorityWish, authorityRenewal, nextAuthority, overdue } from "../tls/authority";
import { joinPem } from "../tls/pem";
import { define } from "./define";
import { duration, durationOrNone, millisecondsOf } from "./duration";
import { type CertificateFacts, dueStatus, factsOf } from "./tls-facts";
import { type CertificateInputs, certificateShape, certificateWish, checkRenewal, valid } from "./tls-inputs";

/** How long before its end an authority is renewed: as long as its certificates usually live, so that none is cut short. */
const usualRenewal = millisecondsOf("366d");

const inputs = z
    .strictObject({
        ...certificateShape,
        validity: duration("a length of time").default("3650d"),
        overlap: durationOrNone("a length of time").default("30d"),
    })
    .superRefine(checkRenewal);

/** The arguments of a TlsAuthority after the check. */
export interface TlsAuthorityInputs extends CertificateInputs {
    overlap: string;
}

/** What is known of a TlsAuthority beyond its arguments. */
export interface TlsAuthorityState extends Authority, CertificateFacts {
    bundle: string;
    intermediates: string;
}

/** A certificate authority; it exists in the state alone. */
export const tlsAuthority = define<TlsAuthorityInputs, TlsAuthorityState>({
    kind: "TlsAuthority",
    schemaVersion: 1,
    inputs,
    secrets: [],

    due: (prior) => statusOf(prior, prior) !== valid,

    async observe(inputs, prior) {
        return prior && { inputs: { ...inputs, status: statusOf(inputs, prior) }, state: prior };
    },

    async apply(inputs, prior) {
        const wish = wishOf(inputs);
        const authority = nextAuthority(wish, prior && { wish: wishOf(prior), authority: prior }, new Date());
        const state = stateOf(authority, wish);
        return { id: state.serialNumber, state };
    },

    async remove() {
        // Nothing of it is anywhere but in the state.
    },
});

function wishOf(inputs: TlsAuthorityInputs): AuthorityWish {
    return {
        ...certificateWish(inputs, usualRenewal),
        overlap: millisecondsOf(inputs.overlap),
    };
}

function statusOf(inputs: TlsAuthorityInputs, authority: Authority): string {
    const [wish, now] = [wishOf(inputs), new Date()];
    return (
        dueStatus(authority.certificate, authorityRenewal(authority, wish), now) ??
        (overdue(authority, wish.overlap, now).length > 0
            ? "a retired key is still trusted, its overlap is over"
            : valid)
    );
}

function stateOf(authority: Authority, wish: AuthorityWish): TlsAuthorityState {
    const { generation, certificate, privateKey, retired } = authority;
    return {
        generation,
        certificate,
        privateKey,
        retired,
        bundle: joinPem([certificate, ...retired.map((old) => old.certificate)]),
        intermediates: joinPem(retired.map((old) => old.successor)),
        ...factsOf(certificate, authorityRenewal(authority, wish)),
    };
}
