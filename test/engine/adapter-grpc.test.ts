import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { FixtureFleet } from "../support/fixture-fleet";
import { type FixturePackage, fixturePackage } from "../support/fixture-package";
import { type CallFailed, type ProviderProcess, startProvider } from "../support/provider-process";

const unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const __provider = 'this.handler=_=>require("pulumi-docker-fleet/provider").machine';
const __urn = "urn:pulumi:dev::fixture::pulumi-nodejs:dynamic/docker-fleet:Machine::web";
const password = "do-not-print-me";

jest.setTimeout(120_000);

let fixture: FixturePackage;
let fleet: FixtureFleet;
let provider: ProviderProcess;

beforeAll(async () => {
    fixture = fixturePackage();
    fleet = new FixtureFleet(fixture.program);
    provider = await startProvider(fixture.program, { config: { "fixture:colour": "blue" } });
});

afterAll(async () => {
    await provider.stop();
    fixture.remove();
});

beforeEach(() => {
    fleet.clear();
    provider.lines.length = 0;
});

/** Arguments as a program gives them. */
function args(host: string, more: object = {}) {
    return {
        __provider,
        __urn,
        directory: fleet.machines,
        connection: { host, password },
        ...more,
    };
}

/** Inputs as the engine has them after the check. */
async function inputs(host: string, more: object = {}) {
    return (await provider.check({}, args(host, more))).inputs;
}

async function created(host: string, more: object = {}) {
    return provider.create(await inputs(host, more));
}

async function failing(promise: Promise<unknown>): Promise<CallFailed> {
    return promise.then(
        () => {
            throw new Error("the call succeeded");
        },
        (error) => error,
    );
}

describe("configure", () => {
    it("has finished before the first of several concurrent reads begins", async () => {
        const fresh = await startProvider(fixture.program, { config: { "fixture:colour": "blue" } });
        try {
            const state = { ...(await inputs("a")), schemaVersion: 2, converged: true };
            fleet.set("a", { applied: { settings: {}, size: 1 } });
            await Promise.all([1, 2, 3].map(() => fresh.read("machine-a", state)));
            expect(fleet.log("a")).toEqual(["observe: blue", "observe: blue", "observe: blue"]);
        } finally {
            await fresh.stop();
        }
    });
});

describe("check", () => {
    it("fills in defaults and passes on the engine's own keys", async () => {
        const { inputs, failures } = await provider.check({}, args("a"));
        expect(failures).toEqual([]);
        expect(inputs).toEqual({
            ...args("a"),
            connection: { host: "a", password, port: 22 },
            settings: {},
            size: 1,
            label: "red",
        });
    });

    it("keeps what is unknown, validates what is known, and fills in defaults around it", async () => {
        const news = args("a", {
            connection: { host: unknown, port: 70000 },
            size: unknown,
            settings: { deep: [{ part: unknown }] },
            label: "blue",
        });
        const { inputs, failures } = await provider.check({}, news);
        expect(inputs).toMatchObject({
            connection: { host: unknown },
            size: unknown,
            settings: { deep: [{ part: unknown }] },
        });
        expect(failures.map(({ reason }) => reason)).toEqual([
            "[INVALID_ARGUMENT] Machine: argument connection.port: expected a port up to 65535.",
            '[INVALID_ARGUMENT] Machine: argument label: expected "red" or "green" (got "blue").',
        ]);
    });

    it("accepts a connection of which nothing is known", async () => {
        expect((await provider.check({}, args("a", { connection: unknown }))).failures).toEqual([]);
    });

    it("refuses an argument it does not know and names the nearest one, known or unknown values around it", async () => {
        for (const size of [1, unknown]) {
            const { failures } = await provider.check(
                {},
                { ...args("a", { setings: {}, size }), connection: { hots: "a" } },
            );
            expect(failures.map(({ reason }) => reason).sort()).toEqual([
                "[INVALID_ARGUMENT] Machine: argument connection.host: is missing: expected a host name or address.",
                "[INVALID_ARGUMENT] Machine: argument connection.hots: there is no such argument; did you mean host?",
                "[INVALID_ARGUMENT] Machine: argument setings: there is no such argument; did you mean settings?",
            ]);
        }
    });

    it("never names a property to the engine, which would print its value, nor a secret in the reason", async () => {
        const { failures } = await provider.check(
            {},
            args("a", { connection: { host: "a", password: "xy", port: "xy" } }),
        );
        expect(failures).toEqual([
            { property: "", reason: "[INVALID_ARGUMENT] Machine: argument connection.port: expected a port." },
            {
                property: "",
                reason: "[INVALID_ARGUMENT] Machine: argument connection.password: expected a password of three letters or more.",
            },
        ]);
    });

    it("takes null as absent, as a secret that is undefined in the program arrives", async () => {
        const { inputs, failures } = await provider.check({}, args("a", { connection: { host: "a", password: null } }));
        expect(failures).toEqual([]);
        expect(inputs.connection).toEqual({ host: "a", port: 22 });
    });
});

describe("diff", () => {
    it("finds no change where only the order of keys, the URN or the provider text differ", async () => {
        const { id, outs } = await created("a", { settings: { x: 1, y: { a: 1, b: 2 } } });
        const news = await inputs("a", { settings: { y: { b: 2, a: 1 }, x: 1 }, __urn: `${__urn}-renamed` });
        expect(await provider.diff(id, outs, news)).toMatchObject({ changes: false, replaces: [] });
    });

    it("leaves the comparison to the engine where inputs differ, so that it shows nested differences", async () => {
        const { id, outs } = await created("a", { settings: { x: 1 } });
        const news = await inputs("a", { settings: { x: 2 } });
        expect(await provider.diff(id, outs, news)).toEqual({
            changes: undefined,
            replaces: [],
            deleteBeforeReplace: false,
        });
    });

    it("treats an unknown part like a difference", async () => {
        const { id, outs } = await created("a", { settings: { x: 1 } });
        const news = await inputs("a", { settings: { x: unknown } });
        expect(await provider.diff(id, outs, news)).toEqual({
            changes: undefined,
            replaces: [],
            deleteBeforeReplace: false,
        });
    });

    it("replaces where the definition says so, removing the old one first", async () => {
        const { id, outs } = await created("a");
        for (const label of ["green", unknown]) {
            expect(await provider.diff(id, outs, await inputs("a", { label }))).toEqual({
                changes: undefined,
                replaces: ["label"],
                deleteBeforeReplace: true,
            });
        }
    });

    it("asks for an update where only the state says that the machine is not converged", async () => {
        const { id, outs } = await created("a");
        const news = await inputs("a");
        expect((await provider.diff(id, outs, news)).changes).toBe(false);
        expect((await provider.diff(id, { ...outs, converged: false }, news)).changes).toBe(true);
    });

    it("does not throw on a state that is too new; the update says why it cannot be read", async () => {
        const { id, outs } = await created("a");
        const newer = { ...outs, schemaVersion: 3 };
        expect((await provider.diff(id, newer, await inputs("a"))).changes).toBe(true);
        const refused = [
            provider.update(id, newer, await inputs("a")),
            provider.read(id, newer),
            provider.delete(id, newer),
        ];
        for (const call of refused) {
            expect((await failing(call)).message).toContain(
                "[STATE_TOO_NEW] Machine: the state was written with schema version 3",
            );
        }
    });
});

describe("create and update", () => {
    it("record inputs, state and health together", async () => {
        expect(await created("a", { size: 3 })).toEqual({
            id: "machine-a",
            outs: {
                ...(await inputs("a", { size: 3 })),
                applies: 1,
                version: "1.0",
                token: "token-of-a",
                schemaVersion: 2,
                converged: true,
                reachable: true,
            },
        });
    });

    it("keep a half finished resource, with the whole message in the reasons", async () => {
        fleet.set("a", { failsHalfWay: true });
        const { half } = await failing(created("a", { size: 3 }));
        expect(half).toEqual({
            id: "machine-a",
            reasons: ["[REMOTE_COMMAND_FAILED] a: look at the machine: the second half failed. Look after it."],
            properties: expect.objectContaining({
                ...(await inputs("a", { size: 3 })),
                converged: false,
                version: "1.0",
            }),
        });
        const update = await failing(provider.update("machine-a", half!.properties, await inputs("a", { size: 4 })));
        expect(update.half).toMatchObject({ id: "machine-a", properties: { __provider, size: 4, applies: 2 } });
    });

    it("keep a half finished resource whose state is large", async () => {
        fleet.set("a", { failsHalfWay: true });
        const settings = { long: "x".repeat(30_000) };
        expect((await failing(created("a", { settings }))).half?.properties.settings).toEqual(settings);
    });

    it("record nothing when nothing was changed", async () => {
        fleet.set("a", { refuses: "SUDO_PASSWORD_WRONG" });
        const error = await failing(created("a"));
        expect(error.half).toBeUndefined();
        expect(error.message).toContain("[SUDO_PASSWORD_WRONG] a: look at the machine: it says no. Look after it.");
    });

    it("answer with what was thrown, even when that is no Error", async () => {
        fleet.set("a", { throwsText: "out of cheese" });
        expect((await failing(created("a"))).message).toContain("out of cheese");
        const olds = await inputs("a");
        expect((await failing(provider.update("machine-a", olds, olds))).message).toContain("out of cheese");
    });
});

describe("read", () => {
    it("returns what is really there as inputs, and input keys only", async () => {
        const { id, outs } = await created("a", { size: 1 });
        fleet.set("a", { applied: { settings: {}, size: 9 } });
        const read = await provider.read(id, outs);
        expect(read.inputs).toEqual({ ...(await inputs("a")), size: 9 });
        expect(read.props).toEqual({ ...outs, size: 9 });
    });

    it("reports a resource that is gone as deleted", async () => {
        const { id, outs } = await created("a");
        fleet.set("a", {});
        expect(await provider.read(id, outs)).toMatchObject({ id: "", inputs: {} });
    });

    it.each([
        ["HOST_UNREACHABLE", "warning", 2],
        ["HOST_NAME_UNKNOWN", "warning", 2],
        ["CONNECTION_LOST", "warning", 2],
        ["TIMEOUT", "warning", 2],
        ["AUTHENTICATION_FAILED", "error", 3],
        ["HOST_KEY_MISMATCH", "error", 3],
        ["SUDO_PASSWORD_WRONG", "error", 3],
    ] as const)(
        "keeps the last known state when the machine says %s, with one %s on the resource's row",
        async (refuses, _, severity) => {
            const { id, outs } = await created("a");
            fleet.set("a", { refuses });
            const read = await provider.read(id, outs);
            expect(read).toEqual({ id, props: { ...outs, reachable: false }, inputs: await inputs("a") });
            const message = expect.stringContaining(`[${refuses}] a: look at the machine: it says no.`);
            expect(provider.lines).toEqual([{ message, urn: __urn, ephemeral: false, severity }]);
        },
    );

    it("does not make a resource converged that was not", async () => {
        const { id, outs } = await created("a");
        expect((await provider.read(id, { ...outs, converged: false })).props.converged).toBe(false);
        const { outs: repaired } = await provider.update(id, { ...outs, converged: false }, await inputs("a"));
        expect(repaired.converged).toBe(true);
    });
});

describe("delete", () => {
    it("can be done twice", async () => {
        const { id, outs } = await created("a");
        await provider.delete(id, outs);
        await provider.delete(id, outs);
        expect(fleet.get("a").applied).toBeUndefined();
    });

    it("fails when the machine does not answer, and says how to forget it", async () => {
        const { id, outs } = await created("a");
        fleet.set("a", { refuses: "HOST_UNREACHABLE" });
        const { message } = await failing(provider.delete(id, outs));
        expect(message).toMatch(/\[HOST_UNREACHABLE\] a: .*pulumi state delete.*retainOnDelete/);
        expect(provider.output()).not.toMatch(/\n\s+at /);
    });
});

describe("state of an older schema version", () => {
    it("is migrated before diff, read, update and delete see it", async () => {
        const { id, outs } = await created("a");
        const { label, ...rest } = outs;
        const old = { ...rest, colour: label, schemaVersion: 1 };
        const news = await inputs("a");
        expect((await provider.diff(id, old, news)).changes).toBe(false);
        const read = await provider.read(id, old);
        expect(read.props).toEqual(outs);
        expect(read.inputs.label).toBe(label);
        expect((await provider.update(id, old, news)).outs).toEqual({ ...outs, applies: 2 });
        await provider.delete(id, old);
        expect(fleet.log("a")).toContain("remove: red");
        const applies = fleet.log("a").filter((line) => line.startsWith("apply started"));
        expect(applies.at(-1)).toContain('"prior":"red"');
    });
});

describe("live lines", () => {
    it("show each phase once, on the resource's row, and do not stay", async () => {
        fleet.set("a", { slow: 30 });
        await created("a");
        expect(provider.lines).toEqual(
            ["reading package lists", "installing", "starting"].map((phase) => ({
                message: `a: ${phase}`,
                urn: __urn,
                ephemeral: true,
                severity: 1,
            })),
        );
    });

    it("do not disturb the work when the engine does not take them", async () => {
        const lonely = await startProvider(fixture.program);
        try {
            fleet.set("a", { slow: 30 });
            const news = await inputs("a");
            lonely.killEngine();
            expect((await lonely.create(news)).outs.converged).toBe(true);
        } finally {
            await lonely.stop();
        }
    });
});

describe("the provider process", () => {
    it("finishes what it is doing when the engine is gone, runs its shutdown, and ends itself", async () => {
        const file = join(fixture.program, "shutdown");
        const orphan = await startProvider(fixture.program, { env: { FIXTURE_SHUTDOWN_FILE: file } });
        fleet.set("a", { slow: 7_000 });
        const create = orphan.create(await inputs("a"));
        orphan.killEngine();
        expect((await create).outs.converged).toBe(true);
        expect(orphan.process.exitCode).toBeNull();
        expect(await orphan.ended()).toBe(0);
        expect(readFileSync(file, "utf8")).toBe(`${orphan.process.pid}\n`);
        await orphan.stop();
    });

    it("ends at once on SIGINT although something is in flight, after closing what is open", async () => {
        const file = join(fixture.program, "shutdown-sigint");
        const stopped = await startProvider(fixture.program, { env: { FIXTURE_SHUTDOWN_FILE: file } });
        fleet.set("a", { slow: 20_000 });
        const create = failing(stopped.create(await inputs("a")));
        await fleet.logged("a", "apply started");
        const before = Date.now();
        stopped.process.kill("SIGINT");
        await stopped.ended();
        expect(Date.now() - before).toBeLessThan(10_000);
        expect(existsSync(file)).toBe(true);
        await create;
        await stopped.stop();
    });
});
