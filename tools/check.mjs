// The formatter, the linter, the type checker and shellcheck, all with one command. Exits with 1 when one complains.
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
let failed = false;

function run(name, command, args) {
    const { status, error } = spawnSync(command, args, { cwd: root, stdio: "inherit" });
    const ok = status === 0;
    console.log(`${ok ? "ok  " : "FAIL"} ${name}${error ? `: ${error.message}` : ""}`);
    failed ||= !ok;
}

function has(command) {
    return spawnSync("sh", ["-c", `command -v ${command}`]).status === 0;
}

const bin = (name) => join(root, "node_modules", ".bin", name);
// The examples import the package by its name, so its types come from dist/.
run("build", process.execPath, [join(root, "tools", "build.mjs"), "--if-needed"]);
run("biome (format, lint)", bin("biome"), ["check", "."]);
run("tsc (types)", bin("tsc"), ["--noEmit", "-p", "."]);

if (!has("shellcheck") && process.getuid?.() === 0 && has("apt-get")) {
    console.log("shellcheck is missing: installing it with apt-get …");
    spawnSync("sh", ["-c", "apt-get -q update && apt-get -q -y install --no-install-recommends shellcheck"], {
        stdio: ["ignore", "ignore", "inherit"],
    });
}
if (has("shellcheck")) {
    const list = spawnSync("git", ["ls-files", "-co", "--exclude-standard", "*.sh", ".ci/run"], {
        cwd: root,
        encoding: "utf8",
    });
    const files = list.stdout.trim().split("\n").filter(Boolean);
    // What is sent to machines must do for every POSIX sh; the lab's own tools run in bash on the developer's machine.
    const sent = files.filter((file) => file.startsWith("src/"));
    run("shellcheck (src, POSIX sh)", "shellcheck", ["-s", "sh", ...sent]);
    run(
        "shellcheck (others)",
        "shellcheck",
        files.filter((file) => !file.startsWith("src/")),
    );
} else {
    console.log("skip shellcheck: it is not installed (apt-get install shellcheck)");
}
process.exit(failed ? 1 : 0);
