import type { Lab, LabHost } from "../lab";
import { closeAllConnections, connect } from "../src/ssh";
import { login } from "../test/support/docker-host";
import { type Row, table } from "./figures";
import { discard, freshHosts, talkative, traffic } from "./machines";
import type { Part, Say } from "./part";
import { stackOf } from "./stack";

/** So many machines behind a jump host; few, since each is a lab host. */
const behind = 3;

/** So many machines at one address: of one server each is another login, which it cannot tell from another machine. */
const crowd = 60;

/** How servers fare at which many arrive: a jump host in front of several machines, and an address of many. */
export const crowds: Part = {
    about: "many machines behind a jump host, and at one address",
    measure: async (lab, say) =>
        table(["per server, by its sshd's log", "connections", "refused starts", "goal"], await arrivals(lab, say)),
};

async function arrivals(lab: Lab, say: Say): Promise<Row[]> {
    const hosts = await freshHosts(lab, behind + 1);
    try {
        const [bastion, ...machines] = hosts as [LabHost, ...LabHost[]];
        await talkative(bastion);
        const project = await stackOf(lab, machines, bastion);
        const rows: Row[] = [];
        const count = async (name: string, goal: string, work: () => Promise<unknown>) => {
            say(`counting: ${name}`);
            const { connections, refused } = await traffic(bastion, work);
            rows.push([name, `${connections}`, `${refused}`, goal]);
        };
        try {
            await count(`jump host before ${behind} hosts: first install`, "1, 0", () => project.up());
            await count(`jump host before ${behind} hosts: \`pulumi refresh\``, "1, 0", () => project.refresh());
        } finally {
            await project.remove();
        }
        const one = login(lab, bastion, "root");
        await count(`${crowd} machines at one address, all at once`, `${crowd}, 0`, async () => {
            // The password makes each another login; the key is what they log in with.
            await Promise.all(Array.from({ length: crowd }, (_, n) => connect({ ...one, password: `login ${n}` })));
            await closeAllConnections();
        });
        return rows;
    } finally {
        await discard(hosts);
    }
}
