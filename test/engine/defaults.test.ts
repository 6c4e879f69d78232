import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FixtureFleet } from "../support/fixture-fleet";
import { type FixturePackage, fixturePackage } from "../support/fixture-package";
import { PulumiProject } from "../support/pulumi";

jest.setTimeout(180_000);

const password = "pass-of-the-stack-6612";
const user = "hidden-user-9921";

let fixture: FixturePackage;
let project: PulumiProject;
let fleet: FixtureFleet;
let directory: string;
let privateKey: string;

beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "docker-fleet-defaults-"));
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(directory, "key")]);
    privateKey = readFileSync(join(directory, "key"), "utf8");
    fixture = fixturePackage();
    project = await PulumiProject.create({
        program: 'module.exports = require("pulumi-docker-fleet/program");',
        packages: { "pulumi-docker-fleet": fixture.directory },
    });
    fleet = new FixtureFleet(project.directory);
    fleet.declare({ name: "a", args: { connection: { host: "a" } } }, { name: "b", args: {}, after: "a" });
});

afterAll(async () => {
    await project?.remove();
    fixture?.remove();
    rmSync(directory, { recursive: true, force: true });
});

async function connections(): Promise<Record<string, unknown>> {
    const { deployment } = await project.export();
    const machines = deployment.resources!.filter(({ type }) => type.endsWith(":Machine"));
    return Object.fromEntries(machines.map(({ urn, inputs }) => [urn.split("::").at(-1), inputs?.connection]));
}

it("the stack's configuration fills a connection, visibly in preview and state, and secrets are neither", async () => {
    await project.config("dockerfleet:port", "2222");
    await project.config("dockerfleet:user", user, { secret: true });
    await project.config("dockerfleet:password", password, { secret: true });
    for (const args of [["--diff"], ["--json"]]) {
        const { output } = await project.preview(args);
        expect(output).toMatch(/"?port"? *: 2222/);
        expect(output).not.toContain(password);
        expect(output).not.toContain(user);
    }
    await project.up();
    const { stdout } = await project.run(["stack", "export"]);
    expect(stdout).not.toContain(password);
    expect(stdout).not.toContain(user);
    const secret = { ciphertext: expect.any(String) };
    const filled = { host: "a", port: 2222, user: secret, password: secret };
    expect(await connections()).toMatchObject({ a: filled, b: filled });
    await project.preview(["--expect-no-changes"]);
});

it("a changed configuration is a change of every connection that takes its value from there", async () => {
    await project.run(["config", "rm", "dockerfleet:password"]);
    await project.config("dockerfleet:privateKey", privateKey, { secret: true });
    const { output } = await project.preview(["--diff"]);
    expect(output).toMatch(/- password *: \[secret\]/);
    expect(output).toMatch(/\+ privateKey *: \[secret\]/);
    expect(output).toContain("~ 2 to update");
    await project.up();
    expect((await connections()).a).not.toHaveProperty("password");
    expect((await project.run(["stack", "export"])).stdout).not.toContain(privateKey.split("\n")[2]);
});

it("a connection that is not known in the preview gets its defaults when it is", async () => {
    fleet.declare();
    await project.write(`
        const pulumi = require("@pulumi/pulumi");
        const { Machine } = require("pulumi-docker-fleet/program");
        const directory = require("node:path").join(process.cwd(), "machines");
        const a = new Machine("a", { directory, connection: { host: "a" } });
        new Machine("c", { directory, connection: a.version.apply((version) => ({ host: "host-" + version })) });
    `);
    await project.destroy();
    const { output } = await project.preview(["--diff"]);
    expect(output).toMatch(/connection *: \[unknown\]/);
    await project.up();
    expect((await connections()).c).toMatchObject({ host: "host-1.0", port: 2222, privateKey: expect.anything() });
});

it("a misspelled setting ends the preview with the right name, without a stack trace and without its value", async () => {
    await project.config("dockerfleet:pasword", password, { secret: true });
    const { output } = await project.preview([], { expect: "failure" });
    expect(output).toContain(
        "[INVALID_ARGUMENT] dockerfleet:pasword: there is no such setting; did you mean dockerfleet:password?",
    );
    expect(output).not.toContain(password);
    expect(output).not.toMatch(/^ +at /m);
});
