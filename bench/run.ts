// npm run bench [-- PART...]: measures this package against plain ssh on lab hosts, prints the tables and puts them into
// docs/performance.md.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Lab } from "../lab";
import { ensurePulumi } from "../tools/pulumi-cli";
import { counts } from "./counts";
import { crowds } from "./crowds";
import { daemon } from "./daemon";
import { durations } from "./durations";
import { footprint } from "./footprint";
import type { Part } from "./part";

const document = join(__dirname, "..", "docs", "performance.md");

const parts: Record<string, Part> = { durations, counts, crowds, footprint, daemon };

const usage = `Usage: npm run bench [-- PART...]

Measures all parts, or the named ones, on lab hosts (Linux, root), and replaces their tables in docs/performance.md:

${Object.entries(parts)
    .map(([name, { about }]) => `  ${name.padEnd(11)}${about}`)
    .join("\n")}`;

async function main(): Promise<void> {
    const options = { help: { type: "boolean", short: "h" } } as const;
    const { values, positionals } = parseArgs({ options, allowPositionals: true });
    if (values.help) return console.log(usage);
    const wrong = positionals.filter((name) => !Object.hasOwn(parts, name));
    if (wrong.length > 0) throw new Error(`There is no part ${wrong.join(", ")}.\n\n${usage}`);
    await ensurePulumi(say);
    const lab = await Lab.open();
    try {
        await lab.ready(["trixie"]);
        for (const name of positionals.length > 0 ? positionals : Object.keys(parts)) {
            const text = await parts[name]!.measure(lab, say);
            console.log(`${text}\n`);
            insert(name, text);
        }
    } finally {
        await lab.close();
    }
}

/** Replaces what is between the marks of a part in the document. */
function insert(name: string, text: string): void {
    const [begin, end] = [`<!-- begin: bench ${name} -->`, `<!-- end: bench ${name} -->`];
    const whole = readFileSync(document, "utf8");
    const [before, after] = [whole.split(begin)[0], whole.split(end)[1]];
    if (before === undefined || after === undefined) throw new Error(`${document} has no place for the part ${name}`);
    writeFileSync(document, `${before}${begin}\n\n${text}\n\n${end}${after}`);
    // The page is held to the same form as everything else.
    execFileSync(join(__dirname, "..", "node_modules", ".bin", "biome"), ["format", "--write", document]);
}

function say(line: string): void {
    console.error(`bench: ${line}`);
}

main().catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
});
