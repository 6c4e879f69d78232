// npm run bench: measures this package against plain ssh on lab hosts, prints the tables and puts them into
// docs/performance.md.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Lab } from "../lab";
import { ensurePulumi } from "../tools/pulumi-cli";
import { counts } from "./counts";
import { crowds } from "./crowds";
import { durations } from "./durations";
import { table } from "./figures";
import { footprint, providerTextBytes } from "./footprint";

const document = join(__dirname, "..", "docs", "performance.md");
const [begin, end] = ["<!-- begin: npm run bench -->", "<!-- end: npm run bench -->"];

async function main(): Promise<void> {
    await ensurePulumi(say);
    const lab = await Lab.open();
    try {
        await lab.ready(["trixie"]);
        const size = await footprint();
        const seen = await counts(lab, say);
        const crowded = await crowds(lab, say);
        const times = await durations(lab, say);
        const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
        const text = [
            table(["", "this package", "plain ssh", "ratio", "goal"], times),
            table(["per host, by its sshd's log", "connections", "executions", "goal"], seen),
            table(["per server, by its sshd's log", "connections", "refused starts", "goal"], crowded),
            table(
                ["what the package adds to the provider process", "time", "memory", "goal"],
                [
                    ["when it is loaded", `${size.load.toFixed(0)} ms`, megabytes(size.memory), "≤ 150 ms"],
                    [
                        "with what the first operation on a machine loads",
                        `${size.loadInUse.toFixed(0)} ms`,
                        megabytes(size.memoryInUse),
                        "",
                    ],
                ],
            ),
            `\`__provider\` in each resource: ${providerTextBytes()} bytes (goal: ≤ 64).`,
        ].join("\n\n");
        console.log(text);
        insert(text);
    } finally {
        await lab.close();
    }
}

/** Replaces what is between the marks in the document. */
function insert(text: string): void {
    const [before, after] = [
        readFileSync(document, "utf8").split(begin)[0],
        readFileSync(document, "utf8").split(end)[1],
    ];
    if (before === undefined || after === undefined) throw new Error(`${document} has no place for the figures`);
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
