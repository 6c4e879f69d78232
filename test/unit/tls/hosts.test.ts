import { createPrivateKey, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import fc from "fast-check";
import { canonicalHost } from "../../../src/tls/hosts";
import { issueCertificate } from "../../../src/tls/issue";
import { generateKey } from "../../../src/tls/keys";
import { OpenSsl } from "../../support/openssl";

describe("a name or an address in a certificate", () => {
    it.each([
        ["Web.Example.COM.", "web.example.com"],
        ["localhost", "localhost"],
        ["*.Example.com", "*.example.com"],
        ["my_host-1", "my_host-1"],
        ["bücher.example", "xn--bcher-kva.example"],
        ["*.bücher.example", "*.xn--bcher-kva.example"],
        ["203.0.113.10", "203.0.113.10"],
        ["[2001:DB8::0:10]", "2001:db8::10"],
        ["0:0:0:0:0:0:0:1", "::1"],
        ["::ffff:192.0.2.1", "::ffff:c000:201"],
    ])("%s is written as %s", (given, host) => {
        expect(canonicalHost(given)).toEqual({ host });
    });

    it.each([
        ["", "a host name"],
        ["a b", "a host name"],
        ["a..b", "a host name"],
        ["-a", "a host name"],
        ["a*.example.com", "a host name"],
        ["a.*.com", "a host name"],
        [`${"a".repeat(64)}.com`, "a host name"],
        [Array(64).fill("abc").join("."), "at most 253"],
        ["*", "a host name"],
        ["*.com", "no wildcard for a whole top-level domain"],
        ["tcp://web:2376", "without scheme"],
        ["web:2376", "without scheme"],
        ["203.0.113.10:2376", "without scheme"],
        ["203.0.113.0/24", "without scheme"],
        ["admin@web", "without scheme"],
        ["203.0.113", "ends with a number"],
        ["203.0.113.010", "ends with a number"],
        ["１.２.３.４", "ends with a number"],
        ["0x7f.1", "ends with a number"],
        ["web.0x7f", "ends with a number"],
        ["fe80::1%eth0", "without a zone"],
        ["[203.0.113.10]", "a host name"],
        ["a\nb", "a host name"],
    ])("%j is refused: %s", (given, mistake) => {
        expect(canonicalHost(given)).toEqual({ mistake: expect.stringContaining(mistake) });
    });

    it("has one form only", () => {
        fc.assert(
            fc.property(fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6(), fc.string()), (text) => {
                const once = canonicalHost(text);
                if ("host" in once) {
                    expect(canonicalHost(once.host)).toEqual(once);
                }
            }),
            { numRuns: 1_000 },
        );
    });
});

describe("the names and addresses of a certificate", () => {
    const openssl = new OpenSsl();
    afterAll(() => openssl.remove());
    const key = createPrivateKey(generateKey("ECDSA-P256"));
    const life = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) };
    const ca = issueCertificate({ subject: { commonName: "ca" }, key, use: "authority", ...life }, { key });

    const host = fc
        .oneof(fc.domain(), fc.ipV4(), fc.ipV6())
        .map(canonicalHost)
        .filter((result) => "host" in result)
        .map((result) => (result as { host: string }).host);

    it("are those that OpenSSL and Node find in it, and no others", () => {
        fc.assert(
            fc.property(fc.uniqueArray(host, { minLength: 1, maxLength: 8 }), host, (hosts, other) => {
                const pem = issueCertificate(
                    { subject: { commonName: "web" }, key, use: "server", hosts, ...life },
                    { key, certificate: new X509Certificate(ca) },
                );
                expect(shownBy(openssl.show(pem, "-ext", "subjectAltName"))).toEqual([...hosts].sort());
                const certificate = new X509Certificate(pem);
                const accepts = (name: string) =>
                    (isIP(name) ? certificate.checkIP(name) : certificate.checkHost(name)) !== undefined;
                expect(hosts.filter((name) => !accepts(name))).toEqual([]);
                expect(accepts(other)).toBe(hosts.includes(other));
                const [first = ""] = hosts;
                const option = isIP(first) ? "-verify_ip" : "-verify_hostname";
                expect(openssl.verify(pem, ca, ["-purpose", "sslserver", option, first])).toBe("OK");
            }),
            { numRuns: 60 },
        );
    });

    /** What `-ext subjectAltName` prints, in our form. */
    function shownBy(text: string): string[] {
        const [, list = ""] = /Subject Alternative Name:.*\n\s*(.*)/.exec(text) ?? [];
        return list
            .split(", ")
            .map((entry) => entry.replace(/^(DNS|IP Address):/, ""))
            .map((name) => (name.includes(":") ? new URL(`http://[${name}]`).hostname.slice(1, -1) : name))
            .sort();
    }
});
