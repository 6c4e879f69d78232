import { createPublicKey, X509Certificate } from "node:crypto";
import {
    type Authority,
    type AuthorityWish,
    authorityRenewal,
    nextAuthority,
    overdue,
} from "../../../src/tls/authority";
import { chainOf, nextCertificate, type Signer } from "../../../src/tls/certificate";
import { joinPem } from "../../../src/tls/pem";
import { OpenSsl } from "../../support/openssl";
import { type Side, shakeHands } from "../../support/tls-handshake";

const openssl = new OpenSsl();
afterAll(() => openssl.remove());

const day = 86_400_000;
const now = new Date();
const later = (days: number) => new Date(now.getTime() + days * day);
const wish: AuthorityWish = {
    commonName: "fleet-ca",
    algorithm: "ECDSA-P256",
    validity: 3_650 * day,
    renewBefore: 366 * day,
    overlap: 30 * day,
};

/** The authority after one more round with these wishes. */
function next(authority: Authority, at: Date, change: Partial<AuthorityWish> = {}, before = wish): Authority {
    return nextAuthority({ ...before, ...change }, { wish: before, authority }, at);
}
const bundle = ({ certificate, retired }: Authority) =>
    joinPem([certificate, ...retired.map((old) => old.certificate)]);
const signer = ({ certificate, privateKey, retired }: Authority): Signer => ({
    certificate,
    privateKey,
    intermediates: joinPem(retired.map(({ successor }) => successor)),
});
/** What a server or client has that was set up with this authority. */
function side(authority: Authority, use: "server" | "client", at = now): Side {
    const made = nextCertificate(
        {
            commonName: use,
            hosts: ["127.0.0.1"],
            use,
            algorithm: "ECDSA-P256",
            signer: signer(authority),
            validity: 365 * day,
            renewBefore: 30 * day,
        },
        undefined,
        at,
    );
    return {
        certificate: chainOf(made.certificate, signer(authority)),
        privateKey: made.privateKey,
        trusted: bundle(authority),
    };
}
const publicKey = ({ certificate }: Authority) =>
    createPublicKey(certificate).export({ type: "spki", format: "pem" }).toString();
const subject = ({ certificate }: Authority) => new X509Certificate(certificate).subject;

const first = nextAuthority(wish, undefined, now);

describe("an authority that nothing happens to", () => {
    it("stays as it is, to the byte", () => {
        expect(next(first, later(3_000))).toEqual(first);
        expect(next(first, later(3_000), { renewBefore: 10 * day, overlap: day })).toEqual(first);
    });
});

describe("an authority near its end", () => {
    const renewed = next(first, later(3_290));

    it("is renewed when its time has come, and not before", () => {
        expect(authorityRenewal(first, wish).getTime()).toBeCloseTo(later(3_650 - 366).getTime(), -4);
        expect(next(first, later(3_283))).toEqual(first);
        expect(renewed).not.toEqual(first);
        expect(new Date(new X509Certificate(renewed.certificate).validTo).getTime()).toBeCloseTo(
            later(3_290 + 3_650).getTime(),
            -4,
        );
    });

    it("keeps key and name under a new serial number, so that what it signed before and after is good under both", () => {
        expect(renewed.privateKey).toBe(first.privateKey);
        expect(subject(renewed)).toBe(subject(first));
        expect(renewed.generation).toBe(1);
        const serial = (authority: Authority) => new X509Certificate(authority.certificate).serialNumber;
        expect(serial(renewed)).not.toBe(serial(first));
        const at = (days: number) => ["-attime", String(Math.floor(later(days).getTime() / 1_000))];
        for (const [signed, days] of [
            [side(first, "server", later(3_280)), 3_300],
            [side(renewed, "server", later(3_290)), 3_300],
        ] as const) {
            for (const trusted of [first, renewed]) {
                expect(openssl.verify(signed.certificate!, bundle(trusted), at(days))).toBe("OK");
            }
        }
    });

    it("is renewed after its end, too", () => {
        const after = next(first, later(4_000));
        expect(after.privateKey).toBe(first.privateKey);
        expect(
            openssl.verify(after.certificate, after.certificate, [
                "-attime",
                `${(later(4_001).getTime() / 1_000) | 0}`,
            ]),
        ).toBe("OK");
    });

    it("is renewed at once for another validity", () => {
        const shorter = next(first, now, { validity: 100 * day, renewBefore: 10 * day });
        expect(shorter.privateKey).toBe(first.privateKey);
        expect(new Date(new X509Certificate(shorter.certificate).validTo).getTime()).toBeCloseTo(
            later(100).getTime(),
            -4,
        );
    });
});

describe.each<[string, Partial<AuthorityWish>]>([
    ["a rotation", { rotate: '"2027"' }],
    ["another algorithm", { algorithm: "RSA-2048" }],
    ["another name", { commonName: "new-ca" }],
])("an authority with a new key, by %s", (_, change) => {
    const second = next(first, now, change);

    it("has a name of its own, and trusts the old one beside itself", () => {
        expect(second.generation).toBe(2);
        expect(publicKey(second)).not.toBe(publicKey(first));
        expect(subject(second)).not.toBe(subject(first));
        expect(bundle(second)).toBe(second.certificate + first.certificate);
    });

    const parties = [
        ["old", first],
        ["new", second],
    ] as const;
    const matrix = parties.flatMap(([serverName, server]) =>
        parties.map(([clientName, client]) => [serverName, clientName, server, client] as const),
    );
    it.each(matrix)(
        "lets a server set up with the %s one and a client set up with the %s one work together",
        async (_server, _client, server, client) => {
            expect(await shakeHands(side(server, "server"), side(client, "client"))).toBe("OK");
            const verify = (shown: Side, trusted: Authority, purpose: string) =>
                openssl.verify(shown.certificate!, bundle(trusted), ["-purpose", purpose]);
            expect(verify(side(server, "server"), client, "sslserver")).toBe("OK");
            expect(verify(side(client, "client"), server, "sslclient")).toBe("OK");
        },
    );

    it("no longer trusts the old one when the overlap is over", async () => {
        const wishes = { ...wish, ...change };
        const settled = next(second, later(29.9), {}, wishes);
        expect(settled).toEqual(second);
        expect(overdue(second, wish.overlap, later(29.9))).toEqual([]);
        const ended = next(second, later(30.1), {}, wishes);
        expect(overdue(second, wish.overlap, later(30.1))).toHaveLength(1);
        expect(bundle(ended)).toBe(second.certificate);
        expect(signer(ended).intermediates).toBe("");
        const late = { ...side(first, "client"), trusted: bundle(ended) };
        expect(await shakeHands(side(ended, "server"), late)).toBe("server: UNABLE_TO_VERIFY_LEAF_SIGNATURE");
        expect(await shakeHands(side(ended, "server"), side(second, "client"))).toBe("OK");
    });

    it("does not trust the old one at all without an overlap", () => {
        const alone = next(first, now, { ...change, overlap: 0 });
        expect(bundle(alone)).toBe(alone.certificate);
        expect(alone.retired).toEqual([]);
    });
});

describe("an authority with its third key within the overlap", () => {
    const second = next(first, now, { rotate: "2" });
    const third = next(second, now, { rotate: "3" }, { ...wish, rotate: "2" });
    const delayed = next(second, later(10), { rotate: "3" }, { ...wish, rotate: "2" });

    it("works together with servers and clients of both before it", async () => {
        for (const [server, client] of [
            [first, third],
            [third, first],
            [second, third],
            [third, second],
        ] as const) {
            expect(await shakeHands(side(server, "server"), side(client, "client"))).toBe("OK");
        }
    });

    it("lets them go one after the other", () => {
        const at = (days: number) => next(delayed, later(days), {}, { ...wish, rotate: "3" }).retired.length;
        expect([29, 31, 39, 41].map(at)).toEqual([2, 1, 1, 0]);
    });

    it("lets an old one go at its own end, if that comes first", () => {
        const short = { ...wish, validity: 20 * day, renewBefore: day };
        const young = nextAuthority(short, undefined, now);
        const successor = nextAuthority({ ...short, rotate: "2" }, { wish: short, authority: young }, later(15));
        expect(successor.retired).toHaveLength(1);
        expect(overdue(successor, wish.overlap, later(21))).toHaveLength(1);
        const late = nextAuthority({ ...short, rotate: "2" }, { wish: short, authority: young }, later(21));
        expect(late.retired).toEqual([]);
    });
});

it("strangers are refused, and certificates in the wrong place, and none at all", async () => {
    const stranger = nextAuthority(wish, undefined, now);
    const [server, client] = [side(first, "server"), side(first, "client")];
    expect(await shakeHands(server, client)).toBe("OK");
    const foreign = { ...side(stranger, "client"), trusted: bundle(first) };
    expect(await shakeHands(server, foreign)).toBe("server: UNABLE_TO_VERIFY_LEAF_SIGNATURE");
    expect(await shakeHands(side(stranger, "server"), client)).toBe("client: SELF_SIGNED_CERT_IN_CHAIN");
    expect(await shakeHands(server, server)).toBe("server: INVALID_PURPOSE");
    expect(await shakeHands(client, client)).toBe("client: INVALID_PURPOSE");
    expect(await shakeHands(server, { trusted: bundle(first) })).toBe("server: UNABLE_TO_GET_ISSUER_CERT");
    expect(await shakeHands(server, client, "other.example.com")).toBe("client: ERR_TLS_CERT_ALTNAME_INVALID");
});
