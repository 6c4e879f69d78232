import type { Lab, LabHost, Layer } from "../lab";

/** What sshd says about itself: connections that were made to it, and commands that were started on them. */
export interface Traffic {
    connections: number;
    executions: number;
    /** Connections that it dropped because too many had not logged in yet (MaxStartups). */
    refused: number;
}

/** Starts hosts that have never seen Docker, unless a layer has it, and waits until they have nothing left to do of their own. */
export async function freshHosts(lab: Lab, count: number, delay = 0, layer?: Layer): Promise<LabHost[]> {
    const names = Array.from({ length: count }, () => lab.uniqueName("bench"));
    return await Promise.all(
        names.map(async (name) => {
            const host = await lab.up(name, { release: "trixie", layer });
            await host.exec("systemctl is-system-running --wait");
            if (delay > 0) await host.delay(delay);
            return host;
        }),
    );
}

/** Takes hosts down for good. */
export async function discard(hosts: readonly LabHost[]): Promise<void> {
    await Promise.all(hosts.map((host) => host.down()));
}

/** Makes sshd write down every execution. */
export async function talkative(host: LabHost): Promise<void> {
    await host.exec("echo LogLevel VERBOSE >/etc/ssh/sshd_config.d/verbose.conf && systemctl reload ssh");
}

/** What the host's sshd has logged while the work was done; the host is asked on a way that sshd does not see. */
export async function traffic(host: LabHost, work: () => Promise<unknown>): Promise<Traffic> {
    const before = await logged(host);
    await work();
    const after = await logged(host);
    return {
        connections: after.connections - before.connections,
        executions: after.executions - before.executions,
        refused: after.refused - before.refused,
    };
}

async function logged(host: LabHost): Promise<Traffic> {
    // By name, not by unit: once a user is logged in, sshd writes as part of that user's session.
    const { stdout } = await host.exec("journalctl --sync; journalctl -q -o cat -t sshd -t sshd-session");
    const count = (pattern: RegExp) => stdout.match(pattern)?.length ?? 0;
    return {
        connections: count(/^Connection from /gm),
        executions: count(/^Starting session: /gm),
        refused: count(/^drop connection|MaxStartups throttling/gm),
    };
}
