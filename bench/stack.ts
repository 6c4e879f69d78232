import type { Lab, LabHost } from "../lab";
import { login } from "../test/support/docker-host";
import { PulumiProject } from "../test/support/pulumi";

/** A Pulumi program with one DockerHost per lab host, run by the real CLI. @param bastion a host to go through to the others */
export async function stackOf(lab: Lab, hosts: readonly LabHost[], bastion?: LabHost): Promise<PulumiProject> {
    const proxy = bastion && login(lab, bastion, "root");
    const machines = Object.fromEntries(hosts.map((host) => [host.name, { ...login(lab, host, "root"), proxy }]));
    return await PulumiProject.create({
        name: "bench",
        program: `
            import { DockerHost } from "pulumi-docker-fleet";
            const machines: Record<string, { host: string; user: string }> = ${JSON.stringify(machines)};
            for (const [name, connection] of Object.entries(machines)) new DockerHost(name, { connection });
        `,
    });
}

/**
 * What Pulumi itself takes: a program that loads this package and has one resource of Pulumi's own provider program, which
 * does nothing. The engine, Node.js, the program and the provider process start as they do for a machine.
 */
export async function idleStack(): Promise<PulumiProject> {
    return await PulumiProject.create({
        name: "bench",
        program: `
            import * as pulumi from "@pulumi/pulumi";
            import { DockerHost } from "pulumi-docker-fleet";
            const provider = {
                check: async (_: object, inputs: object) => ({ inputs }),
                diff: async () => ({ changes: false }),
                create: async () => ({ id: "idle", outs: {} }),
                read: async (id: string, props: object) => ({ id, props }),
            };
            class Idle extends pulumi.dynamic.Resource {}
            new Idle(provider, "idle", {});
            export const loaded = DockerHost.name;
        `,
    });
}

/** A Pulumi program with the DaemonConfig of a lab host; its settings are the stack's configuration. */
export async function daemonStack(lab: Lab, host: LabHost): Promise<PulumiProject> {
    return await PulumiProject.create({
        name: "bench",
        program: `
            import * as pulumi from "@pulumi/pulumi";
            import { DaemonConfig } from "pulumi-docker-fleet";
            const settings = new pulumi.Config().requireObject<object>("settings");
            new DaemonConfig("daemon", { connection: ${JSON.stringify(login(lab, host, "root"))}, settings });
        `,
    });
}
