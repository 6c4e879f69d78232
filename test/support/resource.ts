import type { EngineProvider } from "../../src/provider/define";
import type { Connection } from "../../src/ssh";

type Record_ = Record<string, unknown>;

/** What happened to a resource; `replace`: the new one was there before the old one went. */
export type Step = "create" | "update" | "replace" | "delete, then create" | "same";

/**
 * A resource as the engine drives it, without the engine: the same calls in the same order, with their results kept as the
 * engine would keep them, also those of a step that failed half way. The real engine is in the tests of the level engine and
 * in the lab tests that use a PulumiProject.
 */
export class DrivenResource {
    id = "";
    inputs: Record_ = {};
    outputs: Record_ = {};
    readonly urn: string;

    /** @param kind the class that programs know, e.g. `"DockerHost"` */
    constructor(
        private readonly provider: EngineProvider,
        kind: string,
        name: string,
        private args: { connection: Connection } & Record_,
    ) {
        this.urn = `urn:pulumi:test::test::pulumi-nodejs:dynamic/docker-fleet:${kind}::${name}`;
    }

    /** What `pulumi up` does; with arguments to change. Returns the step that was taken. */
    async up(args: Record_ = {}): Promise<Step> {
        const news = await this.checked(args);
        try {
            if (this.id === "") {
                await this.create(news);
                return "create";
            }
            const { changes, replaces = [], ...order } = await this.provider.diff(this.id, this.outputs, news);
            if (changes === false) return "same";
            if (replaces.length > 0) {
                const old = { id: this.id, outputs: this.outputs };
                if (order.deleteBeforeReplace) await this.provider.delete(old.id, old.outputs);
                await this.create(news);
                if (!order.deleteBeforeReplace) await this.provider.delete(old.id, old.outputs);
                return order.deleteBeforeReplace ? "delete, then create" : "replace";
            }
            const { outs } = await this.provider.update(this.id, this.outputs, news);
            Object.assign(this, { outputs: outs, inputs: news });
            return "update";
        } catch (error) {
            const { id, properties } = error as { id?: string; properties?: Record_ };
            if (properties !== undefined) Object.assign(this, { id, outputs: properties, inputs: news });
            throw error;
        }
    }

    /** What `pulumi refresh` does: returns the inputs that are found to differ, as [found, asked for]. */
    async drift(): Promise<Record<string, [unknown, unknown]>> {
        const asked = this.inputs;
        const { props = {}, inputs = {} } = await this.provider.read(this.id, this.outputs);
        Object.assign(this, { outputs: props, inputs });
        const keys = Object.keys({ ...asked, ...inputs }).filter(
            (key) => canonical(asked[key]) !== canonical(inputs[key]),
        );
        return Object.fromEntries(keys.map((key) => [key, [inputs[key], asked[key]]]));
    }

    /** What `pulumi destroy` does. */
    async destroy(): Promise<void> {
        await this.provider.delete(this.id, this.outputs);
    }

    private async checked(args: Record_): Promise<Record_> {
        this.args = { ...this.args, ...args };
        const { inputs, failures } = await this.provider.check(this.inputs, { ...this.args, __urn: this.urn });
        if (failures.length > 0) throw new Error(failures.map(({ reason }) => reason).join("\n"));
        return inputs;
    }

    private async create(news: Record_): Promise<void> {
        const { id, outs } = await this.provider.create(news);
        Object.assign(this, { id, outputs: outs, inputs: news });
    }
}

function canonical(value: unknown): string | undefined {
    return JSON.stringify(value, (_, part) =>
        part !== null && typeof part === "object" && !Array.isArray(part)
            ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
            : part,
    );
}
