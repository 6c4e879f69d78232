import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { cacheDirectory, ensureDirectory } from "./cache";
import { runTool } from "./command";
import { ensureGo } from "./go";

const cliModule = "github.com/pulumi/pulumi/pkg/v3";
const versionVariable = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version";

/**
 * The path of a `pulumi` built from source with the versions that go.mod and go.sum beside this file fix. Built on
 * first use and kept in the cache.
 *
 * @param log gets a line every ten seconds while it builds.
 * @throws Error with the last words of the tool that failed.
 */
export async function ensureBuiltPulumi(log: (line: string) => void): Promise<{ path: string; version: string }> {
    const version = await pinnedVersion();
    const directory = join(cacheDirectory(), `pulumi-${version}`, "build");
    const stop = reportProgress(log);
    try {
        await ensureDirectory(directory, async (temporary) => {
            await build(await ensureGo(__dirname, log), version, join(temporary, "pulumi"));
        });
    } finally {
        stop();
    }
    return { path: join(directory, "pulumi"), version };
}

async function pinnedVersion(): Promise<string> {
    const text = await readFile(join(__dirname, "go.mod"), "utf8");
    return new RegExp(`^\\s*(?:require )?${cliModule} v(\\S+)`, "m").exec(text)![1]!;
}

async function build(go: string, version: string, output: string): Promise<void> {
    const flags = ["-trimpath", "-buildvcs=false", "-tags=osusergo,grpcnotrace"];
    await runTool(
        go,
        ["build", ...flags, `-ldflags=-s -w -X ${versionVariable}=${version}`, "-o", output, `${cliModule}/cmd/pulumi`],
        {
            cwd: __dirname,
            // What the user has set for projects of their own must not change what is built here.
            env: { ...process.env, CGO_ENABLED: "0", GOFLAGS: "-mod=readonly", GOWORK: "off", GOTOOLCHAIN: "local" },
        },
    );
}

/** Says every ten seconds how long it has taken so far, also while another process is the one that builds. */
function reportProgress(log: (line: string) => void): () => void {
    const start = Date.now();
    const timer = setInterval(() => {
        const seconds = Math.round((Date.now() - start) / 1_000);
        log(`building the Pulumi CLI from source, once, about 4 minutes: ${seconds} s so far`);
    }, 10_000);
    return () => clearInterval(timer);
}
