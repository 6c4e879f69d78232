import type { Lab } from "../lab";
import { type Row, table } from "./figures";
import { discard, freshHosts, talkative, traffic } from "./machines";
import type { Part, Say } from "./part";
import { stackOf } from "./stack";

/** How often a host is connected to, and how many commands are started on it, in each operation of the real CLI. */
export const counts: Part = {
    about: "connections and executions of a DockerHost",
    measure: async (lab, say) =>
        table(["per host, by its sshd's log", "connections", "executions", "goal"], await operations(lab, say)),
};

async function operations(lab: Lab, say: Say): Promise<Row[]> {
    const hosts = await freshHosts(lab, 1);
    const host = hosts[0]!;
    await talkative(host);
    const project = await stackOf(lab, hosts);
    try {
        const rows: Row[] = [];
        for (const [name, goal, work] of [
            ["first install", "1, ≤ 3", () => project.up()],
            ["`pulumi up` with nothing to do", "0, 0", () => project.up()],
            ["`pulumi refresh`", "1, 1", () => project.refresh()],
        ] as const) {
            say(`counting: ${name}`);
            const { connections, executions } = await traffic(host, work);
            rows.push([name, `${connections}`, `${executions}`, goal]);
        }
        return rows;
    } finally {
        await project.remove();
        await discard(hosts);
    }
}
