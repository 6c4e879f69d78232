import { daemonConfig } from "../../src/provider/daemon";
import type { Connection } from "../../src/ssh";
import { DrivenResource } from "./resource";
import type { Shell } from "./shell";

type Record_ = Record<string, unknown>;

/** A DaemonConfig without the engine. */
export class DaemonResource extends DrivenResource {
    constructor(name: string, args: { connection: Connection } & Record_) {
        super(daemonConfig, "DaemonConfig", name, args);
    }
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
