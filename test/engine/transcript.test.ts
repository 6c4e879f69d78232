import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FixtureFleet } from "../support/fixture-fleet";
import { type FixturePackage, fixturePackage } from "../support/fixture-package";
import { PulumiProject } from "../support/pulumi";

jest.setTimeout(180_000);

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
    fleet.declare({ name: "a", args: { connection: { host: "a" } } });
});

afterAll(async () => {
    await project?.remove();
    fixture?.remove();
});

const unwritable = (output: string) =>
    expect(output).toMatch(
        /\[TRANSCRIPT_UNWRITABLE\] The transcript \/.*\/missing\/audit\.jsonl cannot be written: ENOENT.* Set dockerfleet:transcript/,
    );

it("that cannot be written ends a run of the program before anything is done, without a stack trace", async () => {
    await project.config("dockerfleet:transcript", "missing/audit.jsonl");
    const { output } = await project.up([], { expect: "failure" });
    unwritable(output);
    expect(output).not.toMatch(/^ +at /m);
    expect(fleet.log("a")).toEqual([]);
});

it("is, for a refresh and a destroy without the program, the one of the last up, and ends them when it cannot be written", async () => {
    const file = join(project.directory, "audits", "audit.jsonl");
    mkdirSync(join(project.directory, "audits"));
    await project.config("dockerfleet:transcript", "audits/audit.jsonl");
    await project.up();
    const done = fleet.log("a").length;
    await project.config("dockerfleet:transcript", "elsewhere.jsonl");
    rmSync(join(project.directory, "audits"), { recursive: true });
    for (const command of ["refresh", "destroy"]) {
        const run = [command, "--yes", "--skip-preview"];
        const { output } = await project.run(run, { expect: "failure" });
        expect(output).toMatch(
            /\[TRANSCRIPT_UNWRITABLE\] The transcript \/.*\/audits\/audit\.jsonl cannot .* last `pulumi up`/,
        );
    }
    expect(fleet.log("a")).toHaveLength(done);
    mkdirSync(join(project.directory, "audits"));
    await project.refresh();
    expect(existsSync(file)).toBe(true);
    // The next up makes the current setting the one that counts.
    await project.up();
    rmSync(file);
    await project.refresh();
    expect(existsSync(file)).toBe(false);
    expect(existsSync(join(project.directory, "elsewhere.jsonl"))).toBe(true);
});

it("lies in the project's directory, also where the program lies below it", async () => {
    await project.config("dockerfleet:transcript", "audit.jsonl");
    await project.up();
    const file = join(project.directory, "audit.jsonl");
    rmSync(file);
    // The provider alone; the program does not run.
    await project.refresh();
    expect(existsSync(file)).toBe(true);

    const below = join(project.directory, "program");
    mkdirSync(below);
    for (const name of ["index.ts", "fleet.json"]) {
        writeFileSync(join(below, name), readFileSync(join(project.directory, name)));
    }
    for (const name of ["node_modules", "machines"]) {
        symlinkSync(join(project.directory, name), join(below, name));
    }
    const manifest = join(project.directory, "Pulumi.yaml");
    writeFileSync(manifest, JSON.stringify({ ...JSON.parse(readFileSync(manifest, "utf8")), main: "program" }));
    for (const command of [() => project.preview(), () => project.destroy()]) {
        rmSync(file);
        await command();
        expect(existsSync(file)).toBe(true);
        expect(existsSync(join(below, "audit.jsonl"))).toBe(false);
    }
});
