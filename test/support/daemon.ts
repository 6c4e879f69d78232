import { daemonConfig } from "../../src/provider/daemon";
import type { Connection } from "../../src/ssh";
import type { Shell } from "./shell";

type Record_ = Record<string, unknown>;

/**
 * A DaemonConfig as the engine drives it, without the engine: the same calls in the same order, with their results kept as
 * the engine would keep them, also those of a step that failed half way.
 */
export class DaemonResource {
    id = "";
    inputs: Record_ = {};
    outputs: Record_ = {};

    constructor(
        private readonly name: string,
        private args: { connection: Connection } & Record_,
    ) {}

    get urn(): string {
        return `urn:pulumi:test::test::pulumi-nodejs:dynamic/docker-fleet:DaemonConfig::${this.name}`;
    }

    private async checked(args: Record_): Promise<Record_> {
        this.args = { ...this.args, ...args };
        const { inputs, failures } = await daemonConfig.check({}, { ...this.args, __urn: this.urn });
        if (failures.length > 0) throw new Error(failures.map(({ reason }) => reason).join("\n"));
        return inputs;
    }

    /** What `pulumi up` does; with arguments to change. Returns the step that was taken. */
    async up(args: Record_ = {}): Promise<"create" | "update" | "same"> {
        const news = await this.checked(args);
        try {
            if (this.id === "") {
                const { id, outs } = await daemonConfig.create(news);
                Object.assign(this, { id, outputs: outs, inputs: news });
                return "create";
            }
            const { changes } = await daemonConfig.diff(this.id, this.outputs, news);
            if (changes === false) return "same";
            const { outs } = await daemonConfig.update(this.id, this.outputs, news);
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
        const { props = {}, inputs = {} } = await daemonConfig.read(this.id, this.outputs);
        Object.assign(this, { outputs: props, inputs });
        const keys = Object.keys({ ...asked, ...inputs }).filter(
            (key) => canonical(asked[key]) !== canonical(inputs[key]),
        );
        return Object.fromEntries(keys.map((key) => [key, [inputs[key], asked[key]]]));
    }

    async destroy(): Promise<void> {
        await daemonConfig.delete(this.id, this.outputs);
    }
}

function canonical(value: unknown): string | undefined {
    return JSON.stringify(value, (_, part) =>
        part !== null && typeof part === "object" && !Array.isArray(part)
            ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
            : part,
    );
}

/** The daemon and its containers as the machine itself sees them. */
export class Daemon {
    constructor(private readonly shell: Shell) {}

    /** Starts containers that do nothing, by name and restart policy, out of an image that is made of the machine's own files. */
    async run(containers: Record<string, "no" | "always" | "unless-stopped">): Promise<void> {
        const files = "usr/bin/sleep lib64/ld-linux-x86-64.so.2 lib/x86_64-linux-gnu/libc.so.6";
        await this.shell.run(
            `docker image inspect tiny >/dev/null 2>&1 || tar -C / -chf - ${files} | docker import - tiny`,
        );
        for (const [name, policy] of Object.entries(containers)) {
            await this.shell.run(
                `docker run -d --name ${name} --restart ${policy} --stop-signal KILL --log-driver json-file tiny /usr/bin/sleep 1000000`,
            );
        }
    }

    /** The process of each running container, by name. */
    async processes(): Promise<Record<string, string>> {
        const lines = await this.shell.run(
            "ids=$(docker ps -q); [ -z \"$ids\" ] || docker inspect --format '{{.Name}} {{.State.Pid}}' $ids",
        );
        const pairs = lines.split("\n").filter(Boolean);
        return Object.fromEntries(pairs.map((line) => line.replace(/^\//, "").split(" ") as [string, string]).sort());
    }

    /** daemon.json. */
    async file(): Promise<Record_> {
        return JSON.parse(await this.shell.run("cat /etc/docker/daemon.json"));
    }

    /** Puts another daemon.json in place, as somebody else would. */
    async write(content: unknown): Promise<void> {
        const text = typeof content === "string" ? content : JSON.stringify(content);
        await this.shell.run(`mkdir -p /etc/docker; cat >/etc/docker/daemon.json <<'END'\n${text}\nEND`);
    }

    /** Restarts it, as somebody else would. */
    async restart(): Promise<void> {
        await this.shell.run("systemctl reset-failed docker.service docker.socket; systemctl restart docker.service");
    }

    /** One value of `docker info`. */
    async info(field: string): Promise<unknown> {
        return JSON.parse(await this.shell.run(`docker info --format '{{json .${field}}}'`));
    }

    /** Whether it is the same process as before; and that it runs. */
    async process(): Promise<string> {
        await this.shell.run("systemctl is-active docker.service && docker version >/dev/null");
        return await this.shell.run("systemctl show -p MainPID --value docker.service");
    }
}
