import { createPrivateKey, X509Certificate } from "node:crypto";
import fc from "fast-check";
import { type Content, issueCertificate } from "../../../src/tls/issue";
import { generateKey, keyAlgorithms, readSigningKey } from "../../../src/tls/keys";
import { OpenSsl } from "../../support/openssl";

const openssl = new OpenSsl();
afterAll(() => openssl.remove());

const hour = 3_600_000;
const life = { notBefore: new Date(Date.now() - hour), notAfter: new Date(Date.now() + hour) };
const keys = new Map(keyAlgorithms.map((algorithm) => [algorithm as string, createPrivateKey(generateKey(algorithm))]));
const caKey = keys.get("ECDSA-P256")!;
const ca = issueCertificate({ subject: { commonName: "ca" }, key: caKey, use: "authority", ...life }, { key: caKey });

function leaf(content: Partial<Content>): string {
    return issueCertificate(
        { subject: { commonName: "web" }, key: caKey, use: "server", hosts: ["web"], ...life, ...content },
        { key: caKey, certificate: new X509Certificate(ca) },
    );
}

describe.each(keyAlgorithms)("a certificate for a key of the kind %s", (algorithm) => {
    const key = keys.get(algorithm)!;

    it("signed by a key of that kind stands the strict tests of OpenSSL for its use, and for no other", () => {
        const authority = issueCertificate(
            { subject: { commonName: "own ca" }, key, use: "authority", ...life },
            { key },
        );
        for (const [use, purpose, wrong] of [
            ["server", "sslserver", "sslclient"],
            ["client", "sslclient", "sslserver"],
        ] as const) {
            const pem = issueCertificate(
                { subject: { commonName: "web" }, key, use, hosts: ["web"], ...life },
                { key, certificate: new X509Certificate(authority) },
            );
            expect(openssl.verify(pem, authority, ["-purpose", purpose])).toBe("OK");
            expect(openssl.verify(pem, authority, ["-purpose", wrong])).toMatch(/unsuitable certificate purpose/i);
        }
    });

    it("says what the key is for, and nothing beyond", () => {
        const usages = (content: Partial<Content>) =>
            openssl
                .show(leaf({ key, ...content }), "-ext", "basicConstraints,keyUsage,extendedKeyUsage")
                .split("\n")
                .map((line) => line.trim())
                .filter(Boolean);
        expect(usages({ use: "server" })).toEqual([
            "X509v3 Basic Constraints: critical",
            "CA:FALSE",
            "X509v3 Key Usage: critical",
            algorithm === "ECDSA-P256" ? "Digital Signature" : "Digital Signature, Key Encipherment",
            "X509v3 Extended Key Usage:",
            "TLS Web Server Authentication",
        ]);
        expect(usages({ use: "client" }).slice(3)).toEqual([
            "Digital Signature",
            "X509v3 Extended Key Usage:",
            "TLS Web Client Authentication",
        ]);
        expect(usages({ use: "authority" })).toEqual([
            "X509v3 Basic Constraints: critical",
            "CA:TRUE",
            "X509v3 Key Usage: critical",
            "Certificate Sign, CRL Sign",
        ]);
    });
});

it("has the moments that were asked for, on both sides of the year 2050", () => {
    const pem = leaf({ notBefore: new Date("2026-01-02T03:04:05.678Z"), notAfter: new Date("2056-07-08T09:10:11Z") });
    expect(openssl.show(pem, "-dates", "-dateopt", "iso_8601")).toBe(
        "notBefore=2026-01-02 03:04:05Z\nnotAfter=2056-07-08 09:10:11Z\n",
    );
    const structure = openssl.run("asn1parse", "-in", openssl.file("dates.pem", pem));
    expect(structure).toMatch(/UTCTIME +:260102030405Z/);
    expect(structure).toMatch(/GENERALIZEDTIME +:20560708091011Z/);
});

it("has a positive serial number of 16 octets that no other has", () => {
    const serials = Array.from({ length: 300 }, () => new X509Certificate(leaf({})).serialNumber);
    expect(new Set(serials).size).toBe(300);
    expect(serials.filter((serial) => !/^[4-7][0-9A-F]{31}$/.test(serial))).toEqual([]);
    const pem = leaf({});
    expect(openssl.show(pem, "-serial")).toBe(`serial=${new X509Certificate(pem).serialNumber}\n`);
});

it("names its subject in any script, whatever signs there are in the name", () => {
    const name = fc
        .string({ unit: "grapheme", minLength: 1, maxLength: 40 })
        .filter((text) => [...text].length <= 64 && !/[\x00-\x1f\x7f]/.test(text));
    fc.assert(
        fc.property(name, (commonName) => {
            const shown = openssl.show(leaf({ subject: { commonName } }), "-subject", "-nameopt", "sep_multiline,utf8");
            expect(shown).toBe(`subject=\n    CN=${commonName}\n`);
        }),
        { numRuns: 40 },
    );
});

describe("the key of another authority", () => {
    const usages = [
        "basicConstraints=critical,CA:TRUE",
        "keyUsage=critical,keyCertSign",
        "subjectKeyIdentifier=hash",
    ].flatMap((extension) => ["-addext", extension]);
    const named = ["-subj", "/C=DE/O=Example/CN=Company CA"];
    /** Makes a certificate of an authority with openssl. */
    const authority = (key: string, ...options: string[]) =>
        openssl.run("req", "-x509", "-key", openssl.file("other.key", key), "-days", "9", ...usages, ...options);

    it.each<[string, string[], RegExp]>([
        ["ECDSA P-384", ["EC", "-pkeyopt", "ec_paramgen_curve:P-384"], /ecdsa-with-SHA384/],
        ["ECDSA P-521", ["EC", "-pkeyopt", "ec_paramgen_curve:P-521"], /ecdsa-with-SHA512/],
        ["RSA", ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"], /sha256WithRSAEncryption/],
        ["Ed25519", ["ED25519"], /ED25519/],
    ])("signs: %s", (_, options, signature) => {
        const key = openssl.run("genpkey", "-algorithm", ...options);
        const parent = authority(key, ...named);
        const pem = issueCertificate(
            { subject: { commonName: "web" }, key: caKey, use: "server", hosts: ["web"], ...life },
            { key: readSigningKey(key) as never, certificate: new X509Certificate(parent) },
        );
        expect(openssl.show(pem, "-text")).toMatch(signature);
        expect(openssl.verify(pem, parent, ["-purpose", "sslserver"])).toBe("OK");
    });

    it.each(["pkix", "utf8only", "default"])("signs under its own name, byte for byte (string_mask %s)", (mask) => {
        const key = openssl.run("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256");
        openssl.file("req.cnf", `[req]\nstring_mask=${mask}\ndistinguished_name=dn\n[dn]\n`);
        const subject = "/C=DE/O=Exämple/DC=example/emailAddress=a@b.example/CN=CA, the 1st";
        const parent = authority(key, "-config", "req.cnf", "-subj", subject, "-utf8");
        const pem = issueCertificate(
            { subject: { commonName: "web" }, key: caKey, use: "server", hosts: ["web"], ...life },
            { key: createPrivateKey(key), certificate: new X509Certificate(parent) },
        );
        expect(openssl.verify(pem, parent, ["-purpose", "sslserver"])).toBe("OK");
        const issuer = (text: string) =>
            openssl
                .run("asn1parse", "-in", openssl.file("named.pem", text))
                .split("\n")
                .filter((line) => /:d=5 .*STRING/.test(line))
                .slice(0, 5)
                .map((line) => line.slice(line.indexOf("hl=")));
        expect(issuer(parent)).toHaveLength(5);
        expect(issuer(pem)).toEqual(issuer(parent));
    });

    it("is read in each form of PEM", () => {
        const ec = openssl.file(
            "ec.key",
            openssl.run("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
        );
        const rsa = openssl.file("rsa.key", generateKey("RSA-2048"));
        const sec1 = openssl.run("ec", "-in", ec);
        const pkcs1 = openssl.run("rsa", "-in", rsa, "-traditional");
        expect(sec1).toContain("BEGIN EC PRIVATE KEY");
        expect(pkcs1).toContain("BEGIN RSA PRIVATE KEY");
        for (const text of [sec1, pkcs1, `some text before\n${pkcs1}`]) {
            expect(readSigningKey(text)).not.toHaveProperty("mistake");
        }
    });

    it("that cannot be used is refused with what would be right, and without a part of it", () => {
        const encrypted = openssl.run("genpkey", "-algorithm", "ED25519", "-aes256", "-pass", "pass:secret");
        const old = openssl.run(
            "rsa",
            "-in",
            openssl.file("r.key", generateKey("RSA-2048")),
            "-traditional",
            "-aes128",
            "-passout",
            "pass:secret",
        );
        const secp256k1 = openssl.run("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1");
        const pss = openssl.run("genpkey", "-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048");
        const whole = generateKey("ECDSA-P256");
        for (const [text, mistake] of [
            [encrypted, "without a passphrase"],
            [old, "without a passphrase"],
            [secp256k1, "of the kind ECDSA P-256"],
            [pss, "of the kind ECDSA P-256"],
            [ca, "the text of a private key"],
            ["/etc/ssl/ca.key", "the text of a private key"],
            [whole.replace(/\n(.*)\n/, "\n"), "a whole private key"],
        ] as const) {
            expect(readSigningKey(text)).toEqual({ mistake: expect.stringContaining(mistake) });
        }
    });
});
