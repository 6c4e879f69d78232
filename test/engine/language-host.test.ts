import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { PulumiProject } from "../support/pulumi";

jest.setTimeout(120_000);

const projects: PulumiProject[] = [];

async function createProject(...options: Parameters<typeof PulumiProject.create>): Promise<PulumiProject> {
    const project = await PulumiProject.create(...options);
    projects.push(project);
    return project;
}

/** A program that says that it runs, with its process id, and never ends by itself. */
const hangingProgram = `
    setInterval(() => {}, 1_000);
    console.log("hanging as process " + process.pid);
    export const never = new Promise(() => {});
`;

function occurrences(text: string, part: string): number {
    return text.split(part).length - 1;
}

function isAlive(pid: number): boolean {
    try {
        process.kill(pid, 0);
        return true;
    } catch {
        return false;
    }
}

// Each one checks that no process of its project is left.
afterAll(async () => {
    for (const project of projects) {
        await project.remove();
    }
});

describe("a program", () => {
    let project: PulumiProject;

    beforeAll(async () => {
        project = await createProject({
            program: "",
            runtimeOptions: { nodeargs: "--title='a program' --no-warnings" },
        });
    });

    it("gets the arguments for node, config, config secrets and its place, and its outputs arrive", async () => {
        await project.config("plain", "with space, 'quotes' and ünïcode");
        await project.config("hidden", "s3cr3t-value", { secret: true });
        await project.config("other:key", "of another namespace");
        await project.write(`
            import * as pulumi from "@pulumi/pulumi";
            const config = new pulumi.Config();
            console.log("a line on stdout");
            console.error("a line on stderr");
            export const plain = config.require("plain");
            export const hidden = config.requireSecret("hidden");
            export const isKnownSecret = pulumi.isSecret(config.requireSecret("hidden"));
            export const other = new pulumi.Config("other").require("key");
            export const names = [pulumi.getOrganization(), pulumi.getProject(), pulumi.getStack()];
            export const isDryRun = pulumi.runtime.isDryRun();
            export const root = pulumi.getRootDirectory();
            export const directory = process.cwd();
            export const nodeArguments = process.execArgv;
            console.warn("the secret is not in the arguments: " + !process.argv.join(" ").includes("s3cr3t-value"));
        `);

        const up = await project.up();

        expect(up.output).toContain("a line on stdout");
        expect(up.output).toContain("a line on stderr");
        expect(up.output).toContain("the secret is not in the arguments: true");
        expect(up.output).not.toContain("s3cr3t-value");
        expect(JSON.stringify(await project.export())).not.toContain("s3cr3t-value");
        expect(await project.outputs()).toEqual({
            plain: "with space, 'quotes' and ünïcode",
            hidden: "s3cr3t-value",
            isKnownSecret: true,
            other: "of another namespace",
            names: ["organization", "test", "dev"],
            isDryRun: false,
            root: project.directory,
            directory: project.directory,
            nodeArguments: ["--title=a program", "--no-warnings"],
        });
    });

    it("that knows what is wrong ends the command with its message, shown once and without a stack trace", async () => {
        await project.write(`
            import * as pulumi from "@pulumi/pulumi";
            throw new pulumi.RunError("the reason in plain words");
        `);
        const preview = await project.preview([], { expect: "failure" });
        expect(occurrences(diagnostics(preview.output), "the reason in plain words")).toBe(1);
        expect(preview.output).not.toContain("    at ");
        expect(preview.output).not.toContain("non-zero exit code");
    });

    it("that throws ends the command with message and place, shown once", async () => {
        await project.write(`
            async function breakDown() {
                throw new Error("thrown in a promise");
            }
            breakDown();
        `);
        const preview = await project.preview([], { expect: "failure" });
        expect(occurrences(diagnostics(preview.output), "Error: thrown in a promise")).toBe(1);
        expect(preview.output).toMatch(/index\.ts:3/);
        expect(preview.output).not.toContain("non-zero exit code");
    });

    it("that leaves with an exit code fails with that code", async () => {
        await project.write("process.exit(3);");
        const preview = await project.preview([], { expect: "failure" });
        expect(preview.output).toContain("Program exited with non-zero exit code: 3");
    });

    it("that is killed fails with the signal", async () => {
        await project.write(`process.kill(process.pid, "SIGKILL");`);
        const preview = await project.preview([], { expect: "failure" });
        expect(preview.output).toContain("Program exited unexpectedly: signal SIGKILL");
    });

    it("is stopped by Ctrl-C while it hangs", async () => {
        await project.write(hangingProgram);
        const command = project.spawn(["preview"]);
        await command.waitFor("hanging as process ");
        const start = Date.now();

        command.signalGroup("SIGINT");

        expect((await command.finished).code).not.toBe(0);
        expect(Date.now() - start).toBeLessThan(20_000);
        expect(await project.processesLeft()).toEqual([]);
    });

    it("ends, with its host, when the CLI is killed", async () => {
        await project.write(hangingProgram);
        const command = project.spawn(["preview"]);
        await command.waitFor(/hanging as process \d+/);
        const program = Number(/hanging as process (\d+)/.exec(command.output)![1]);
        expect(isAlive(program)).toBe(true);

        command.signal("SIGKILL");
        await command.finished;

        expect(await project.processesLeft()).toEqual([]);
        // It is dead by now; its entry in the process table stays until init has collected it.
        for (let tries = 0; tries < 50 && isAlive(program); tries++) await pause(100);
        expect(isAlive(program)).toBe(false);
    });

    it("without an installed SDK fails with what to do about it", async () => {
        const bare = await createProject({ program: "export const unreachable = 1;" });
        await rm(join(bare.directory, "node_modules"));
        const preview = await bare.preview([], { expect: "failure" });
        expect(preview.output).toContain("the Pulumi SDK has not been installed. Have you run pulumi install?");
    });
});

it.each(["22", "24"] as const)("runs host and program on Node %s where that is first on PATH", async (node) => {
    const project = await createProject({ node, program: `export const version = process.version;` });
    await project.up();
    expect((await project.outputs()).version).toMatch(new RegExp(`^v${node}\\.`));
    const about = JSON.parse((await project.run(["about", "--json"])).stdout);
    expect(about.runtime.version).toMatch(new RegExp(`^v${node}\\.`));
});

it("shows a type error with file, line and reason", async () => {
    const project = await createProject({ program: `export const port: number = "22";`, typeCheck: true });
    const preview = await project.preview([], { expect: "failure" });
    expect(preview.output).toMatch(/index\.ts.*1.*14/);
    expect(preview.output).toContain("Type 'string' is not assignable to type 'number'");
});

it("serves references to the outputs of another stack, secrets included", async () => {
    const network = await createProject({
        name: "network",
        program: `
            import * as pulumi from "@pulumi/pulumi";
            export const address = "203.0.113.10";
            export const password = pulumi.secret("s3cr3t-output");
        `,
    });
    await network.up();
    const fleet = await createProject({
        name: "fleet",
        backendOf: network,
        program: `
            import * as pulumi from "@pulumi/pulumi";
            const network = new pulumi.StackReference("organization/network/dev");
            export const address = network.requireOutput("address");
            export const password = network.requireOutput("password");
        `,
    });

    const up = await fleet.up();

    expect(up.output).not.toContain("s3cr3t-output");
    expect(await fleet.outputs()).toEqual({ address: "203.0.113.10", password: "s3cr3t-output" });
});

describe("pulumi about", () => {
    it("names the runtime and lists the program's dependencies", async () => {
        const project = await createProject({ program: "" });
        const manifest = { name: "test", main: "index.ts", dependencies: { "@pulumi/pulumi": "*" } };
        await writeFile(join(project.directory, "package.json"), JSON.stringify(manifest));
        const sdk = join(project.directory, "node_modules", "@pulumi", "pulumi", "package.json");

        const about = JSON.parse((await project.run(["about", "--json"])).stdout);

        expect(about.runtime).toMatchObject({ language: "nodejs", version: process.version });
        const { version } = JSON.parse(await readFile(sdk, "utf8"));
        expect(about.dependencies).toEqual([{ name: "@pulumi/pulumi", version }]);
    });
});

describe("pulumi install", () => {
    let project: PulumiProject;
    const install = (options?: Parameters<PulumiProject["run"]>[1]) =>
        project.run(["install", "--no-plugins"], options);
    const writeManifest = (fields: object) =>
        writeFile(join(project.directory, "package.json"), JSON.stringify({ name: "test", private: true, ...fields }));

    beforeAll(async () => {
        project = await createProject({ program: "" });
        await rm(join(project.directory, "node_modules"));
        const dependency = join(project.directory, "dependency");
        await mkdir(dependency);
        await writeFile(join(dependency, "package.json"), JSON.stringify({ name: "dependency", version: "1.2.3" }));
    });

    it("installs the dependencies and shows what the package manager prints", async () => {
        await writeManifest({ dependencies: { dependency: "file:./dependency" } });
        const { output } = await install();
        expect(output).toContain("Installing dependencies...");
        expect(output).toMatch(/added \d+ package/);
        expect(output).toContain("Finished installing dependencies");
        const installed = join(project.directory, "node_modules", "dependency", "package.json");
        expect(JSON.parse(await readFile(installed, "utf8")).version).toBe("1.2.3");
    });

    it("fails, with the reason, when the package manager fails", async () => {
        await writeManifest({ scripts: { postinstall: "echo the script broke >&2; exit 7" } });
        const { output } = await install({ expect: "failure" });
        expect(output).toContain("the script broke");
        expect(output).toContain("npm install failed: exit code 7");
        expect(output).not.toContain("Finished installing");
    });

    it("fails when the project's package manager is not there", async () => {
        await writeFile(
            join(project.directory, "Pulumi.yaml"),
            JSON.stringify({
                name: "test",
                runtime: { name: "nodejs", options: { packagemanager: "no-such-manager" } },
            }),
        );
        const { output } = await install({ expect: "failure" });
        expect(output).toContain("could not run no-such-manager install");
    });
});

/** What is below the heading at the end; the rows above it repeat the last line of each message while it runs. */
function diagnostics(output: string): string {
    return output.slice(output.indexOf("Diagnostics:"));
}
