import { sshKey } from "../../src/provider/ssh-key";
import type { Connection } from "../../src/ssh";

type Record_ = Record<string, unknown>;

/**
 * An SshKey as the engine drives it, without the engine: the same calls in the same order, with their results kept as the
 * engine would keep them; a replacement is created before the old one is deleted. The real engine is in ssh-key-cli.test.ts.
 */
export class KeyResource {
    id = "";
    inputs: Record_ = {};
    outputs: Record_ = {};

    constructor(
        private readonly name: string,
        private args: { connection: Connection } & Record_,
    ) {}

    private async checked(args: Record_ = {}): Promise<Record_> {
        this.args = { ...this.args, ...args };
        const urn = `urn:pulumi:test::test::pulumi-nodejs:dynamic/docker-fleet:SshKey::${this.name}`;
        const { inputs, failures } = await sshKey.check(this.inputs, { ...this.args, __urn: urn });
        if (failures.length > 0) throw new Error(failures.map(({ reason }) => reason).join("\n"));
        return inputs;
    }

    /** What `pulumi up` does; with arguments to change. Returns the step that was taken. */
    async up(args: Record_ = {}): Promise<"create" | "update" | "replace" | "same"> {
        const news = await this.checked(args);
        if (this.id === "") {
            await this.create(news);
            return "create";
        }
        const { changes, replaces = [], deleteBeforeReplace } = await sshKey.diff(this.id, this.outputs, news);
        if (changes === false) return "same";
        if (replaces.length > 0) {
            if (deleteBeforeReplace) throw new Error("the old key would go before the new one works");
            const old = { id: this.id, outputs: this.outputs };
            await this.create(news);
            await sshKey.delete(old.id, old.outputs);
            return "replace";
        }
        const { outs } = await sshKey.update(this.id, this.outputs, news);
        Object.assign(this, { outputs: outs, inputs: news });
        return "update";
    }

    private async create(news: Record_): Promise<void> {
        const { id, outs } = await sshKey.create(news);
        Object.assign(this, { id, outputs: outs, inputs: news });
    }

    /** What `pulumi refresh` does: returns the inputs that are found to differ, as [found, asked for]. */
    async drift(): Promise<Record<string, [unknown, unknown]>> {
        const asked = this.inputs;
        const { props = {}, inputs = {} } = await sshKey.read(this.id, this.outputs);
        Object.assign(this, { outputs: props, inputs });
        const keys = Object.keys({ ...asked, ...inputs }).filter(
            (key) => JSON.stringify(asked[key]) !== JSON.stringify(inputs[key]),
        );
        return Object.fromEntries(keys.map((key) => [key, [inputs[key], asked[key]]]));
    }

    async destroy(): Promise<void> {
        await sshKey.delete(this.id, this.outputs);
    }
}
