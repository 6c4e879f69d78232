// Compiles src/ to dist/ and puts every shell script beside the module that sends it. With --if-needed only when a source
// is newer than the last build. The new dist/ takes the old one's place at once: programs may be running from it.
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const [source, dist] = [join(root, "src"), join(root, "dist")];

if (process.argv.includes("--if-needed") && existsSync(dist)) {
    const files = readdirSync(source, { recursive: true }).map((name) => join(source, name));
    const newest = Math.max(...files.map((file) => statSync(file).mtimeMs));
    if (newest < statSync(dist).mtimeMs) process.exit(0);
}

const fresh = `${dist}.new.${process.pid}`;
try {
    const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin", "tsc");
    execFileSync(process.execPath, [tsc, "-p", join(root, "tsconfig.build.json"), "--outDir", fresh], {
        stdio: "inherit",
    });
    cpSync(source, fresh, { recursive: true, filter: (name) => statSync(name).isDirectory() || name.endsWith(".sh") });
    const old = `${dist}.old.${process.pid}`;
    if (existsSync(dist)) renameSync(dist, old);
    renameSync(fresh, dist);
    rmSync(old, { recursive: true, force: true });
} catch {
    // tsc has said what is wrong.
    rmSync(fresh, { recursive: true, force: true });
    process.exit(1);
}
