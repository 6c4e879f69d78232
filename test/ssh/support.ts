import { FleetError } from "../../src/errors";
import type { Script } from "../../src/ssh";
import { canCreateUsers, sshdUnavailable } from "../support/sshd";

const reason = sshdUnavailable();

/** A suite that needs an SSH server; where there is none it is skipped, and its title says why. */
export const describeSsh = (title: string, body: () => void) =>
    reason === undefined ? describe(title, body) : describe.skip(`${title} (skipped: ${reason})`, body);

/** A suite that also needs root, to make users and file systems. */
export const describeRoot = (title: string, body: () => void) =>
    canCreateUsers ? describeSsh(title, body) : describe.skip(`${title} (skipped: needs root)`, body);

/** A script as a test writes it. */
export const script = (text: string): Script => ({ name: "test.sh", text });

/** The FleetError that an action must end with. */
export async function failure(action: Promise<unknown>): Promise<FleetError> {
    const outcome = await action.then(
        (value) => value,
        (error) => error,
    );
    if (!(outcome instanceof FleetError)) {
        throw new Error(
            `expected a FleetError, got ${outcome instanceof Error ? outcome.stack : JSON.stringify(outcome)}`,
        );
    }
    return outcome;
}

/** Waits until a condition holds. */
export async function until(condition: () => boolean, what: string, ms = 10_000): Promise<void> {
    for (const end = Date.now() + ms; !condition(); ) {
        if (Date.now() > end) {
            throw new Error(`waited in vain: ${what}`);
        }
        await new Promise((resolve) => setTimeout(resolve, 25));
    }
}

/** Milliseconds an action takes. */
export async function duration(action: () => Promise<unknown>): Promise<number> {
    const start = Date.now();
    await action();
    return Date.now() - start;
}
