import { FixtureFleet } from "../support/fixture-fleet";
import type { FixturePackage } from "../support/fixture-package";
import { fixturePackage } from "../support/fixture-package";
import { type DeploymentResource, PulumiProject } from "../support/pulumi";

jest.setTimeout(120_000);

const password = "never-to-be-seen";

let fixture: FixturePackage;
let project: PulumiProject;
let fleet: FixtureFleet;

beforeAll(async () => {
    fixture = fixturePackage();
    project = await PulumiProject.create({
        program: 'module.exports = require("pulumi-docker-fleet/program");',
        packages: { "pulumi-docker-fleet": fixture.directory },
    });
    fleet = new FixtureFleet(project.directory);
});

afterAll(async () => {
    await project?.remove();
    fixture?.remove();
});

afterEach(async () => {
    expect(await project.processesLeft()).toEqual([]);
});

/** A member of the fleet whose machine has its name. */
function member(name: string, args: object = {}) {
    return { name, args: { connection: { host: name, password }, ...args } };
}

async function machines(): Promise<Record<string, DeploymentResource>> {
    const { deployment } = await project.export();
    const found = deployment.resources!.filter(({ type }) => type.endsWith(":Machine"));
    return Object.fromEntries(found.map((resource) => [resource.urn.split("::").at(-1), resource]));
}

describe("a resource's life", () => {
    it("shows phases on the resource's row while it is created, under a component too", async () => {
        fleet.set("a", { slow: 900 });
        fleet.set("b", { slow: 900 });
        fleet.declare({ ...member("a"), parent: "group" }, { ...member("b"), parent: "group" });
        const { output } = await project.up();
        for (const name of ["a", "b"]) {
            for (const phase of ["reading package lists", "installing", "starting"]) {
                expect(output).toMatch(new RegExp(`docker-fleet:Machine ${name} creating .*${name}: ${phase}`));
            }
        }
        expect(output).not.toMatch(/Diagnostics/);
    });

    it("changes nothing when nothing has changed", async () => {
        await project.preview(["--expect-no-changes"]);
    });

    it("shows exactly what differs, nested, and secrets as such", async () => {
        fleet.declare(
            { ...member("a", { settings: { x: { y: 1 } } }), parent: "group" },
            { ...member("b"), parent: "group" },
        );
        const { output } = await project.preview(["--diff"]);
        expect(output).toMatch(/~ settings: \{\n +\+ x: \{\n +\+ y: 1\n/);
        expect(output).not.toMatch(/__provider|__urn/);
        fleet.declare(
            { ...member("a", { connection: { host: "a", password: `${password}2` } }), parent: "group" },
            { ...member("b"), parent: "group" },
        );
        const changed = await project.preview(["--diff"]);
        expect(changed.output).toContain("~ password: [secret] => [secret]");
        expect(changed.output).not.toContain(password);
    });

    it("passes a connection on in a preview, its host known and its secrets secret", async () => {
        fleet.declare(
            { ...member("a", { size: 7 }), parent: "group" },
            { ...member("b"), parent: "group" },
            { name: "c", args: {}, after: "a" },
        );
        const { output } = await project.preview(["--diff"]);
        expect(output).toMatch(/host *: "a"/);
        expect(output).toMatch(/password *: \[secret\]/);
        expect(output).toMatch(/text *: \[unknown\]/);
    });

    it("replaces with the old one removed first", async () => {
        fleet.declare({ ...member("a", { label: "green" }), parent: "group" }, { ...member("b"), parent: "group" });
        await project.up();
        expect(fleet.log("a").map((line) => line.split(":")[0])).toEqual([
            "apply started",
            "apply finished",
            "remove",
            "apply started",
            "apply finished",
        ]);
    });

    it("keeps secrets encrypted in the state and out of everything that is printed", async () => {
        const { output } = await project.run(["stack", "export"]);
        expect(output).not.toContain(password);
        expect(output).not.toContain("token-of-a");
        expect((await machines()).a?.outputs).toMatchObject({
            connection: { host: "a", port: 22, password: { ciphertext: expect.any(String) } },
            token: { ciphertext: expect.any(String) },
            version: "1.0",
        });
        for (const args of [["--json"], ["--diff"]]) {
            fleet.declare({ ...member("a", { size: 9 }), parent: "group" });
            const preview = await project.preview(args);
            expect(preview.output).not.toContain(password);
            expect(preview.output).not.toContain("token-of-a");
        }
    });

    it("is destroyed, and its machine is left empty", async () => {
        await project.destroy();
        expect(fleet.get("a").applied).toBeUndefined();
    });
});

describe("bad arguments", () => {
    it("are refused in the preview with the argument named and no secret printed", async () => {
        fleet.declare({ name: "a", args: { connection: { host: "a", pasword: password }, settings: 5, password } });
        const { output } = await project.preview([], { expect: "failure" });
        expect(output).toContain("argument connection.pasword: there is no such argument; did you mean password?");
        expect(output).toContain("argument settings: expected record (got 5)");
        expect(output).toContain("argument password: there is no such argument; there are directory, connection");
        expect(output).not.toContain(password);
    });
});

describe("drift", () => {
    it("shows as a difference of the input, and is repaired", async () => {
        fleet.clear();
        fleet.declare(member("a", { size: 2 }));
        await project.up();
        fleet.set("a", { applied: { settings: {}, size: 9 } });
        const { output } = await project.preview(["--refresh", "--diff"]);
        expect(output).toMatch(/~ size: 9 => 2/);
        await project.run(["refresh", "--preview-only", "--expect-no-changes"], { expect: "failure" });
        await project.up(["--refresh"]);
        expect(fleet.get("a").applied?.size).toBe(2);
    });

    it("of eight machines is found although one does not answer and one refuses us, and both are reported", async () => {
        const names = Array.from({ length: 10 }, (_, index) => `m${index}`);
        fleet.declare(...names.map((name) => member(name)));
        await project.up();
        for (const name of names) {
            fleet.set(name, { applied: { settings: {}, size: 9 } });
        }
        fleet.set("m4", { refuses: "HOST_UNREACHABLE" });
        fleet.set("m7", { refuses: "AUTHENTICATION_FAILED" });
        const { output } = await project.refresh();
        expect(output).toMatch(/warning: \[HOST_UNREACHABLE\] m4: look at the machine: it says no\./);
        expect(output).toMatch(/error: \[AUTHENTICATION_FAILED\] m7: look at the machine: it says no\./);
        expect(output).toMatch(/8 updated\n.*\n +1 errored/);
        const { m4, m7, ...others } = await machines();
        for (const kept of [m4, m7]) {
            expect(kept?.outputs).toMatchObject({ reachable: false, size: 1, converged: true });
        }
        expect(Object.values(others).map(({ outputs }) => [outputs?.reachable, outputs?.size])).toEqual(
            names.slice(2).map(() => [true, 9]),
        );
    });

    it("does not make a machine that is not reachable look deleted, nor touch it when nothing is to be done", async () => {
        fleet.declare(member("m4"));
        fleet.set("m4", { refuses: "HOST_UNREACHABLE" });
        await project.up(["--target", "**m4"]);
        expect((await machines()).m4?.outputs).toMatchObject({ size: 1 });
        fleet.set("m4", {});
        fleet.set("m7", {});
        await project.destroy();
    });
});

describe("a failure half way", () => {
    it("of a create is shown in full, survives a refresh, and is repaired by the next up", async () => {
        fleet.clear();
        fleet.declare(member("a", { size: 3 }));
        fleet.set("a", { failsHalfWay: true });
        const { output } = await project.up([], { expect: "failure" });
        expect(output).toContain(
            "[REMOTE_COMMAND_FAILED] a: look at the machine: the second half failed. Look after it.",
        );
        expect((await machines()).a).toMatchObject({ id: "machine-a", outputs: { converged: false } });
        await project.refresh();
        expect((await machines()).a?.initErrors).toBeUndefined();
        fleet.set("a", { ...fleet.get("a"), failsHalfWay: false });
        await project.up();
        expect((await machines()).a?.outputs).toMatchObject({ converged: true, size: 3, applies: 2 });
        await project.preview(["--expect-no-changes"]);
    });

    it("of an update is shown in full, survives a refresh, and is repaired by the next up", async () => {
        fleet.declare(member("a", { size: 4, settings: { x: 1 } }));
        fleet.set("a", { ...fleet.get("a"), failsHalfWay: true });
        const { output } = await project.up([], { expect: "failure" });
        expect(output).toContain("the second half failed. Look after it.");
        await project.refresh();
        fleet.set("a", { ...fleet.get("a"), failsHalfWay: false });
        await project.up();
        expect(fleet.get("a").applied).toEqual({ size: 4, settings: { x: 1 } });
        expect((await machines()).a?.outputs?.converged).toBe(true);
    });

    it("by a thrown text ends with that text", async () => {
        fleet.declare(member("a", { size: 5 }));
        fleet.set("a", { ...fleet.get("a"), throwsText: "out of cheese" });
        const { output } = await project.up([], { expect: "failure", timeout: 30_000 });
        expect(output).toContain("out of cheese");
        expect((await machines()).a?.outputs?.size).toBe(4);
    });
});

describe("state of an older schema version", () => {
    it("is understood without a change, and written anew by the next update", async () => {
        fleet.clear();
        fleet.declare(member("a"));
        await project.up();
        const state = await project.export();
        const { outputs } = state.deployment.resources!.find(({ type }) => type.endsWith(":Machine"))!;
        Object.assign(outputs!, { schemaVersion: 1, colour: outputs!.label });
        delete outputs!.label;
        await project.import(state);
        await project.preview(["--expect-no-changes"]);
        fleet.declare(member("a", { size: 2 }));
        await project.up();
        const updated = (await machines()).a?.outputs;
        expect(updated).toMatchObject({ schemaVersion: 2, label: "red", size: 2 });
        expect(updated).not.toHaveProperty("colour");
    });

    it("newer than this package is refused with the way out", async () => {
        const { output } = await project.up([], { expect: "failure", env: { FIXTURE_SCHEMA_VERSION: "1" } });
        expect(output).toMatch(/\[STATE_TOO_NEW\] Machine: .* schema version 2, this package knows 1\. Install/);
    });
});

describe("being interrupted", () => {
    beforeEach(async () => {
        await project.destroy();
        fleet.clear();
        fleet.declare(member("a"), { ...member("b"), after: "a" });
    });

    it("once lets the running create finish, and records it", async () => {
        fleet.set("a", { slow: 2_500 });
        const up = project.spawn(["up", "--yes", "--skip-preview"]);
        await fleet.logged("a", "apply started");
        up.signalGroup("SIGINT");
        expect((await up.finished).code).not.toBe(0);
        expect(Object.keys(await machines())).toEqual(["a"]);
        expect((await machines()).a?.outputs?.converged).toBe(true);
        expect(fleet.log("b")).toEqual([]);
    });

    it("twice ends soon, and the next up takes over what is there", async () => {
        fleet.set("a", { slow: 60_000 });
        const up = project.spawn(["up", "--yes", "--skip-preview"]);
        await fleet.logged("a", "apply started");
        up.signalGroup("SIGINT");
        await up.waitFor("press ^C again");
        const before = Date.now();
        up.signalGroup("SIGINT");
        await up.finished;
        expect(Date.now() - before).toBeLessThan(20_000);
        expect(await project.processesLeft()).toEqual([]);
        fleet.set("a", {});
        expect((await project.up()).output).toContain("1 pending operations");
        expect(Object.keys(await machines())).toEqual(["a", "b"]);
    });

    it.each(["SIGKILL", "SIGHUP"] as const)(
        "by %s leaves no process behind, and the machine finished",
        async (signal) => {
            fleet.set("a", { slow: 2_500 });
            const up = project.spawn(["up", "--yes", "--skip-preview"]);
            await fleet.logged("a", "apply started");
            up.signal(signal);
            await up.finished.catch(() => undefined);
            await fleet.logged("a", "apply finished");
            expect(await project.processesLeft(15_000)).toEqual([]);
            await project.run(["cancel", "--yes"]);
            fleet.set("a", { ...fleet.get("a"), slow: 0 });
            await project.up();
            expect((await machines()).b?.outputs?.converged).toBe(true);
        },
    );
});
