import { AsyncLocalStorage } from "node:async_hooks";
import { closeSync, existsSync, openSync, writeSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { FleetError } from "../errors";

/** One remote action, as it stands in the transcript. What is not known is left out. */
export interface TranscriptLine {
    /** When it began, in UTC: `2026-03-01T12:00:00.000Z`. */
    time: string;
    /** The process that did it; a `pulumi` command has one for the program and one or more for the resources. */
    pid: number;
    /** The resource it was done for. */
    urn?: string;
    /** `user@host`, with `:port` unless it is 22. */
    machine: string;
    /** `connect` is a dial with its login; the others are the methods of a machine. */
    action: "connect" | "run" | "upload" | "openUnixSocket" | "openCommand";
    /** What it was good for, as in error messages. */
    step: string;
    /** Name of the script. */
    script?: string;
    /** Exit code of the script. */
    code?: number;
    /** Code of the error that it ended with; `ERROR` for one without a code. */
    error?: string;
    /** How long it took; of a stream, how long it was open. */
    durationMs: number;
    /** What came from the machine: output of a script, data of a stream. */
    bytesIn?: number;
    /** What went there: script, arguments and input, the file, data of a stream. */
    bytesOut?: number;
}

/** What an action says about itself; the rest of its line is measured. */
export type Action = Pick<TranscriptLine, "machine" | "action" | "step" | "script">;
/** What is known of an action when it has ended. */
export type Outcome = Pick<TranscriptLine, "code" | "error" | "bytesIn" | "bytesOut">;

let open: { path: string; descriptor: number; failure?: FleetError } | undefined;
const actor = new AsyncLocalStorage<string>();

/**
 * From now on every remote action of this process is written to a file, one JSON line each. Calling it again with the same
 * path changes nothing.
 *
 * @param path absolute, from the home directory (`~/`), or relative to the project's directory; undefined = nothing is written
 * @throws FleetError TRANSCRIPT_UNWRITABLE
 */
export function startTranscript(path: string | undefined): void {
    const file = path === undefined ? undefined : locate(path);
    if (file === open?.path) {
        return;
    }
    if (open !== undefined) {
        closeSync(open.descriptor);
        open = undefined;
    }
    if (file !== undefined) {
        try {
            // Appending is one step of the kernel: other processes may write to the same file.
            open = { path: file, descriptor: openSync(file, "a", 0o600) };
        } catch (error) {
            throw unwritable(file, error);
        }
    }
}

/** Whether there is a transcript. */
export function isTranscribing(): boolean {
    return open !== undefined;
}

/** Names the resource for which everything within `work` is done. */
export function actingFor<T>(urn: string, work: () => T): T {
    return actor.run(urn, work);
}

/**
 * Does an action and writes its line.
 *
 * @param work may tell what only it knows through its parameter
 * @param mask takes secrets out of a text
 * @throws FleetError TRANSCRIPT_UNWRITABLE when the line cannot be written, from then on before anything is done; and
 * whatever `work` throws
 */
export async function transcribe<T>(
    action: Action,
    mask: (text: string) => string,
    work: (outcome: Outcome) => Promise<T>,
): Promise<T> {
    const finish = beginLine(action, mask);
    const outcome: Outcome = {};
    let result: T;
    try {
        result = await work(outcome);
    } catch (error) {
        finish({ ...outcome, error: errorCode(error) });
        throw error;
    }
    finish(outcome);
    throwFailure();
    return result;
}

/**
 * Begins the line of an action whose end is an event. A line that cannot be written is reported by the next action.
 *
 * @returns writes the line, once
 * @throws FleetError TRANSCRIPT_UNWRITABLE when an earlier line could not be written
 */
export function beginLine(action: Action, mask: (text: string) => string): (outcome: Outcome) => void {
    throwFailure();
    const time = new Date().toISOString();
    const start = performance.now();
    const urn = actor.getStore() || undefined;
    return ({ code, error, bytesIn, bytesOut }) =>
        append({
            time,
            pid: process.pid,
            urn,
            machine: action.machine,
            action: action.action,
            step: mask(action.step),
            script: action.script,
            code,
            error,
            durationMs: Math.round(performance.now() - start),
            bytesIn,
            bytesOut,
        });
}

/** The code of an error, as a line has it. */
export function errorCode(error: unknown): string {
    return error instanceof FleetError ? error.code : "ERROR";
}

function append(line: TranscriptLine): void {
    if (open === undefined) {
        return;
    }
    const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
    try {
        const written = writeSync(open.descriptor, bytes);
        if (written < bytes.length) {
            throw new Error("the disk is full");
        }
    } catch (error) {
        open.failure ??= unwritable(open.path, error);
    }
}

function throwFailure(): void {
    if (open?.failure !== undefined) {
        throw open.failure;
    }
}

function unwritable(path: string, cause: unknown): FleetError {
    return new FleetError({
        code: "TRANSCRIPT_UNWRITABLE",
        message: `The transcript ${path} cannot be written: ${(cause as Error).message}.`,
        cure:
            "Set dockerfleet:transcript to a file in a directory that exists and may be written to, or remove the setting. " +
            "A refresh or destroy takes the setting from the last `pulumi up`, unless --run-program is given.",
        cause,
    });
}

/** The absolute path of a transcript. The working directory may be one below the project's (`main` in Pulumi.yaml). */
function locate(path: string): string {
    const expanded = path.replace(/^~(?=\/)/, homedir());
    const isProject = (directory: string) =>
        ["yaml", "yml", "json"].some((extension) => existsSync(join(directory, `Pulumi.${extension}`)));
    let directory = process.cwd();
    while (!isProject(directory) && dirname(directory) !== directory) {
        directory = dirname(directory);
    }
    return resolve(isProject(directory) ? directory : process.cwd(), expanded);
}
