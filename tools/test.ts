// npm test [-- LEVEL...] [-- JEST ARGUMENT...]: all levels of tests, or the named ones: unit, ssh, engine, lab. Prepares what
// they need, says what cannot run here and why, and ends with the line 'N passed, N failed, N skipped'.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Lab, releases } from "../lab";
import { ensurePulumi } from "./pulumi-cli";
import { ensureNode } from "./pulumi-cli/node";

const levels = ["unit", "ssh", "engine", "lab"] as const;
type Level = (typeof levels)[number];

const root = join(__dirname, "..");
const args = process.argv.slice(2);
const asked = args.filter((arg): arg is Level => (levels as readonly string[]).includes(arg));
const rest = args.filter((arg) => !(levels as readonly string[]).includes(arg));
const chosen = asked.length > 0 ? asked : [...levels];

/** The slow preparations, side by side: one compiles, the other mostly downloads and unpacks. */
async function prepare(): Promise<void> {
    const say = (line: string) => console.error(`test: ${line}`);
    const work: Promise<unknown>[] = [];
    if (chosen.includes("engine") || chosen.includes("lab")) {
        work.push(ensurePulumi(say));
    }
    if (chosen.includes("engine")) {
        work.push(ensureNode("22").then(() => ensureNode("24")));
    }
    if (chosen.includes("lab")) {
        const reason = Lab.unavailable();
        if (reason !== undefined) say(`the level lab is skipped. ${reason}`);
        else work.push(Lab.open().then((lab) => lab.ready(releases)));
    }
    await Promise.all(work);
}

function jest(report: string): Promise<number> {
    // A test that fails half way may leave something behind that would keep jest from ending.
    const command = [
        join(root, "node_modules", "jest", "bin", "jest.js"),
        "--forceExit",
        "--selectProjects",
        ...chosen,
    ];
    const child = spawn(process.execPath, [...command, "--json", "--outputFile", report, ...rest], {
        cwd: root,
        stdio: ["ignore", "ignore", "inherit"],
    });
    // A Ctrl-C reaches jest too; this process stays until the hosts are down.
    process.on("SIGINT", () => {});
    process.on("SIGTERM", () => child.kill("SIGTERM"));
    return new Promise((resolve) => child.on("exit", (code) => resolve(code ?? 1)));
}

interface Report {
    numPassedTests: number;
    numFailedTests: number;
    numPendingTests: number;
    numRuntimeErrorTestSuites: number;
}

async function main(): Promise<number> {
    const directory = mkdtempSync(join(tmpdir(), "pulumi-docker-fleet-test-"));
    try {
        await prepare();
        const report = join(directory, "report.json");
        const code = await jest(report);
        const counts = JSON.parse(readFileSync(report, "utf8")) as Report;
        // A file that cannot even be loaded counts as one failure.
        const failed = counts.numFailedTests + counts.numRuntimeErrorTestSuites;
        console.log(`${counts.numPassedTests} passed, ${failed} failed, ${counts.numPendingTests} skipped`);
        return code;
    } finally {
        rmSync(directory, { recursive: true, force: true });
    }
}

main().then(
    (code) => {
        process.exitCode = code;
    },
    (error: unknown) => {
        console.error(error instanceof Error ? error.message : error);
        console.log("0 passed, 1 failed, 0 skipped");
        process.exitCode = 1;
    },
);
