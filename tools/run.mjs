// node tools/run.mjs FILE [ARGUMENT...]: runs a TypeScript tool of this repository, alone on a fresh clone: the packages it
// needs are installed first when they are missing or older than the lock file.
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const [file, ...args] = process.argv.slice(2);

const installed = join(root, "node_modules", ".package-lock.json");
const lock = join(root, "package-lock.json");
if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(lock).mtimeMs) {
    console.error("Installing the packages of package-lock.json with npm install …");
    // The build follows below; without optional native parts ssh2 is complete.
    const { status } = spawnSync("npm", ["install", "--no-save", "--no-fund", "--no-audit", "--ignore-scripts"], {
        cwd: root,
        stdio: ["ignore", "inherit", "inherit"],
    });
    if (status !== 0) process.exit(status ?? 1);
}
const built = spawnSync(process.execPath, [join(root, "tools", "build.mjs"), "--if-needed"], {
    cwd: root,
    stdio: "inherit",
});
if (built.status !== 0) process.exit(built.status ?? 1);

// Everything temporary goes into one directory, which goes with us: compilers keep caches there that nobody clears. Its
// name is short, since the paths of unix sockets may not be long.
const temporary = mkdtempSync(join(tmpdir(), "fleet-"));
// Others may pass through it, as through /tmp: the tests of src/ssh log in as users of their own.
chmodSync(temporary, 0o755);
process.on("exit", () => rmSync(temporary, { recursive: true, force: true }));
const child = spawn(process.execPath, ["--import", "tsx", join(root, file), ...args], {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, TMPDIR: temporary },
});
// Ctrl-C reaches the child from the terminal; we only stay until it has cleaned up.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => signal !== "SIGINT" && child.kill(signal));
}
child.on("exit", (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
