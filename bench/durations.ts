import type { Lab, LabHost } from "../lab";
import { closeAllConnections } from "../src/ssh";
import { HostResource, login } from "../test/support/docker-host";
import type { PulumiProject } from "../test/support/pulumi";
import { alone, comparison, type Pairs, type Row, timed } from "./figures";
import { discard, freshHosts } from "./machines";
import * as plain from "./plain";
import { stackOf } from "./stack";

/** Added to every round trip where the host is far away, in ms. */
const far = 80;
const installRounds = 3;
const lookRounds = 5;

type Say = (line: string) => void;

/** The installs and refreshes, near and far, against plain ssh. */
export async function durations(lab: Lab, say: Say): Promise<Row[]> {
    const rows: Row[] = [];
    for (const { count, delay } of [
        { count: 1, delay: 0 },
        { count: 3, delay: 0 },
        { count: 1, delay: far },
    ]) {
        const hosts = `${count === 1 ? "one host" : `${count} hosts at once`}${delay > 0 ? `, ${delay} ms away` : ""}`;
        say(`measuring: ${hosts}`);
        const empty = await stackOf(lab, []);
        try {
            rows.push(...(await installs(lab, hosts, count, delay, empty)));
            rows.push(...(await looks(lab, hosts, count, delay, empty)));
        } finally {
            await empty.remove();
        }
    }
    return rows;
}

/** First installs, each on a fresh host: the real CLI, our provider alone, and plain ssh, in turn. */
async function installs(lab: Lab, name: string, count: number, delay: number, empty: PulumiProject): Promise<Row[]> {
    const cli: Pairs = { ours: [], plain: [] };
    const net: Pairs = { ours: [], plain: [] };
    const provider: Pairs = { ours: [], plain: [] };
    for (let round = 0; round < installRounds; round++) {
        const byHand = await onFresh(lab, count, delay, (hosts) => timed(() => plain.install(hosts)));
        const fixed = await timed(() => empty.up());
        const whole = await onFresh(lab, count, delay, async (hosts) => {
            const project = await stackOf(lab, hosts);
            try {
                return await timed(() => project.up());
            } finally {
                await project.remove();
            }
        });
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
        comparison(`first install, ${name}: the same, less a \`pulumi up\` without machines`, net, "≤ 1.05×"),
        comparison(`first install, ${name}: the provider alone`, provider, "≤ 1.05×"),
    ];
}

/** Looks at installed hosts: the real CLI, our provider alone with its connection, and a probe by plain ssh, in turn. */
async function looks(lab: Lab, name: string, count: number, delay: number, empty: PulumiProject): Promise<Row[]> {
    return await onFresh(lab, count, delay, async (hosts) => {
        const resources = resourcesOf(lab, hosts);
        const project = await stackOf(lab, hosts);
        try {
            await Promise.all([project.up(), ...resources.map((resource) => resource.up())]);
            await closeAllConnections();
            const cli: Pairs = { ours: [], plain: [] };
            const provider: Pairs = { ours: [], plain: [] };
            const [fixed, noop, emptyNoop] = [[], [], []] as number[][];
            for (let round = 0; round < lookRounds; round++) {
                const byHand = await timed(() => plain.probe(hosts));
                provider.ours.push(await timed(() => Promise.all(resources.map((resource) => resource.drift()))));
                await closeAllConnections();
                cli.ours.push(await timed(() => project.refresh()));
                fixed!.push(await timed(() => empty.refresh()));
                noop!.push(await timed(() => project.up()));
                emptyNoop!.push(await timed(() => empty.up()));
                for (const pairs of [cli, provider]) pairs.plain.push(byHand);
            }
            return [
                comparison(`refresh, ${name}: \`pulumi refresh\``, cli),
                comparison(`refresh, ${name}: the provider alone, with its connection`, provider, "≤ 1.5×"),
                alone(`refresh of a stack without machines`, fixed!),
                alone(`\`pulumi up\` with nothing to do, ${name}`, noop!),
                alone(`\`pulumi up\` of a stack without machines`, emptyNoop!),
            ];
        } finally {
            await project.remove();
        }
    });
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
