import { dirname, join, sep } from "node:path";
import { cacheDirectory } from "./cache";
import { findOnPath, isExecutable, runTool } from "./command";
import { compareVersions } from "./version";

/** The oldest CLI the package is meant for, like the peer dependency on @pulumi/pulumi. */
const oldestVersion = "3.216.0";

/**
 * The official Pulumi installation on PATH, which has its Node language host beside the CLI; undefined where there is
 * none, or only one that is too old.
 */
export async function findOfficialPulumi(
    log: (line: string) => void,
): Promise<{ binDirectory: string; version: string } | undefined> {
    for (const pulumi of await findOnPath("pulumi")) {
        const binDirectory = dirname(pulumi);
        const isOurs = binDirectory.startsWith(cacheDirectory() + sep);
        if (isOurs || !(await isExecutable(join(binDirectory, "pulumi-language-nodejs")))) {
            continue;
        }
        const version = await versionOf(pulumi);
        if (version !== undefined && compareVersions(version, oldestVersion) >= 0) {
            return { binDirectory, version };
        }
        log(`${pulumi} is not used: it is version ${version ?? "unknown"}, ${oldestVersion} or newer is needed`);
    }
    return undefined;
}

async function versionOf(pulumi: string): Promise<string | undefined> {
    try {
        const text = await runTool(pulumi, ["version"], {
            env: { ...process.env, PULUMI_SKIP_UPDATE_CHECK: "true" },
        });
        return /^v?(\d+\.\d+\.\d+)/.exec(text)?.[1];
    } catch {
        return undefined;
    }
}
