import { spawn } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { ensurePulumi } from "../../tools/pulumi-cli";
import { ensureNode, type NodeLine } from "../../tools/pulumi-cli/node";

const repository = join(__dirname, "..", "..");
/** How long a command may take, in ms, where the caller says nothing. */
const defaultTimeout = 120_000;
/** How long processes may take to leave after their command has ended, in ms. */
const leaveWithin = 5_000;

/** What a project is made of. */
export interface ProjectOptions {
    /** The text of index.ts, or the directory whose files make up the program (Pulumi.yaml and package.json included). */
    program: string | { directory: string };
    /** Name of the project; default `test`. */
    name?: string;
    /** Name of the stack that is created; default `dev`. */
    stack?: string;
    /** Further packages the program can load, as name → directory; they win over those of the repository. */
    packages?: Record<string, string>;
    /** The release line of Node to run on; default is the one the tests run on. */
    node?: NodeLine;
    /** Whether the program's types are checked before it runs, which takes a second or two; default false. */
    typeCheck?: boolean;
    /** Options of the runtime in Pulumi.yaml, e.g. `{ nodeargs: "--trace-warnings" }`. */
    runtimeOptions?: Record<string, string | boolean>;
    /** Keeps the state in the backend of this project, so that stack references work between the two. */
    backendOf?: PulumiProject;
    /** Further environment variables of every command. */
    env?: Record<string, string>;
}

/** How a command is run. */
export interface CommandOptions {
    /** The exit code the test counts on: `success` (default) is 0, `failure` any other; `any` leaves it to the caller. */
    expect?: "success" | "failure" | "any";
    /** ms until the command and its children are killed and the call fails; default 120 000. */
    timeout?: number;
    /** Further environment variables. */
    env?: Record<string, string>;
    /** What the command finds on its standard input; default nothing. */
    input?: string;
}

/** How a command ended. */
export interface CommandResult {
    /** Exit code; null when a signal ended it. */
    code: number | null;
    signal: NodeJS.Signals | null;
    stdout: string;
    stderr: string;
    /** Both streams, in the order in which they arrived. */
    output: string;
    /** ms from start to end. */
    duration: number;
}

/** A process that belongs to a project. */
export interface ProjectProcess {
    pid: number;
    command: string;
}

/**
 * A Pulumi project in a temporary directory, worked on with the real CLI: own home, own file backend, own passphrase,
 * and nothing of the PULUMI_* variables of whoever runs the tests.
 *
 * @example
 * const project = await PulumiProject.create({ program: `export const answer = 42;` });
 * await project.up();
 * expect(await project.outputs()).toEqual({ answer: 42 });
 * await project.remove();
 */
export class PulumiProject {
    private constructor(
        /** The project's directory, with Pulumi.yaml. */
        readonly directory: string,
        /** The environment of its commands. */
        readonly env: NodeJS.ProcessEnv,
        /** The name of its stack. */
        readonly stack: string,
        private readonly root: string,
        private readonly pulumi: string,
    ) {}

    /** Lays the project out and creates its stack. */
    static async create(options: ProjectOptions): Promise<PulumiProject> {
        const { binDirectory } = await ensurePulumi((line) => process.stderr.write(`${line}\n`));
        const path = [binDirectory, ...(options.node ? [await ensureNode(options.node)] : []), process.env.PATH];
        const root = await mkdtemp(join(tmpdir(), "pulumi-project-"));
        const directory = join(root, "program");
        const backend = join(root, "state");
        await mkdir(backend);
        await mkdir(directory);
        const env = {
            ...cleanEnvironment(),
            PATH: path.join(delimiter),
            PULUMI_HOME: join(root, "home"),
            PULUMI_BACKEND_URL: options.backendOf?.env.PULUMI_BACKEND_URL ?? `file://${backend}`,
            PULUMI_CONFIG_PASSPHRASE: "correct horse battery staple",
            PULUMI_SKIP_UPDATE_CHECK: "true",
            PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
            ...(options.typeCheck ? {} : { PULUMI_NODEJS_TRANSPILE_ONLY: "true" }),
            ...options.env,
        };
        const stack = options.stack ?? "dev";
        const project = new PulumiProject(directory, env, stack, root, join(binDirectory, "pulumi"));
        try {
            await writeProgram(directory, options);
            await linkPackages(directory, options.packages);
            await project.run(["stack", "init", stack]);
        } catch (error) {
            await project.remove();
            throw error;
        }
        return project;
    }

    /** `pulumi up`; applies without a preview unless the arguments say otherwise. */
    up(args: string[] = [], options?: CommandOptions): Promise<CommandResult> {
        return this.run(["up", "--yes", "--skip-preview", ...args], options);
    }

    /** `pulumi preview`. */
    preview(args: string[] = [], options?: CommandOptions): Promise<CommandResult> {
        return this.run(["preview", ...args], options);
    }

    /** `pulumi refresh`; writes what it found to the state. */
    refresh(args: string[] = [], options?: CommandOptions): Promise<CommandResult> {
        return this.run(["refresh", "--yes", "--skip-preview", ...args], options);
    }

    /** `pulumi destroy`. */
    destroy(args: string[] = [], options?: CommandOptions): Promise<CommandResult> {
        return this.run(["destroy", "--yes", "--skip-preview", ...args], options);
    }

    /** The state as `pulumi stack export` gives it, secrets encrypted. */
    async export(): Promise<{ version: number; deployment: Deployment }> {
        return JSON.parse((await this.run(["stack", "export"])).stdout);
    }

    /** Replaces the state, as `pulumi stack import` does. */
    async import(state: { version: number; deployment: Deployment }): Promise<void> {
        const file = join(this.root, "import.json");
        await writeFile(file, JSON.stringify(state));
        await this.run(["stack", "import", "--file", file]);
    }

    /** The outputs of the stack, secrets in clear text. */
    async outputs(): Promise<Record<string, unknown>> {
        return JSON.parse((await this.run(["stack", "output", "--json", "--show-secrets"])).stdout);
    }

    /** Sets a value of the stack's configuration. A secret one is in no command line. */
    async config(key: string, value: string, options: { secret?: boolean } = {}): Promise<void> {
        if (options.secret) {
            await this.run(["config", "set", "--secret", key], { input: value });
        } else {
            await this.run(["config", "set", "--plaintext", key, "--", value]);
        }
    }

    /** Replaces the text of the program. */
    async write(program: string): Promise<void> {
        await writeFile(join(this.directory, "index.ts"), program);
    }

    /**
     * Runs any command of the CLI to its end.
     *
     * @throws Error with all the output, when the exit code is not the one expected or the time is up.
     */
    async run(args: string[], options: CommandOptions = {}): Promise<CommandResult> {
        const result = await this.spawn(args, options).finished;
        const expectation = options.expect ?? "success";
        if (expectation !== "any" && (result.code === 0) !== (expectation === "success")) {
            const title = `pulumi ${args.join(" ")}: ${expectation} expected`;
            throw new Error(`${title}, exit code ${result.code ?? result.signal}\n${result.output}`);
        }
        return result;
    }

    /** Starts a command of the CLI, in a process group of its own, and leaves the rest to the caller. */
    spawn(args: string[], options: Pick<CommandOptions, "timeout" | "env" | "input"> = {}): RunningCommand {
        return new RunningCommand(this.pulumi, ["--non-interactive", "--color", "never", ...args], {
            cwd: this.directory,
            env: { ...this.env, ...options.env },
            timeout: options.timeout ?? defaultTimeout,
            input: options.input,
        });
    }

    /** Every process that was started by a command of this project and still lives (Linux; empty elsewhere). */
    async processes(): Promise<ProjectProcess[]> {
        const found: ProjectProcess[] = [];
        for (const entry of await readdir("/proc").catch(() => [])) {
            const pid = Number(entry);
            if (Number.isInteger(pid) && pid !== process.pid) {
                const environment = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
                const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
                if (environment.split("\0").includes(`PULUMI_HOME=${this.env.PULUMI_HOME}`) && command !== "") {
                    found.push({ pid, command: command.replaceAll("\0", " ").trim() });
                }
            }
        }
        return found;
    }

    /** Waits until no process of the project lives; returns those that still do after `timeout` ms (default 5 000). */
    async processesLeft(timeout = leaveWithin): Promise<ProjectProcess[]> {
        const deadline = Date.now() + timeout;
        let left = await this.processes();
        while (left.length > 0 && Date.now() < deadline) {
            await pause(100);
            left = await this.processes();
        }
        return left;
    }

    /**
     * Deletes the project with its state. It destroys no resources.
     *
     * @throws Error naming the processes that were left behind; they are killed.
     */
    async remove(): Promise<void> {
        const left = await this.processesLeft();
        for (const { pid } of left) {
            try {
                process.kill(pid, "SIGKILL");
            } catch {
                // It has ended meanwhile.
            }
        }
        await rm(this.root, { recursive: true, force: true, maxRetries: 3 });
        if (left.length > 0) {
            throw new Error(`processes left behind: ${left.map(({ pid, command }) => `${pid} ${command}`).join("; ")}`);
        }
    }
}

/** The part of an exported state that tests look into. */
export interface Deployment {
    resources?: DeploymentResource[];
    pending_operations?: { type: string; resource: DeploymentResource }[];
    [key: string]: unknown;
}

/** A resource in an exported state. */
export interface DeploymentResource {
    urn: string;
    type: string;
    id?: string;
    inputs?: Record<string, unknown>;
    outputs?: Record<string, unknown>;
    initErrors?: string[];
    [key: string]: unknown;
}

/** A command of the CLI while it runs. */
export class RunningCommand {
    /** Process id of the CLI; the number of its process group, too. */
    readonly pid: number;
    /** Resolves when the command has ended and its output is complete; rejects when it took too long. */
    readonly finished: Promise<CommandResult>;
    /** Everything it has printed so far, both streams. */
    output = "";
    private readonly listeners = new Set<() => void>();

    constructor(
        command: string,
        args: string[],
        options: { cwd: string; env: NodeJS.ProcessEnv; timeout: number; input?: string },
    ) {
        const start = Date.now();
        const title = ["pulumi", ...args].join(" ");
        const child = spawn(command, args, {
            cwd: options.cwd,
            env: options.env,
            stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
            detached: true,
        });
        child.stdin?.end(options.input);
        this.pid = child.pid!;
        const streams = { stdout: "", stderr: "" };
        for (const name of ["stdout", "stderr"] as const) {
            child[name]!.setEncoding("utf8").on("data", (text: string) => {
                streams[name] += text;
                this.output += text;
                this.tell();
            });
        }
        this.finished = new Promise<CommandResult>((resolve, reject) => {
            const deadline = setTimeout(() => {
                this.signalGroup("SIGKILL");
                // A process that left the group may keep the streams open for ever.
                child.stdout!.destroy();
                child.stderr!.destroy();
                reject(new Error(`${title}: not finished after ${options.timeout} ms\n${this.output}`));
            }, options.timeout);
            child.once("error", (error) => {
                clearTimeout(deadline);
                reject(error);
            });
            child.once("close", (code, signal) => {
                clearTimeout(deadline);
                resolve({ code, signal, ...streams, output: this.output, duration: Date.now() - start });
            });
        });
        const settled = () => {
            this.ended = true;
            this.tell();
        };
        // Whoever only waits for a text must not bring the test process down with an unhandled rejection.
        this.finished.then(settled, settled);
    }

    private ended = false;

    private tell(): void {
        for (const listener of this.listeners) {
            listener();
        }
    }

    /** Sends a signal to the CLI alone. */
    signal(signal: NodeJS.Signals): void {
        process.kill(this.pid, signal);
    }

    /** Sends a signal to the CLI's whole process group, as Ctrl-C in a terminal does. */
    signalGroup(signal: NodeJS.Signals): void {
        try {
            process.kill(-this.pid, signal);
        } catch (error) {
            if ((error as NodeJS.ErrnoException).code !== "ESRCH") {
                throw error;
            }
        }
    }

    /**
     * Waits until the output contains a text.
     *
     * @throws Error with the output so far, when the command ends or `timeout` ms (default 60 000) pass before that.
     */
    waitFor(text: string | RegExp, timeout = 60_000): Promise<void> {
        const matches = () => (typeof text === "string" ? this.output.includes(text) : text.test(this.output));
        return new Promise((resolve, reject) => {
            const finish = (settle: () => void) => {
                clearTimeout(timer);
                this.listeners.delete(look);
                settle();
            };
            const fail = (reason: string) =>
                finish(() => reject(new Error(`${text} did not show up: ${reason}\n${this.output}`)));
            const look = () => {
                if (matches()) {
                    finish(resolve);
                } else if (this.ended) {
                    fail("the command has ended");
                }
            };
            const timer = setTimeout(() => fail(`${timeout} ms have passed`), timeout);
            this.listeners.add(look);
            look();
        });
    }
}

/** The environment without what would lead the CLI, or node below it, astray. */
function cleanEnvironment(): NodeJS.ProcessEnv {
    const isKept = (name: string) => !/^(PULUMI_|JEST_|NODE_OPTIONS$|NODE_ENV$|NODE_PATH$)/.test(name);
    return Object.fromEntries(Object.entries(process.env).filter(([name]) => isKept(name)));
}

async function writeProgram(directory: string, options: ProjectOptions): Promise<void> {
    if (typeof options.program !== "string") {
        await cp(options.program.directory, directory, {
            recursive: true,
            filter: (source) => !source.endsWith("/node_modules") && !/\/Pulumi\.[^/]+\.yaml$/.test(source),
        });
        return;
    }
    const name = options.name ?? "test";
    const runtime = { name: "nodejs", options: options.runtimeOptions ?? {} };
    // JSON is YAML, too.
    await writeFile(join(directory, "Pulumi.yaml"), JSON.stringify({ name, runtime }));
    await writeFile(join(directory, "package.json"), JSON.stringify({ name, private: true, main: "index.ts" }));
    await writeFile(join(directory, "index.ts"), options.program);
}

/** Makes the packages of the repository, this one among them, resolvable from the program. */
async function linkPackages(directory: string, packages: Record<string, string> | undefined): Promise<void> {
    const source = join(repository, "node_modules");
    const target = join(directory, "node_modules");
    if (packages === undefined) {
        await symlink(source, target);
        return;
    }
    const scopes = new Set(Object.keys(packages).flatMap((name) => (name.includes("/") ? [name.split("/")[0]!] : [])));
    await mkdir(target);
    for (const name of await readdir(source)) {
        if (scopes.has(name)) {
            await mkdir(join(target, name));
            for (const member of await readdir(join(source, name))) {
                if (!(`${name}/${member}` in packages)) {
                    await symlink(join(source, name, member), join(target, name, member));
                }
            }
        } else if (!(name in packages)) {
            await symlink(join(source, name), join(target, name));
        }
    }
    for (const [name, home] of Object.entries(packages)) {
        await mkdir(dirname(join(target, name)), { recursive: true });
        await symlink(home, join(target, name));
    }
}
