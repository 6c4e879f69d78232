import { assemble } from "./assemble";
import { ensureBuiltPulumi } from "./build";
import { findOfficialPulumi } from "./official";

/** A Pulumi CLI that can run Node programs. */
export interface PulumiCli {
    /** The directory that holds `pulumi` and its companions; put it first on PATH. */
    binDirectory: string;
    /** Its version, e.g. `3.259.0`. */
    version: string;
}

let found: Promise<PulumiCli> | undefined;

/**
 * Finds the Pulumi CLI, for the demo and the tests: the official one on PATH, else one that is built from source, once,
 * into the user's cache directory (some minutes; later calls take milliseconds). Several processes may call it at once.
 *
 * @param log gets what takes long, line by line.
 * @throws Error that names the official installation page where neither works.
 */
export function ensurePulumi(log: (line: string) => void): Promise<PulumiCli> {
    found ??= find(log).catch((error) => {
        found = undefined;
        throw error;
    });
    return found;
}

async function find(log: (line: string) => void): Promise<PulumiCli> {
    const official = await findOfficialPulumi(log);
    if (official !== undefined) {
        return official;
    }
    try {
        const { path, version } = await ensureBuiltPulumi(log);
        return { binDirectory: await assemble(path), version };
    } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        throw new Error(
            "There is no Pulumi CLI on PATH, and building one from source failed. " +
                `Install it as https://www.pulumi.com/docs/install/ says and try again.\n${reason}`,
            { cause: error },
        );
    }
}
