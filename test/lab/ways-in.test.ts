import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Lab, type LabHost, type Release, releases } from "../../lab";
import { bridge } from "../../lab/network";
import { FleetError } from "../../src/errors";
import { closeAllConnections, connect } from "../../src/ssh";
import { Agent } from "../ssh/agent";
import { DocsTable, markdownTable } from "../support/docs-table";
import { KeyForms } from "../support/keys";
import { describeLab } from "../support/levels";
import { ProxyServer, proxiesUnavailable } from "../support/proxies";
import { type Surroundings, type Way, ways } from "../support/ways-in";

jest.setTimeout(180_000);

/** How a way ends: "yes", the code of its error, or a dash where the release lacks what it needs. */
type Outcome = string;

describeLab("the ways in", () => {
    const table = new Map<string, Record<string, Outcome>>();
    const names = {} as Record<Release, string>;
    let proxies: ProxyServer[] = [];
    const hosts = {} as Record<Release, LabHost>;
    const surroundings = {} as Record<Release, Surroundings>;
    let lab: Lab;
    let keys: KeyForms;
    let agent: Agent;
    let directory: string;

    beforeAll(async () => {
        lab = await Lab.open();
        for (const release of releases) names[release] = lab.uniqueName("ways");
        directory = mkdtempSync(join(tmpdir(), "fleet-ways-"));
        keys = new KeyForms();
        agent = await Agent.start(directory);
        for (const path of [...keys.strangers(7), keys.path]) agent.add(path);
        // The bridge is there when the first host is.
        await Promise.all(releases.map((release) => lab.up(names[release], { release })));
        expect(proxiesUnavailable()).toBeUndefined();
        proxies = await Promise.all([ProxyServer.socks({ external: bridge }), ProxyServer.http()]);
        await Promise.all(releases.map(prepare));
        for (const release of releases) {
            surroundings[release].others = releases.filter((other) => other !== release).map((other) => hosts[other]);
        }
    }, 900_000);

    afterAll(async () => {
        agent?.stop();
        await Promise.all(proxies.map((proxy) => proxy.stop()));
        keys?.remove();
        await closeAllConnections();
        await lab?.close();
        if (directory) rmSync(directory, { recursive: true, force: true });
    });

    async function prepare(release: Release): Promise<void> {
        const host = await lab.up(names[release], { release });
        const script = readFileSync(join(__dirname, "../support/ways-in.sh"), "utf8");
        await host.exec(`cat >/run/ways-in.sh; sh /run/ways-in.sh '${lab.password}' '${keys.publicKey}'`, {
            input: script,
            timeout: 300_000,
        });
        const { stdout } = await host.exec("ip -6 -o address show dev host0 scope link");
        const ipv6 = `${/inet6 ([0-9a-f:]+)/.exec(stdout)![1]}%${bridge}`;
        hosts[release] = host;
        surroundings[release] = {
            lab,
            host,
            keys,
            others: [],
            ipv6,
            agent: agent.socket,
            socks: `socks5://127.0.0.1:${proxies[0]!.port}`,
            http: `http://127.0.0.1:${proxies[1]!.port}`,
            directory: mkdtempSync(join(directory, release)),
        };
    }

    /** Goes a way in, and asks the machine who has come. */
    async function attempt(way: Way, release: Release): Promise<Outcome> {
        if (way.missingIn?.includes(release)) return "–";
        const { host } = surroundings[release];
        const { address, hostKey } = host;
        const script = { name: "who.sh", text: "id -u" };
        try {
            const own = await way.connection(surroundings[release]);
            const machine = await connect({ host: address, hostKey, dialErrorLimit: 0, perDialTimeout: 60, ...own });
            const { stdout } = await machine.run({ step: "ask who we are", script });
            return stdout === "0\n" ? "yes" : `uid ${stdout.trim()}`;
        } catch (error) {
            if (error instanceof FleetError) return error.code;
            throw error;
        }
    }

    it.each(ways.map((way) => [way.name, way] as const))("%s", async (name, way) => {
        const outcomes: Record<string, Outcome> = {};
        for (const release of releases) {
            outcomes[release] = await attempt(way, release);
        }
        table.set(name, outcomes);
        await closeAllConnections();
        const due = way.refused ?? "yes";
        expect(outcomes).toEqual(
            Object.fromEntries(releases.map((release) => [release, way.missingIn?.includes(release) ? "–" : due])),
        );
    });

    it("are those in docs/ssh.md (UPDATE_DOCS=1 rewrites them)", () => {
        const rows = ways.map(({ name }) => [name, ...releases.map((release) => table.get(name)![release]!)]);
        const found = markdownTable([["Way in", ...releases], ...rows]);
        const page = new DocsTable("ssh.md", "ways-in");
        page.update(found);
        expect(page.text).toBe(found);
    });
});
