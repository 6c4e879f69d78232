import { join } from "node:path";
import { run } from "../lab/run";
import { providerText } from "../src/resources/base";
import { median, table } from "./figures";
import type { Part } from "./part";

const rounds = 9;

/** What the package costs the provider process, and each resource in the state. */
export const footprint: Part = {
    about: "time and memory that the package adds to the provider process",
    async measure() {
        const size = await sizes();
        const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
        const rows = [
            ["when it is loaded", `${size.load.toFixed(0)} ms`, megabytes(size.memory), "≤ 150 ms"],
            [
                "with what the first operation on a machine loads",
                `${size.loadInUse.toFixed(0)} ms`,
                megabytes(size.memoryInUse),
                "",
            ],
        ];
        return [
            table(["what the package adds to the provider process", "time", "memory", "goal"], rows),
            `\`__provider\` in each resource: ${providerTextBytes()} bytes (goal: ≤ 64).`,
        ].join("\n\n");
    },
};

/** What this package adds to the process in which Pulumi runs providers. */
interface Footprint {
    /** Loading the provider, in ms. */
    load: number;
    /** Memory of the process with the provider minus that without, in bytes. */
    memory: number;
    /** The same with what the first operation on a machine loads (SSH). */
    loadInUse: number;
    memoryInUse: number;
}

/** Medians over several processes of each kind, in turn. */
async function sizes(): Promise<Footprint> {
    const kinds = { empty: [], idle: [provider], used: [provider, "ssh2"] };
    const found = { empty: [] as Sample[], idle: [] as Sample[], used: [] as Sample[] };
    for (let round = 0; round < rounds; round++) {
        for (const kind of ["empty", "idle", "used"] as const) found[kind].push(await sample(kinds[kind]));
    }
    const middle = (kind: keyof typeof found, figure: keyof Sample) => median(found[kind].map((each) => each[figure]));
    return {
        load: middle("idle", "load"),
        memory: middle("idle", "memory") - middle("empty", "memory"),
        loadInUse: middle("used", "load"),
        memoryInUse: middle("used", "memory") - middle("empty", "memory"),
    };
}

const provider = "pulumi-docker-fleet/provider";

interface Sample {
    load: number;
    memory: number;
}

async function sample(modules: string[]): Promise<Sample> {
    const program = join(__dirname, "load-provider.cjs");
    const { stdout } = await run(process.execPath, ["--expose-gc", program, ...modules]);
    return JSON.parse(stdout);
}

/** The longest text by which a resource names its provider, in bytes. */
function providerTextBytes(): number {
    return Buffer.byteLength(providerText("host"));
}
