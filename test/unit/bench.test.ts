import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const root = join(__dirname, "..", "..");

describe("the bench", () => {
    it("lists its parts, each of which has its place in the docs", async () => {
        const { stdout } = await promisify(execFile)(process.execPath, ["--import", "tsx", "bench/run.ts", "--help"], {
            cwd: root,
        });
        const parts = [...stdout.matchAll(/^ {2}(\w+)/gm)].map(([, name]) => name);
        expect(parts).toContain("daemon");
        const page = readFileSync(join(root, "docs", "performance.md"), "utf8");
        const places = [...page.matchAll(/<!-- begin: bench (\w+) -->[\s\S]*?<!-- end: bench \1 -->/g)];
        expect(places.map(([, name]) => name)).toEqual(parts);
    });
});
