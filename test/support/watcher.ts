import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { LabHost } from "../../lab";
import { leaderPid } from "../../lab/machine";

const script = join(__dirname, "watch.pl");
/** Milliseconds between two looks. */
const interval = "10";

/** What a {@link Watcher} saw. */
export interface Sightings {
    /** One line for each command line, environment variable and file: `args PID …`, `env PID NAME=VALUE`, `file PATH …`. */
    lines: string[];
    /** How often it looked. */
    samples: number;
    /** The longest time between two looks, in ms. */
    longest: number;
}

/** Looks at the process list, and at what lies in directories for temporary files, every 10 ms. */
export class Watcher {
    #output: Buffer[] = [];

    private constructor(private readonly child: ChildProcess) {
        child.stdout!.on("data", (chunk: Buffer) => this.#output.push(chunk));
    }

    /** Watches the processes of this machine with `marker` in their environment. */
    static here(marker: string, directories: string[]): Watcher {
        return new Watcher(
            spawn("perl", [script, marker, interval, ...directories], { stdio: ["pipe", "pipe", "inherit"] }),
        );
    }

    /** Watches all processes of a lab host, from the inside. */
    static async on(host: LabHost, directories: string[]): Promise<Watcher> {
        await host.exec("cat >/run/watch.pl", { input: readFileSync(script) });
        const namespaces = ["-t", `${leaderPid(host.name)}`, "-m", "-u", "-i", "-n", "-p", "-C"];
        const command = ["env", "-i", "/usr/bin/perl", "/run/watch.pl", "", interval, ...directories];
        return new Watcher(spawn("nsenter", [...namespaces, "--", ...command], { stdio: ["pipe", "pipe", "inherit"] }));
    }

    /** Ends it, and tells what it saw. */
    async stop(): Promise<Sightings> {
        const closed = once(this.child, "close");
        this.child.stdin!.end();
        await closed;
        const lines = Buffer.concat(this.#output).toString("latin1").trimEnd().split("\n");
        const [, samples, longest] = /^samples (\d+) longest (\d+)$/.exec(lines.pop()!)!;
        return { lines, samples: Number(samples), longest: Number(longest) };
    }
}
