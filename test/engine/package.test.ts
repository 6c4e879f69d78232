import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import type { NodeLine } from "../../tools/pulumi-cli/node";
import { ensureNode } from "../../tools/pulumi-cli/node";
import { installPacked, type PackedPackage, packPackage } from "../support/packed";
import { freePort } from "../support/ports";
import { PulumiProject } from "../support/pulumi";

const run = promisify(execFile);
const root = join(__dirname, "..", "..");
const secret = "never-to-be-seen";
const lines: NodeLine[] = ["20", "22", "24"];

/** A program with one DockerHost; it tells on which Node it runs. */
function program(connection: string, args = ""): string {
    // The reference: without a tsconfig.json, TypeScript 6 finds @types/node only where npm's layout puts it in the way.
    return `
        /// <reference types="node" />
        import * as pulumi from "@pulumi/pulumi";
        import { DockerHost } from "pulumi-docker-fleet";
        const password = new pulumi.Config().requireSecret("password");
        console.log("running on", process.version);
        const web = new DockerHost("web", { connection: { host: "127.0.0.1", user: "admin", ${connection} }, ${args} });
        export const endpoint: pulumi.Output<string> = web.endpoint;
    `;
}

let packed: PackedPackage;
let project: PulumiProject;
/** A server that counts who connects. */
let server: Server;
let port: number;
let connections = 0;

beforeAll(async () => {
    server = createServer((socket) => {
        connections += 1;
        socket.destroy();
    }).listen(0, "127.0.0.1");
    packed = await packPackage();
    project = await PulumiProject.create({ program: program(""), typeCheck: true });
    await project.config("password", secret, { secret: true });
    port = (server.address() as { port: number }).port;
});

afterAll(async () => {
    server?.close();
    await project?.remove();
    await packed?.remove();
});

it("contains what is run and read, and nothing else", () => {
    const outside = packed.files.filter((file) => !file.startsWith("dist/"));
    expect(outside.sort()).toEqual(["LICENSE", "README.md", "package.json"]);
    expect(packed.files.filter((file) => !/(\.js|\.d\.ts|\.sh|LICENSE|README\.md|package\.json)$/.test(file))).toEqual(
        [],
    );
});

it("contains every script that is sent to machines", () => {
    const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" });
    const scripts = sources.filter((file) => file.endsWith(".sh")).map((file) => `dist/${file}`);
    expect(scripts).not.toEqual([]);
    expect(packed.files.filter((file) => file.endsWith(".sh")).sort()).toEqual(scripts.sort());
});

describe.each(lines)("installed into a program on Node %s", (line) => {
    let env: { PATH: string };

    beforeAll(async () => {
        env = await environment(line);
        await installPacked(project, packed, env);
    });

    it("works with the newest Pulumi SDK that admits this Node", async () => {
        const { stdout } = await run("npm", ["view", "@pulumi/pulumi", "version", "engines.node", "--json"]);
        const newest = JSON.parse(stdout) as { version: string; "engines.node": string };
        const installed = join(project.directory, "node_modules", "@pulumi", "pulumi", "package.json");
        const { version } = JSON.parse(readFileSync(installed, "utf8"));
        const admitted = Number(line) >= Number(/\d+/.exec(newest["engines.node"])?.[0]);
        expect(version === newest.version).toBe(admitted);
    });

    it("gives the engine its provider, and keeps its inner modules to itself", async () => {
        const script = `
            const { host } = require("pulumi-docker-fleet/provider");
            let inner = "open";
            try { require("pulumi-docker-fleet/dist/ssh"); } catch (error) { inner = error.code; }
            const loaded = Object.keys(require.cache).some((file) => file.includes("/ssh2/"));
            console.log(JSON.stringify([process.versions.node.split(".")[0], typeof host.check, inner, loaded]));`;
        const { stdout } = await run("node", ["-e", script], {
            cwd: project.directory,
            env: { ...project.env, ...env },
        });
        expect(JSON.parse(stdout)).toEqual([line, "function", "ERR_PACKAGE_PATH_NOT_EXPORTED", false]);
    });

    it("previews a host without connecting to it", async () => {
        connections = 0;
        await project.write(program(`port: ${port}, password`));
        const { output } = await project.preview([], { env });
        expect(output).toContain(`running on v${line}.`);
        expect(output).toMatch(/DockerHost +web +create/);
        expect(output).not.toContain(secret);
        expect(connections).toBe(0);
    });

    it("refuses wrong arguments in the preview, with argument and cure and without secrets", async () => {
        const connection = `port: 0, privateKey: "${secret}", password`;
        await project.write(program(connection, "...({ hodl: true } as object)"));
        const { output } = await project.preview([], { env, expect: "failure" });
        expect(output).toContain("argument connection.port: expected a port from 1 to 65535");
        expect(output).toContain("argument connection.privateKey: ");
        expect(output).toContain("read the file");
        expect(output).toMatch(/argument hodl: .*hold/);
        expect(output).not.toContain(secret);
    });

    it("gives up on a closed port when the tries it was given are used up", async () => {
        const closed = await freePort();
        await project.write(program(`port: ${closed}, password, dialErrorLimit: 1, perDialTimeout: 5`));
        const { output, duration } = await project.up([], { env, expect: "failure" });
        expect(output).toContain(`[HOST_UNREACHABLE] admin@127.0.0.1:${closed}: connect: Connection refused.`);
        expect(output).toContain("Gave up after 2 tries.");
        expect(output).not.toContain(secret);
        // Two tries, each at most 5 s long, a pause of one second, and the engine with its processes.
        expect(duration).toBeLessThan(30_000);
    });
});

it("checks the types of a program against the package's own", async () => {
    await project.write(program(`port: ${port}, password`, 'onDelete: "sometimes"'));
    const { output } = await project.preview([], { expect: "failure" });
    expect(output).toMatch(/Type '"sometimes"' is not assignable/);
});

// Both lay node_modules out in another way than npm: pnpm by links to a store of its own.
it.each(["pnpm", "yarn"] as const)("works in a program whose packages %s installed", async (manager) => {
    const env = await environment("22");
    await installPacked(project, packed, env, manager);
    const closed = await freePort();
    await project.write(program(`port: ${closed}, password, dialErrorLimit: 0`));
    expect((await project.preview([], { env })).output).toMatch(/DockerHost +web +create/);
    const { output } = await project.up([], { env, expect: "failure" });
    expect(output).toContain(`[HOST_UNREACHABLE] admin@127.0.0.1:${closed}: connect: Connection refused.`);
});

/** What differs from the project's own environment on another Node. */
async function environment(line: NodeLine): Promise<{ PATH: string }> {
    const [cli, ...others] = project.env.PATH!.split(delimiter);
    return { PATH: [cli, await ensureNode(line), ...others].join(delimiter) };
}
