import { daemon, tlsCa, tlsCert } from "../../../src/provider";
import { type Json, unknownValue } from "../../../src/provider/json";

const connection = { host: "203.0.113.10" };
let ca: Json;
let server: Json;
let client: Json;
let tls: Json;

beforeAll(async () => {
    const make = async (provider: typeof tlsCa, args: Json) => {
        const { outs } = await provider.create((await provider.check({}, args)).inputs);
        return outs;
    };
    ca = await make(tlsCa, { commonName: "ca" });
    const authority = { certificate: ca.certificate, privateKey: ca.privateKey };
    server = await make(tlsCert, { commonName: "server", hosts: ["203.0.113.10"], authority });
    client = await make(tlsCert, { commonName: "client", use: "client", authority });
    tls = { ca: ca.bundle, cert: server.certificate, key: server.privateKey };
});

/** What a preview refuses, each without its common beginning. */
async function problems(args: Json): Promise<string[]> {
    const { failures } = await daemon.check({}, { connection, ...args });
    return failures.map(({ reason }) => reason.replace("[INVALID_ARGUMENT] DaemonConfig: argument ", ""));
}

describe("the argument api of a DaemonConfig", () => {
    it("takes TLS with certificates, also while they are not known yet", async () => {
        expect(await problems({ api: { tcp: { tls } } })).toEqual([]);
        expect(
            await problems({ api: { tcp: { tls: { ca: unknownValue, cert: unknownValue, key: unknownValue } } } }),
        ).toEqual([]);
        expect(await problems({ api: { tcp: { tls, address: "::", port: 4243 } } })).toEqual([]);
    });

    it("refuses what is open, contradicts itself, or cannot work, and shows nothing of a key", async () => {
        const hosts = ["fd://", "tcp://0.0.0.0:2376"];
        for (const [args, problem] of [
            [{ api: { tcp: {} } }, /^api\.tcp: it needs tls, .*everybody who reaches the port is root/],
            [{ api: { tcp: { allowUnprotected: false } } }, /^api\.tcp: it needs tls/],
            [
                { api: { tcp: { tls, allowUnprotected: true } } },
                /^api\.tcp\.allowUnprotected: with tls it means nothing/,
            ],
            [{ api: { tcp: { tls, port: 1 } }, settings: { hosts } }, /^api\.tcp\.port: settings\.hosts says/],
            [{ api: { tcp: { tls } }, settings: { tlscacert: "/ca.pem" } }, /^api\.tcp\.tls: it sets tlscacert/],
            [{ api: { tcp: { tls, address: "web" } } }, /^api\.tcp\.address: expected an IP address/],
            [
                { api: { tcp: { tls: { ...tls, cert: client.certificate } } } },
                /^api\.tcp\.tls\.cert: .*for another use/,
            ],
            [{ api: { tcp: { tls: { ...tls, key: client.privateKey } } } }, /^api\.tcp\.tls\.key: .*another one/],
            [
                { api: { tcp: { tls: { ...tls, ca: "/etc/ca.pem" } } } },
                /^api\.tcp\.tls\.ca: expected the text of a cert/,
            ],
            [{ settings: { hosts } }, /^settings\.hosts: tcp:.*makes everybody who reaches that port root/],
        ] as const) {
            const found = await problems(args);
            expect(found[0]).toMatch(problem);
            expect(found.join()).not.toContain("PRIVATE KEY-----\\n");
        }
    });

    it("lets those who insist open a port to everybody, with a warning each time", async () => {
        const warn = jest.spyOn(console, "warn").mockImplementation(() => {});
        try {
            const settings = { hosts: ["unix:///var/run/docker.sock", "tcp://192.0.2.10:6066"] };
            const api = { tcp: { allowUnprotected: true } };
            expect(await problems({ settings, api })).toEqual([]);
            expect(await problems({ api })).toEqual([]);
            expect(warn.mock.calls.flat()).toEqual(Array(2).fill(expect.stringMatching(/^allowUnprotected is set/)));
        } finally {
            warn.mockRestore();
        }
    });
});
