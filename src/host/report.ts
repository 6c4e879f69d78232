import { type ErrorCode, errorCodes, FleetError } from "../errors";
import type { Machine, RunRequest } from "../ssh";

/** What a script of src/host told us, by report.sh's conventions. */
export interface Report {
    /** Every `fact` line, in order: the key and its values. */
    facts: readonly { key: string; values: readonly string[] }[];
}

/** Receives what a script says while it runs. */
export interface Listener {
    /** One line for the resource's row; the machine's name comes first. */
    progress(line: string): void;
}

/**
 * Runs a script that reports by report.sh and returns its facts.
 *
 * @throws FleetError with the script's own code when it ends with `fail`, REMOTE_COMMAND_FAILED when it ends otherwise,
 *     and whatever {@link Machine.run} throws
 */
export async function runReporting(machine: Machine, request: RunRequest, listener: Listener): Promise<Report> {
    const facts: { key: string; values: string[] }[] = [];
    let failure: { code: string; text: string } | undefined;
    const onLine = (line: string) => {
        const [kind, first = "", ...rest] = line.split("\t");
        if (kind === "fact") facts.push({ key: first, values: rest });
        else if (kind === "phase") listener.progress(`${machine.name}: ${first}`);
        else if (kind === "fail") failure = { code: first, text: rest.join(" ") };
    };
    const result = await machine.run({ ...request, onLine });
    if (failure === undefined && result.code === 0) return { facts };
    const words = result.stderr.trim();
    throw new FleetError({
        code: failure !== undefined && isErrorCode(failure.code) ? failure.code : "REMOTE_COMMAND_FAILED",
        machine: machine.name,
        step: request.step,
        message: [
            failure?.text ?? `the script ended with exit code ${result.code}`,
            words && `Its last words:\n${words}`,
        ]
            .filter(Boolean)
            .join(". ")
            .replace(/[^.]$/, "$&."),
        cure: failure === undefined ? undefined : cures[failure.code],
    });
}

function isErrorCode(code: string): code is ErrorCode {
    return (errorCodes as readonly string[]).includes(code);
}

const cures: Record<string, string> = {
    PACKAGE_MANAGER_LOCKED:
        "Wait until the other package manager run has finished, or end it, and run pulumi up again.",
    PACKAGE_NOT_AVAILABLE: "Add a repository that has it to the machine, or choose a version that is offered.",
    PACKAGE_OPERATION_FAILED: "Repair the machine's package manager as its words say, and run pulumi up again.",
    DAEMON_CONFIG_FAILED: "Correct what its words are about, and run pulumi up again.",
    MOUNT_FAILED: "Correct what its words are about, and run pulumi up again.",
    MOUNT_BUSY: 'End what uses it, and run pulumi up again; or set force: "lazy".',
    MOUNT_CONFLICT: "Choose another target, or take the other one away, and run pulumi up again.",
    MOUNT_SOURCE_MISSING: "Correct source, or make what it names, and run pulumi up again.",
    MOUNT_TARGET_UNUSABLE: "Choose another target, or make that one usable, and run pulumi up again.",
    MOUNT_FORMAT_REFUSED:
        "Nothing was changed. If what is on the device may go, wipe it yourself with `wipefs -a` and `blkdiscard -z` (or `dd`).",
    DAEMON_NOT_RUNNING:
        "Read `journalctl -u docker.service` on the machine; often /etc/docker/daemon.json is the cause.",
};
