import { spawn } from "node:child_process";

/**
 * The environment of what makes and runs hosts: without TMPDIR, which leads nowhere inside of a host and may be gone
 * before the host is.
 */
export function environment(): NodeJS.ProcessEnv {
    const { TMPDIR: _, ...rest } = process.env;
    return rest;
}

/** How a program ended. */
export interface Result {
    /** Exit code; 128 + number for a signal. */
    code: number;
    stdout: string;
    stderr: string;
}

/** Settings of {@link run}. */
export interface RunOptions {
    /** Bytes for the program's standard input; default none. */
    input?: string | Buffer;
    /** Milliseconds after which the program is killed and an error is raised; default 60,000. */
    timeout?: number;
    /** Whether an exit code other than 0 is an answer instead of an error; default false. */
    allowFailure?: boolean;
}

/**
 * Runs a program to its end and collects what it prints.
 *
 * @throws Error with the program's last words when it cannot be started, takes too long or, unless `allowFailure`, fails.
 */
export function run(file: string, args: string[], options: RunOptions = {}): Promise<Result> {
    const timeout = options.timeout ?? 60_000;
    const command = [file, ...args].join(" ");
    return new Promise((resolve, reject) => {
        const child = spawn(file, args, { stdio: ["pipe", "pipe", "pipe"], env: environment() });
        const out: Buffer[] = [];
        const err: Buffer[] = [];
        const timer = setTimeout(() => {
            child.kill("SIGKILL");
            // Its own children may live on and hold the pipes open; nobody waits for them.
            child.stdout.destroy();
            child.stderr.destroy();
            child.unref();
            reject(new Error(`lab: ${command}: no end after ${timeout} ms ${lastWords(result(137))}`));
        }, timeout);
        const result = (code: number): Result => ({
            code,
            stdout: Buffer.concat(out).toString(),
            stderr: Buffer.concat(err).toString(),
        });
        child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
        child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
        // A program that ends without reading its input is no error of ours.
        child.stdin.on("error", () => {});
        child.stdin.end(options.input);
        child.on("error", (error) => {
            clearTimeout(timer);
            reject(new Error(`lab: ${command}: ${error.message}`));
        });
        child.on("close", (code) => {
            clearTimeout(timer);
            const answer = result(code ?? 137);
            if (answer.code !== 0 && !options.allowFailure)
                reject(new Error(`lab: ${command}: exit code ${answer.code} ${lastWords(answer)}`));
            else resolve(answer);
        });
    });
}

function lastWords(result: Result): string {
    return `(${(result.stderr.trim() || result.stdout.trim()).slice(-500)})`;
}

/** Waits for some milliseconds. */
export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
