import type { Lab, LabHost } from "../../lab";
import { dockerHost } from "../../src/provider/docker-host";
import type { Connection } from "../../src/ssh";

type Record_ = Record<string, unknown>;

/** How the three users of a lab host log in. */
export function login(lab: Lab, host: LabHost, user: "root" | "admin" | "ops" = "admin"): Connection {
    const base = { host: host.address, user, hostKey: host.hostKey };
    return user === "admin" ? { ...base, password: lab.password } : { ...base, privateKey: lab.privateKey };
}

/**
 * A DockerHost as the engine drives it, without the engine: the same calls in the same order, with their results kept as
 * the engine would keep them. The real engine is in the tests of the level engine and in pulumi.test.ts.
 */
export class HostResource {
    id = "";
    inputs: Record_ = {};
    outputs: Record_ = {};

    constructor(
        private readonly name: string,
        private args: { connection: Connection } & Record_,
    ) {}

    private async checked(args: Record_ = {}): Promise<Record_> {
        this.args = { ...this.args, ...args };
        const urn = `urn:pulumi:test::test::pulumi-nodejs:dynamic/docker-fleet:DockerHost::${this.name}`;
        const { inputs, failures } = await dockerHost.check({}, { ...this.args, __urn: urn });
        if (failures.length > 0) throw new Error(failures.map(({ reason }) => reason).join("\n"));
        return inputs;
    }

    /** What `pulumi up` does; with arguments to change. Returns the step that was taken. */
    async up(args: Record_ = {}): Promise<"create" | "update" | "same"> {
        const news = await this.checked(args);
        if (this.id === "") {
            const { id, outs } = await dockerHost.create(news);
            Object.assign(this, { id, outputs: outs, inputs: news });
            return "create";
        }
        const { changes } = await dockerHost.diff(this.id, this.outputs, news);
        if (changes === false) return "same";
        const { outs } = await dockerHost.update(this.id, this.outputs, news);
        Object.assign(this, { outputs: outs, inputs: news });
        return "update";
    }

    /** What `pulumi refresh` does: returns the inputs that are found to differ, as [found, asked for]. */
    async drift(): Promise<Record<string, [unknown, unknown]>> {
        const asked = this.inputs;
        const { props = {}, inputs = {} } = await dockerHost.read(this.id, this.outputs);
        Object.assign(this, { outputs: props, inputs });
        const keys = Object.keys({ ...asked, ...inputs }).filter(
            (key) => JSON.stringify(asked[key]) !== JSON.stringify(inputs[key]),
        );
        return Object.fromEntries(keys.map((key) => [key, [inputs[key], asked[key]]]));
    }

    async destroy(): Promise<void> {
        await dockerHost.delete(this.id, this.outputs);
    }
}
