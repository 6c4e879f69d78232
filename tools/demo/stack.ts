import { spawn } from "node:child_process";
import { mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import type { Connection } from "../../src/ssh";

const root = join(__dirname, "..", "..");
const configFile = "Pulumi.demo.yaml";

/** Thrown when the user pressed Ctrl-C: the story ends, what it started is cleaned up. */
export class Interrupted extends Error {
    constructor() {
        super("Interrupted. What the demo had started is gone again.");
    }
}

/** The quickstart example as a stack of the real Pulumi CLI, with its state in a temporary directory. */
export class DemoStack {
    private interrupted = false;

    /** @returns a stack of examples/quickstart with these machines as its configuration */
    static async create(binDirectory: string, connections: Connection[]): Promise<DemoStack> {
        const stack = new DemoStack(mkdtempSync(join(tmpdir(), "pulumi-docker-fleet-demo-")), binDirectory);
        // Ctrl-C reaches the CLI as well, which ends what it is doing in an orderly way; we go on with the cleaning up.
        process.on("SIGINT", () => {
            stack.interrupted = true;
        });
        await stack.call(["stack", "init", "demo"], "quiet");
        // init puts the stack's settings beside Pulumi.yaml; they belong to the demo's own files.
        renameSync(join(root, configFile), join(stack.directory, configFile));
        const [{ user, password, privateKey } = {} as Connection] = connections;
        for (const [index, { host }] of connections.entries()) {
            await stack.call(["config", "set", "--path", `hosts[${index}]`, host], "quiet");
        }
        if (user) await stack.call(["config", "set", "user", user], "quiet");
        // Through stdin: an argument could be seen in the process list.
        if (password) await stack.call(["config", "set", "--secret", "password"], "quiet", password);
        if (privateKey) await stack.call(["config", "set", "--secret", "privateKey"], "quiet", privateKey);
        return stack;
    }

    private constructor(
        private readonly directory: string,
        private readonly binDirectory: string,
    ) {}

    /** Runs a command of the CLI with its own output. */
    async run(...command: string[]): Promise<void> {
        console.log(`   $ pulumi ${command.join(" ")}\n`);
        await this.call(command, "show");
    }

    /** Whether Docker was on all the machines before us. */
    async adopted(): Promise<boolean> {
        const state = JSON.parse(await this.call(["stack", "export"], "quiet")) as {
            deployment: { resources: { type: string; outputs?: { adopted?: boolean } }[] };
        };
        const hosts = state.deployment.resources.filter(({ type }) => type.endsWith(":DockerHost"));
        return hosts.every(({ outputs }) => outputs?.adopted);
    }

    /** Deletes the stack's files; with `destroy` first everything on the machines that the stack brought. */
    async remove(options: { destroy: boolean }): Promise<void> {
        if (options.destroy) {
            this.interrupted = false;
            await this.call(["cancel", "--yes"], "quiet").catch(() => {});
            await this.call(["destroy", "--yes", "--skip-preview"], "show").catch((error: Error) =>
                console.error(error.message),
            );
        }
        rmSync(this.directory, { recursive: true, force: true });
    }

    private call(command: string[], output: "show" | "quiet", stdin = ""): Promise<string> {
        if (this.interrupted) throw new Interrupted();
        const child = spawn(
            join(this.binDirectory, "pulumi"),
            [
                "--non-interactive",
                "--color",
                process.stdout.isTTY ? "always" : "never",
                "--cwd",
                root,
                ...command,
                ...this.common(command),
            ],
            {
                env: this.environment(),
                stdio: ["pipe", output === "show" ? "inherit" : "pipe", output === "show" ? "inherit" : "pipe"],
            },
        );
        let text = "";
        child.stdout?.on("data", (chunk) => {
            text += chunk;
        });
        let errors = "";
        child.stderr?.on("data", (chunk) => {
            errors += chunk;
        });
        child.stdin?.end(stdin);
        return new Promise((resolve, reject) => {
            child.on("error", reject);
            child.on("close", (code) => {
                if (this.interrupted) reject(new Interrupted());
                else if (code === 0) resolve(text);
                else reject(new Error(`pulumi ${command[0]} failed (exit code ${code}). ${errors}`));
            });
        });
    }

    private common(command: string[]): string[] {
        const settings = ["--config-file", join(this.directory, configFile)];
        switch (command[0]) {
            case "stack":
                return command[1] === "init" ? [] : ["--stack", "demo"];
            case "cancel":
                return ["--stack", "demo"];
            default:
                return ["--stack", "demo", ...settings];
        }
    }

    private environment(): NodeJS.ProcessEnv {
        const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("PULUMI_"));
        return {
            ...Object.fromEntries(inherited),
            PATH: `${this.binDirectory}${delimiter}${process.env.PATH}`,
            PULUMI_HOME: join(this.directory, "home"),
            PULUMI_BACKEND_URL: `file://${this.directory}`,
            PULUMI_CONFIG_PASSPHRASE: "demo",
            PULUMI_SKIP_UPDATE_CHECK: "true",
            PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
        };
    }
}
