import type { Lab, LabHost } from "../lab";
import { login } from "../test/support/docker-host";
import { PulumiProject } from "../test/support/pulumi";

/** A Pulumi program with one DockerHost per lab host, run by the real CLI. */
export async function stackOf(lab: Lab, hosts: readonly LabHost[]): Promise<PulumiProject> {
    const machines = Object.fromEntries(hosts.map((host) => [host.name, login(lab, host, "root")]));
    return await PulumiProject.create({
        name: "bench",
        program: `
            import { DockerHost } from "pulumi-docker-fleet";
            const machines: Record<string, { host: string; user: string }> = ${JSON.stringify(machines)};
            for (const [name, connection] of Object.entries(machines)) new DockerHost(name, { connection });
        `,
    });
}
