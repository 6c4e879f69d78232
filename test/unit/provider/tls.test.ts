import { X509Certificate } from "node:crypto";
import { tlsCa, tlsCert } from "../../../src/provider";
import type { Json } from "../../../src/provider/json";
import { unknownValue } from "../../../src/provider/json";
import { OpenSsl } from "../../support/openssl";

const openssl = new OpenSsl();
afterAll(() => openssl.remove());

const day = 86_400_000;
const start = new Date("2027-01-01T12:00:00Z");
beforeAll(() => {
    // Only the clock: everything else goes on by itself.
    jest.useFakeTimers({
        now: start,
        doNotFake: ["setTimeout", "clearTimeout", "setImmediate", "nextTick", "queueMicrotask"],
    });
});
afterAll(() => jest.useRealTimers());
beforeEach(() => jest.setSystemTime(start));
const wait = (days: number) => jest.setSystemTime(start.getTime() + days * day);

/** A resource as the engine leads it through its life. */
class Resource {
    outs: Json = {};
    private constructor(
        private readonly provider: typeof tlsCa,
        private args: Json,
    ) {}

    static async create(provider: typeof tlsCa, args: Json): Promise<Resource> {
        const resource = new Resource(provider, args);
        resource.outs = (await provider.create(await resource.inputs())).outs;
        return resource;
    }

    async inputs(): Promise<Json> {
        const { inputs, failures } = await this.provider.check({}, this.args);
        expect(failures).toEqual([]);
        return inputs;
    }

    /** What a preview shows: `"same"`, `"update"`, or what is replaced. */
    async preview(change: Json = {}): Promise<string> {
        this.args = { ...this.args, ...change };
        const inputs = await this.inputs();
        const { changes, replaces } = await this.provider.diff("id", this.outs, inputs);
        return replaces?.join() ?? (changes === false ? "same" : "update");
    }

    /** An update with other arguments; what was there before is returned. */
    async update(change: Json = {}): Promise<Json> {
        const before = this.outs;
        expect(await this.preview(change)).toBe("update");
        this.outs = (await this.provider.update("id", before, await this.inputs())).outs;
        expect(await this.preview()).toBe("same");
        return before;
    }

    async refresh(): Promise<unknown> {
        const { props, inputs } = await this.provider.read("id", this.outs);
        this.outs = props!;
        expect(props!.status).toBe(inputs!.status);
        return inputs!.status;
    }
}

const signerOf = ({ outs: { certificate, privateKey, intermediates } }: Resource) => ({
    certificate,
    privateKey,
    intermediates,
});
const newCa = (args: Json = {}) => Resource.create(tlsCa, { commonName: "ca", ...args });
const newCertificate = (ca: Resource, args: Json = {}) =>
    Resource.create(tlsCert, { commonName: "web", hosts: ["web"], authority: signerOf(ca), ...args });

/** The problems that a check finds, without their common beginning. */
async function problems(provider: typeof tlsCa, args: Json): Promise<string[]> {
    const { failures } = await provider.check({}, args);
    return failures.map(({ property, reason }) => {
        expect(property).toBe("");
        return reason.replace(/^\[INVALID_ARGUMENT\] Tls\w+: argument /, "");
    });
}

/** What must not change when a certificate is made anew for the same key. */
const keyOf = ({ privateKey }: Json) => privateKey;
const serialOf = ({ serialNumber }: Json) => serialNumber;

describe("TlsCertificate", () => {
    let ca: Resource;
    beforeEach(async () => {
        ca = await newCa();
    });

    it("begins an hour before it is made, for clocks that are late, and ends within its authority's life", async () => {
        const { outs } = await newCertificate(ca);
        expect(openssl.show(outs.certificate as string, "-dates", "-dateopt", "iso_8601")).toBe(
            "notBefore=2027-01-01 11:00:00Z\nnotAfter=2028-01-01 12:00:00Z\n",
        );
        expect(outs).toMatchObject({ expiresAt: "2028-01-01T12:00:00.000Z", renewAt: "2027-12-02T12:00:00.000Z" });
        expect(outs.fingerprint).toBe(
            openssl
                .show(outs.certificate as string, "-fingerprint", "-sha256")
                .trim()
                .split("=")[1],
        );
        const { outs: long } = await newCertificate(ca, { validity: "5000d", renewBefore: "1000d" });
        expect(long.expiresAt).toBe(ca.outs.expiresAt);
    });

    it("is made anew for the same key when only its hosts change, or its name, use or validity", async () => {
        const certificate = await newCertificate(ca);
        for (const change of [
            { hosts: ["web", "2001:db8::1"] },
            { commonName: "www" },
            { validity: "100d" },
            { use: "client" },
        ]) {
            const before = await certificate.update(change);
            expect(keyOf(certificate.outs)).toBe(keyOf(before));
            expect(serialOf(certificate.outs)).not.toBe(serialOf(before));
        }
        const text = openssl.show(certificate.outs.certificate as string, "-text");
        expect(text).toContain("IP Address:2001:DB8:0:0:0:0:0:1, DNS:web");
        expect(text).toContain("Subject: CN = www");
        expect(text).toContain("TLS Web Client Authentication");
    });

    it("does not care for the order of its hosts, and how they are written", async () => {
        const certificate = await newCertificate(ca, { hosts: ["b", "a", "::1"] });
        expect(await certificate.preview({ hosts: ["A.", "[0::1]", "b", "a"] })).toBe("same");
    });

    it("gets a new key when that is asked for, and no other time", async () => {
        const certificate = await newCertificate(ca);
        for (const change of [{ rotate: 1 }, { rotate: { year: 2027 } }, { algorithm: "RSA-2048" }]) {
            const before = await certificate.update(change);
            expect(keyOf(certificate.outs)).not.toBe(keyOf(before));
        }
        const before = await certificate.update({ rotate: undefined });
        expect(certificate.outs.certificate).toBe(before.certificate);
    });

    it("shows that its time has come in a preview and in a refresh, and is renewed for the same key", async () => {
        const certificate = await newCertificate(ca);
        wait(334.9);
        expect(await certificate.preview()).toBe("same");
        expect(await certificate.refresh()).toBe("valid");
        wait(335.1);
        expect(await certificate.preview()).toBe("update");
        expect(await certificate.refresh()).toBe("due for renewal, expires on 2028-01-01");
        const before = await certificate.update();
        expect(keyOf(certificate.outs)).toBe(keyOf(before));
        expect(certificate.outs.expiresAt).toBe("2028-12-01T14:24:00.000Z");
        expect(await certificate.refresh()).toBe("valid");
        wait(1_000);
        expect(await certificate.refresh()).toBe("expired on 2028-12-01");
        await certificate.update();
    });

    it("is renewed earlier when that is asked for later, without being made anew at once", async () => {
        const certificate = await newCertificate(ca);
        const before = await certificate.update({ renewBefore: "90d" });
        expect(certificate.outs.certificate).toBe(before.certificate);
        expect(certificate.outs.renewAt).toBe("2027-10-03T12:00:00.000Z");
    });

    it("stays when its authority only renews its own certificate, and is signed anew by a new key", async () => {
        const certificate = await newCertificate(ca);
        await ca.update({ validity: "4000d" });
        let before = await certificate.update({ authority: signerOf(ca) });
        expect(certificate.outs.certificate).toBe(before.certificate);
        await ca.update({ rotate: "x" });
        before = await certificate.update({ authority: signerOf(ca) });
        expect(keyOf(certificate.outs)).toBe(keyOf(before));
        const blocks = (certificate.outs.certificate as string).match(/BEGIN CERTIFICATE/g);
        expect(blocks).toHaveLength(2);
        wait(31);
        expect(await ca.refresh()).toBe("a retired key is still trusted, its overlap is over");
        await ca.update();
        before = await certificate.update({ authority: signerOf(ca) });
        expect(serialOf(certificate.outs)).toBe(serialOf(before));
        expect(before.certificate).toContain(certificate.outs.certificate);
        expect((certificate.outs.certificate as string).match(/BEGIN CERTIFICATE/g)).toHaveLength(1);
    });

    it("is renewed with its authority when both end together, and says so when that cannot be", async () => {
        const short = await newCa({ validity: "90d" });
        const certificate = await newCertificate(short);
        expect(certificate.outs).toMatchObject({
            expiresAt: short.outs.expiresAt,
            renewAt: "2027-03-02T12:00:00.000Z",
        });
        wait(65);
        const warn = jest.spyOn(console, "warn").mockImplementation(() => {});
        try {
            // It would end no later: the authority comes first.
            expect(await certificate.preview()).toBe("same");
            await certificate.refresh();
            expect(warn).toHaveBeenCalledWith(expect.stringContaining("Its authority ends then, too"));
        } finally {
            warn.mockRestore();
        }
        expect(await short.preview()).toBe("update");
        await short.update();
        await certificate.update({ authority: signerOf(short) });
        expect(certificate.outs.expiresAt).toBe(short.outs.expiresAt);
    });

    it("is not signed by an authority that is not valid now", async () => {
        wait(4_000);
        await expect(newCertificate(ca)).rejects.toThrow(
            /TLS_AUTHORITY_UNUSABLE.*\(CN=ca\) expired on 2036-12-29T12:00:00.000Z. Renew it first/,
        );
        wait(-1);
        await expect(newCertificate(ca)).rejects.toThrow(
            /TLS_AUTHORITY_UNUSABLE.*not valid before 2027-01-01T11:00:00.000Z. Check the clock of this computer/,
        );
    });

    it("shows the certificates between it and the one that others trust", async () => {
        const root = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"];
        const make = (name: string, ...more: string[]) =>
            openssl.run(
                ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
                ...[
                    "-subj",
                    `/CN=${name}`,
                    "-keyout",
                    `${name}.key`,
                    "-out",
                    `${name}.pem`,
                    "-days",
                    "999",
                    ...root,
                    ...more,
                ],
            );
        const read = (file: string) => openssl.run("x509", "-in", file);
        make("root");
        make("middle", "-CA", "root.pem", "-CAkey", "root.key");
        jest.setSystemTime(Date.now() + 3 * day);
        const real = new Date(new X509Certificate(read("middle.pem")).validFrom).getTime();
        jest.setSystemTime(real + day);
        const { outs } = await Resource.create(tlsCert, {
            commonName: "web",
            hosts: ["web"],
            authority: {
                certificate: read("middle.pem") + read("root.pem"),
                privateKey: openssl.run("pkey", "-in", "middle.key"),
            },
        });
        const blocks = (outs.certificate as string).match(/-----BEGIN[\s\S]*?-----END CERTIFICATE-----/g)!;
        expect(blocks.map((block) => new X509Certificate(block).subject)).toEqual(["CN=web", "CN=middle"]);
        const at = ["-attime", String(Math.floor(Date.now() / 1_000))];
        expect(openssl.verify(outs.certificate as string, read("root.pem"), ["-purpose", "sslserver", ...at])).toBe(
            "OK",
        );
    });

    it("refuses wrong arguments with what would be right, and shows nothing of a key", async () => {
        const authority = signerOf(ca);
        const other = await newCa();
        const { outs: leaf } = await newCertificate(ca);
        const valid = { commonName: "web", hosts: ["web"], authority };
        expect(await problems(tlsCert, valid)).toEqual([]);
        for (const [args, problem] of [
            [
                { hosts: ["web:2376"] },
                /^hosts\[0\]: expected a host name such as .*without scheme.* \(got "web:2376"\)\.$/,
            ],
            [{ hosts: [] }, /^hosts: expected the names and addresses that clients use/],
            [{ use: "both" }, /^use: expected "server" or "client" \(got "both"\)/],
            [{ algorithm: "RSA-1024" }, /^algorithm: expected "ECDSA-P256", "RSA-2048"/],
            [{ validity: "1 year" }, /^validity: expected a length of time such as "90d"/],
            [{ validity: "10d", renewBefore: "10d" }, /^renewBefore: expected less than validity, which is "10d"/],
            [{ commonName: "x".repeat(65) }, /^commonName: expected a name of at most 64 characters/],
            [{ host: ["web"] }, /^host: there is no such argument; did you mean hosts\?/],
            [
                { authority: { ...authority, certificate: "ca.pem" } },
                /^authority\.certificate: expected the text of a certi/,
            ],
            [{ authority: { ...authority, certificate: leaf.certificate } }, /^authority\.certificate: .*CA:FALSE/],
            [
                { authority: { ...authority, privateKey: other.outs.privateKey } },
                /^authority\.privateKey: .*another one/,
            ],
            [
                { authority: { ...authority, privateKey: authority.certificate } },
                /^authority\.privateKey: expected the text/,
            ],
            [
                { authority: { ...authority, intermediates: "x" } },
                /^authority\.intermediates: expected the text of a cert/,
            ],
        ] as const) {
            const found = await problems(tlsCert, { ...valid, ...args });
            expect(found[0]).toMatch(problem);
            expect(found.join()).not.toMatch(/BEGIN PRIVATE KEY-----\\n|got "-----/);
        }
        expect(await problems(tlsCert, { ...valid, use: "client", hosts: undefined })).toEqual([]);
    });

    it("is checked as far as it is known in a preview", async () => {
        const authority = { certificate: unknownValue, privateKey: unknownValue, intermediates: unknownValue };
        const check = async (args: Json) => problems(tlsCert, { commonName: "web", authority, ...args });
        expect(await check({ hosts: ["web", unknownValue] })).toEqual([]);
        expect(await check({ hosts: ["we b", unknownValue] })).toEqual([expect.stringMatching(/^hosts\[0\]/)]);
        expect(await check({ hosts: ["web"], validity: "9x" })).toEqual([expect.stringMatching(/^validity/)]);
    });
});

describe("TlsAuthority", () => {
    it("shows that its time has come in a preview and in a refresh, and is renewed for the same key", async () => {
        const ca = await newCa();
        expect(ca.outs).toMatchObject({ expiresAt: "2036-12-29T12:00:00.000Z", renewAt: "2035-12-29T12:00:00.000Z" });
        expect(ca.outs).toMatchObject({
            generation: 1,
            intermediates: "",
            bundle: ca.outs.certificate,
            status: "valid",
        });
        wait(3_283);
        expect(await ca.preview()).toBe("same");
        wait(3_285);
        expect(await ca.preview()).toBe("update");
        expect(await ca.refresh()).toBe("due for renewal, expires on 2036-12-29");
        const before = await ca.update();
        expect(keyOf(ca.outs)).toBe(keyOf(before));
        expect(ca.outs.bundle).toBe(ca.outs.certificate);
    });

    it("trusts a retired key for the overlap, which can be shortened later", async () => {
        const ca = await newCa();
        await ca.update({ rotate: "a" });
        expect((ca.outs.bundle as string).match(/BEGIN/g)).toHaveLength(2);
        expect((ca.outs.intermediates as string).match(/BEGIN/g)).toHaveLength(1);
        wait(10);
        expect(await ca.preview()).toBe("same");
        await ca.update({ overlap: "9d" });
        expect(ca.outs).toMatchObject({ bundle: ca.outs.certificate, intermediates: "", generation: 2 });
    });

    it("refuses wrong arguments with what would be right", async () => {
        expect(await problems(tlsCa, { commonName: "" })).toEqual([
            expect.stringMatching(/^commonName: .*not an empty/),
        ]);
        expect(await problems(tlsCa, { commonName: "a", overlap: "30" })).toEqual([
            'overlap: expected a length of time such as "90d", or "0"; the units are s, m, h, d and w (got "30").',
        ]);
        expect(await problems(tlsCa, { commonName: "a", overlap: "0" })).toEqual([]);
    });

    it("asks for an update when its record cannot be understood, and does not end the preview", async () => {
        const ca = await newCa();
        ca.outs.certificate = "gone";
        expect(await ca.preview()).toBe("update");
    });
});
