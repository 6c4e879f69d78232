import { daemon, tlsCa, tlsCert } from "../../../src/provider";
import { certificateEnd, certificateStatus } from "../../../src/provider/api";
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

/** What is said on the resource's row when this is done. */
async function warnings(work: () => Promise<unknown>): Promise<string[]> {
    const warn = jest.spyOn(console, "warn").mockImplementation(() => {});
    try {
        await work();
        return warn.mock.calls.flat();
    } finally {
        warn.mockRestore();
    }
}

describe("the certificate of the API", () => {
    const api = () => ({ tcp: { tls: tls as Record<"ca" | "cert" | "key", string> } });
    const day = 86_400_000;

    it("is said to end in its last 14 days, and to have ended then", () => {
        const end = certificateEnd(api())!;
        expect(end.toISOString()).toBe(server.expiresAt);
        const at = (days: number) => certificateStatus(api(), new Date(end.getTime() + days * day));
        const date = end.toISOString().slice(0, 10);
        expect(at(-15)).toBeUndefined();
        expect(at(-13)).toBe(`the certificate of the API expires on ${date}`);
        expect(at(1)).toBe(`the certificate of the API expired on ${date}`);
    });

    it("is not known where there is none, or not yet", () => {
        expect(certificateEnd(undefined)).toBeUndefined();
        expect(certificateStatus({ tcp: { allowUnprotected: true } })).toBeUndefined();
        expect(certificateStatus({ tcp: { tls: { ...api().tcp.tls, cert: unknownValue } } })).toBeUndefined();
    });

    it("is told of by each preview when it ends, whoever has made it", async () => {
        const authority = { certificate: ca.certificate, privateKey: ca.privateKey };
        const args = { commonName: "short", hosts: ["203.0.113.10"], authority, validity: "1s" };
        const { outs } = await tlsCert.create((await tlsCert.check({}, args)).inputs);
        const own = { ca: ca.bundle, cert: outs.certificate, key: outs.privateKey };
        const said = await warnings(() => problems({ api: { tcp: { tls: own } } }));
        expect(said).toEqual([
            expect.stringMatching(
                /^the certificate of the API expire[sd] on \d+-\d+-\d+: give api\.tcp\.tls another one/,
            ),
        ]);
    });
});

describe("a preview of a DaemonConfig", () => {
    /** What it says of a change of arguments, as the engine would ask for it. */
    async function foreseen(before: Json, after: Json): Promise<string[]> {
        const seen = { liveRestore: true, containers: [{ name: "a", comesBack: true }], loaded: {} };
        const state = { plan: "none", pending: [], machineId: "m", hostKey: "k", endpoint: "e", claims: [], seen };
        const checked = async (args: Json) => (await daemon.check({}, { connection, ...args })).inputs;
        const olds = { ...(await checked(before)), ...state, schemaVersion: 1, converged: true };
        const news = await checked(after);
        return await warnings(() => daemon.diff("m", olds, news));
    }
    const kept = "203.0.113.10: restart; live-restore is on, 1 container keeps running, as last seen";
    const settings = { "live-restore": true };

    it("tells of a restart", async () => {
        expect(await foreseen({ settings }, { settings: { ...settings, "log-driver": "local" } })).toEqual([
            `${kept}.`,
        ]);
        expect(await foreseen({ settings }, { settings })).toEqual([]);
    });

    it("tells what a certificate does that is about to be renewed", async () => {
        const renewed = { tcp: { tls: { ...tls, cert: unknownValue } } };
        expect(await foreseen({ settings, api: { tcp: { tls } } }, { settings, api: renewed })).toEqual([
            `${kept}, if what is not known yet changes.`,
        ]);
    });

    it("knows that containers keep running by others' live-restore", async () => {
        expect(await foreseen({ settings: {} }, { settings: { "log-driver": "local" } })).toEqual([`${kept}.`]);
        expect(await foreseen({ settings }, { settings: {} })).toEqual([]);
        expect(await foreseen({ settings }, { settings: { "log-driver": "local" } })).toEqual([
            expect.stringMatching(/restart stops 1 container/),
        ]);
    });

    it("names the machine as it was last reached, where its address is not known yet", async () => {
        const after = { settings: { ...settings, "log-driver": "local" }, connection: unknownValue };
        expect(await foreseen({ settings }, after)).toEqual([`${kept}.`]);
    });

    it("says nothing where whole arguments are not known yet", async () => {
        expect(await foreseen({ settings }, { settings: unknownValue })).toEqual([]);
        expect(await foreseen({ settings }, { settings, api: unknownValue })).toEqual([]);
    });
});
