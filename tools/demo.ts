// npm run demo [-- --host user@address [--key FILE]]: the main job, told step by step by the Pulumi CLI's own output. Without
// --host it runs on two lab hosts that it starts and takes down again.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline/promises";
import { parseArgs } from "node:util";
import { Lab, type LabHost } from "../lab";
import { type Connection, closeAllConnections } from "../src/ssh";
import { breakDocker, runContainer, showHost } from "./demo/machine";
import { DemoStack } from "./demo/stack";
import { say, step } from "./demo/story";
import { ensurePulumi } from "./pulumi-cli";

interface Target {
    connections: Connection[];
    /** The lab's hosts; undefined on a machine of the user's own. */
    lab: { hosts: LabHost[]; close(): Promise<void> } | undefined;
}

async function labTarget(): Promise<Target> {
    const reason = Lab.unavailable();
    if (reason !== undefined) {
        throw new Error(
            `The demo starts two Debian hosts on this machine, which it cannot do here. ${reason}\n` +
                "Run it on a machine of your own instead: npm run demo -- --host user@address [--key FILE]",
        );
    }
    const lab = await Lab.open();
    step("Two real machines: Debian with systemd, sshd and apt, and nothing of Docker on them");
    await lab.ready(["trixie"]);
    const hosts = await Promise.all(["web1", "web2"].map((name) => lab.up(lab.uniqueName(name))));
    for (const host of hosts)
        say(`${host.name} is up at ${host.address}; login admin with a password, sudo with that password`);
    const connections = hosts.map(({ address }) => ({ host: address, user: "admin", password: lab.password }));
    return { connections, lab: { hosts, close: () => lab.close() } };
}

async function ownTarget(host: string, key: string | undefined): Promise<Target> {
    const [user, address] = host.includes("@")
        ? [host.slice(0, host.lastIndexOf("@")), host.slice(host.lastIndexOf("@") + 1)]
        : ["root", host];
    const terminal = createInterface({ input: process.stdin, output: process.stdout });
    const answer = await terminal.question(
        `This installs Docker Engine on ${user}@${address}, stops it once, repairs it, and removes it again if it was not there before. Go on? [y/N] `,
    );
    terminal.close();
    if (!/^y(es)?$/i.test(answer.trim())) throw new Error("Nothing was done.");
    return {
        connections: [{ host: address!, user, privateKey: key === undefined ? undefined : readFileSync(key, "utf8") }],
        lab: undefined,
    };
}

async function story(target: Target, stack: DemoStack): Promise<void> {
    step("pulumi preview: what would happen");
    await stack.run("preview", "--diff");
    step("pulumi up: make it so, all machines side by side");
    await stack.run("up", "--yes", "--skip-preview");

    step("What came out");
    await stack.run("stack", "output", "--json");
    await Promise.all((target.lab?.hosts ?? []).map(runContainer));
    for (const connection of target.connections) await showHost(connection);

    step("pulumi up again: nothing to do");
    await stack.run("up", "--yes", "--skip-preview", "--expect-no-changes");

    const [first] = target.connections;
    if (await stack.adopted()) {
        say("Docker was on this machine before us, so nobody stops it here for a show.");
    } else {
        step("Somebody logs in and stops and removes Docker's service by hand");
        await breakDocker(first!);
        step("pulumi preview --refresh: shows precisely that");
        await stack.run("preview", "--refresh", "--diff");
        step("pulumi up --refresh: repairs that, and nothing else");
        await stack.run("up", "--yes", "--refresh", "--skip-preview");
        await showHost(first!);
    }
    step("pulumi destroy: takes back what it brought");
    await stack.run("destroy", "--yes", "--skip-preview");
}

async function main(): Promise<void> {
    const { values } = parseArgs({ options: { host: { type: "string" }, key: { type: "string" } } });
    const began = Date.now();
    const pulumi = await ensurePulumi(say);
    const target = values.host === undefined ? await labTarget() : await ownTarget(values.host, values.key);
    const stack = await DemoStack.create(pulumi.binDirectory, target.connections);
    try {
        await story(target, stack);
        say(`done in ${Math.round((Date.now() - began) / 1000)} s`);
    } finally {
        await closeAllConnections();
        // On the user's own machine nothing of ours may stay; the lab's hosts go as a whole.
        await stack.remove({ destroy: target.lab === undefined });
        await target.lab?.close();
    }
}

main().catch((error: unknown) => {
    console.error(`\n${error instanceof Error ? error.message : error}`);
    process.exitCode = 1;
});
