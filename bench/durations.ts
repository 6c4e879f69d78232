import type { Lab, LabHost } from "../lab";
import { closeAllConnections } from "../src/ssh";
import { HostResource, login } from "../test/support/docker-host";
import type { PulumiProject } from "../test/support/pulumi";
import { againstPlain, alone, comparison, type Pairs, type Row, timed } from "./figures";
import { discard, freshHosts } from "./machines";
import type { Part, Say } from "./part";
import * as plain from "./plain";
import { idleStack, stackOf } from "./stack";

/** Added to every round trip where the host is far away, in ms. */
const far = 80;
const installRounds = 3;
const lookRounds = 5;

/** The installs and refreshes, near and far, against plain ssh. */
export const durations: Part = {
    about: "installs and refreshes of DockerHosts against plain ssh",
    measure: async (lab, say) => againstPlain(await all(lab, say)),
};

async function all(lab: Lab, say: Say): Promise<Row[]> {
    const rows: Row[] = [];
    for (const { count, delay } of [
        { count: 1, delay: 0 },
        { count: 3, delay: 0 },
        { count: 1, delay: far },
    ]) {
        const hosts = `${count === 1 ? "one host" : `${count} hosts at once`}${delay > 0 ? `, ${delay} ms away` : ""}`;
        say(`measuring: ${hosts}`);
        rows.push(...(await installs(lab, hosts, count, delay)));
        rows.push(...(await looks(lab, hosts, count, delay)));
    }
    return rows;
}

/** First installs, each on a fresh host: the real CLI, our provider alone, and plain ssh, in turn. */
async function installs(lab: Lab, name: string, count: number, delay: number): Promise<Row[]> {
    const cli: Pairs = { ours: [], plain: [] };
    const net: Pairs = { ours: [], plain: [] };
    const provider: Pairs = { ours: [], plain: [] };
    for (let round = 0; round < installRounds; round++) {
        const byHand = await onFresh(lab, count, delay, (hosts) => timed(() => plain.install(hosts)));
        const fixed = await onStack(idleStack(), (project) => timed(() => project.up()));
        const whole = await onFresh(lab, count, delay, (hosts) =>
            onStack(stackOf(lab, hosts), (project) => timed(() => project.up())),
        );
        const direct = await onFresh(lab, count, delay, (hosts) => {
            const resources = resourcesOf(lab, hosts);
            return timed(() => Promise.all(resources.map((resource) => resource.up())));
        });
        cli.ours.push(whole);
        net.ours.push(whole - fixed);
        provider.ours.push(direct);
        for (const pairs of [cli, net, provider]) pairs.plain.push(byHand);
    }
    return [
        comparison(`first install, ${name}: \`pulumi up\``, cli),
        comparison(`first install, ${name}: the same, less Pulumi's own part`, net, "≤ 1.05×"),
        comparison(`first install, ${name}: the provider alone`, provider, "≤ 1.05×"),
    ];
}

/** Looks at installed hosts: the real CLI, our provider alone with its connection, and a probe by plain ssh, in turn. */
async function looks(lab: Lab, name: string, count: number, delay: number): Promise<Row[]> {
    return await onFresh(lab, count, delay, (hosts) =>
        onStack(idleStack(), (idle) =>
            onStack(stackOf(lab, hosts), async (project) => {
                const resources = resourcesOf(lab, hosts);
                await Promise.all([idle.up(), project.up()]);
                await Promise.all(resources.map((resource) => resource.up()));
                await closeAllConnections();
                const cli: Pairs = { ours: [], plain: [] };
                const net: Pairs = { ours: [], plain: [] };
                const provider: Pairs = { ours: [], plain: [] };
                const [noop, idleNoop]: [number[], number[]] = [[], []];
                for (let round = 0; round < lookRounds; round++) {
                    const byHand = await timed(() => plain.probe(hosts));
                    const direct = await timed(() => Promise.all(resources.map((resource) => resource.drift())));
                    await closeAllConnections();
                    const fixed = await timed(() => idle.refresh());
                    const whole = await timed(() => project.refresh());
                    idleNoop.push(await timed(() => idle.up()));
                    noop.push(await timed(() => project.up()));
                    cli.ours.push(whole);
                    net.ours.push(whole - fixed);
                    provider.ours.push(direct);
                    for (const pairs of [cli, net, provider]) pairs.plain.push(byHand);
                }
                return [
                    comparison(`refresh, ${name}: \`pulumi refresh\``, cli),
                    comparison(`refresh, ${name}: the same, less Pulumi's own part`, net, "≤ 1.5×"),
                    comparison(`refresh, ${name}: the provider alone, with its connection`, provider, "≤ 1.5×"),
                    alone(`\`pulumi up\` with nothing to do, ${name}`, noop),
                    alone("Pulumi's own part of that", idleNoop),
                ];
            }),
        ),
    );
}

async function onStack<T>(stack: Promise<PulumiProject>, work: (project: PulumiProject) => Promise<T>): Promise<T> {
    const project = await stack;
    try {
        return await work(project);
    } finally {
        await project.remove();
    }
}

async function onFresh<T>(lab: Lab, count: number, delay: number, work: (hosts: LabHost[]) => Promise<T>): Promise<T> {
    const hosts = await freshHosts(lab, count, delay);
    try {
        return await work(hosts);
    } finally {
        await closeAllConnections();
        await discard(hosts);
    }
}

function resourcesOf(lab: Lab, hosts: readonly LabHost[]): HostResource[] {
    return hosts.map((host) => new HostResource(host.name, { connection: login(lab, host, "root") }));
}
