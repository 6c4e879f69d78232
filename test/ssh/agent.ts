import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { join } from "node:path";

/** A real ssh-agent of a test. */
export class Agent {
    private constructor(
        readonly socket: string,
        readonly child: ChildProcess,
    ) {}

    /** Starts one whose socket lies in a directory. */
    static async start(directory: string, name = "agent"): Promise<Agent> {
        const socket = join(directory, name);
        const child = spawn("ssh-agent", ["-D", "-a", socket], { stdio: ["ignore", "pipe", "ignore"] });
        await new Promise((resolve) => child.stdout!.once("data", resolve));
        return new Agent(socket, child);
    }

    /** Gives it a private key. */
    add(path: string): void {
        this.#run("-q", path);
    }

    /** Takes every key away. */
    clear(): void {
        this.#run("-q", "-D");
    }

    stop(): void {
        this.child.kill();
    }

    #run(...args: string[]): void {
        execFileSync("ssh-add", args, { env: { ...process.env, SSH_AUTH_SOCK: this.socket }, stdio: "pipe" });
    }
}
