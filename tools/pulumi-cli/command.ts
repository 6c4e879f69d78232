import { spawn } from "node:child_process";
import { constants } from "node:fs";
import { access, realpath } from "node:fs/promises";
import { delimiter, join } from "node:path";

/** A tool that ended with another exit code than 0, or could not be started. */
export class CommandError extends Error {
    constructor(command: string, reason: string, output: string) {
        super(`${command}: ${reason}${output === "" ? "" : `\n${output}`}`);
        this.name = "CommandError";
    }
}

/**
 * Runs a tool to its end and returns its standard output, without white space around it.
 *
 * @throws CommandError with the last lines the tool printed.
 */
export function runTool(
    command: string,
    args: string[],
    options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<string> {
    return new Promise((resolve, reject) => {
        const child = spawn(command, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
        let stdout = "";
        let stderr = "";
        child.stdout.setEncoding("utf8").on("data", (text: string) => {
            stdout += text;
        });
        child.stderr.setEncoding("utf8").on("data", (text: string) => {
            stderr += text;
        });
        const title = [command, ...args].join(" ");
        const lastLines = () => `${stdout}${stderr}`.trim().split("\n").slice(-15).join("\n");
        child.once("error", (error) => reject(new CommandError(title, error.message, "")));
        child.once("close", (code, signal) => {
            if (code === 0) {
                resolve(stdout.trim());
            } else {
                reject(new CommandError(title, signal ?? `exit code ${code}`, lastLines()));
            }
        });
    });
}

/** Every executable file of that name on PATH, links resolved, in the order of PATH. */
export async function findOnPath(name: string): Promise<string[]> {
    const found: string[] = [];
    for (const directory of (process.env.PATH ?? "").split(delimiter).filter((part) => part !== "")) {
        const path = join(directory, name);
        if (await isExecutable(path)) {
            found.push(await realpath(path));
        }
    }
    return [...new Set(found)];
}

/** Whether the file is there and may be executed. */
export async function isExecutable(path: string): Promise<boolean> {
    return access(path, constants.X_OK).then(
        () => true,
        () => false,
    );
}
