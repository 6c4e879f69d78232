import type { Lab, LabHost } from "../lab";
import { closeAllConnections } from "../src/ssh";
import { Daemon, DaemonResource } from "../test/support/daemon";
import { login } from "../test/support/docker-host";
import { Shell } from "../test/support/shell";
import { againstPlain, comparison, type Pairs, type Row, table, timed } from "./figures";
import { discard, freshHosts, talkative, traffic } from "./machines";
import type { Part, Say } from "./part";
import * as plain from "./plain";
import { daemonStack, idleStack } from "./stack";

const rounds = 5;

/** Changes of a daemon's configuration: what they cost, and against systemctl over plain ssh. */
export const daemon: Part = {
    about: "changes of a DaemonConfig against systemctl over plain ssh",
    async measure(lab, say) {
        const hosts = await freshHosts(lab, 1, 0, "docker");
        try {
            const host = hosts[0]!;
            await withContainers(lab, host);
            const times = await changes(lab, host, say);
            const seen = await operations(lab, host, say);
            return [
                againstPlain(times),
                table(["per host, by its sshd's log", "connections", "executions", "goal"], seen),
            ].join("\n\n");
        } finally {
            await closeAllConnections();
            await discard(hosts);
        }
    },
};

/** Containers that live through restarts of the daemon, so that there is something to look after. */
async function withContainers(lab: Lab, host: LabHost): Promise<void> {
    const shell = await Shell.open(lab, host);
    try {
        const machine = new Daemon(shell);
        await machine.write({ "live-restore": true, "max-concurrent-uploads": 5 });
        await machine.restart();
        await machine.run({ one: "always", two: "always", three: "no" });
    } finally {
        shell.close();
    }
}

/** The same change of another key each by the real CLI, by our provider alone, and by hand, in turn. */
async function changes(lab: Lab, host: LabHost, say: Say): Promise<Row[]> {
    const rows: Row[] = [];
    const [idle, project] = [await idleStack(), await daemonStack(lab, host)];
    const resource = new DaemonResource("provider", { connection: login(lab, host, "root") });
    try {
        for (const action of ["reload", "restart"] as const) {
            say(`measuring: a ${action} of the daemon`);
            const cli: Pairs = { ours: [], plain: [] };
            const net: Pairs = { ours: [], plain: [] };
            const provider: Pairs = { ours: [], plain: [] };
            // One that is not measured: the resources are created.
            for (let round = 0; round <= rounds; round++) {
                const value = 10 + round;
                // Systemd refuses the fourth start within a minute.
                const rested = () => host.exec("systemctl reset-failed docker.service docker.socket");
                const edit = `s/"max-concurrent-uploads": [0-9]*/"max-concurrent-uploads": ${value}/`;
                await rested();
                const byHand = await timed(() => plain.editDaemon(host, edit, action));
                await rested();
                const direct = await timed(() => resource.up({ settings: ours(action, value) }));
                await closeAllConnections();
                await rested();
                await project.config("settings", JSON.stringify(theirs(action, value)));
                const fixed = await timed(() => idle.up());
                const whole = await timed(() => project.up());
                if (round === 0) continue;
                cli.ours.push(whole);
                net.ours.push(whole - fixed);
                provider.ours.push(direct);
                for (const pairs of [cli, net, provider]) pairs.plain.push(byHand);
            }
            const name = `${action} of the daemon, 3 containers`;
            rows.push(comparison(`${name}: \`pulumi up\``, cli));
            rows.push(comparison(`${name}: the same, less Pulumi's own part`, net));
            rows.push(comparison(`${name}: the provider alone, with its connection`, provider));
        }
        return rows;
    } finally {
        await idle.remove();
        await project.destroy();
        await project.remove();
        await resource.destroy();
    }
}

/** Settings of the provider alone, and others of the CLI's stack: no key has two owners. */
function ours(action: "reload" | "restart", value: number): object {
    return action === "reload" ? { "max-concurrent-downloads": value } : { "default-shm-size": `${value}M` };
}

function theirs(action: "reload" | "restart", value: number): object {
    return action === "reload" ? { "max-download-attempts": value } : { "log-opts": { "max-size": `${value}m` } };
}

/** What the operations of the real CLI cost the host. */
async function operations(lab: Lab, host: LabHost, say: Say): Promise<Row[]> {
    await talkative(host);
    const project = await daemonStack(lab, host);
    const set = (settings: object) => project.config("settings", JSON.stringify(settings));
    const rows: Row[] = [];
    const count = async (name: string, goal: string, work: () => Promise<unknown>) => {
        say(`counting: ${name}`);
        const { connections, executions } = await traffic(host, work);
        rows.push([name, `${connections}`, `${executions}`, goal]);
    };
    try {
        await set({ debug: true });
        await count("the first settings", "1, ≤ 2", () => project.up());
        await set({ debug: false });
        await count("a change that takes a reload", "1, ≤ 2", () => project.up());
        await set({ debug: false, "default-shm-size": "80M" });
        await count("a change that takes a restart", "1, ≤ 2", () => project.up());
        await count("`pulumi up` with nothing to do", "0, 0", () => project.up());
        await count("`pulumi up --refresh` with nothing to do", "1, 1", () => project.up(["--refresh"]));
        await count("`pulumi refresh`", "1, 1", () => project.refresh());
        await count("`pulumi destroy`", "1, ≤ 2", () => project.destroy());
        return rows;
    } finally {
        await project.remove();
    }
}
