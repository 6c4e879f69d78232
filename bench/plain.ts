import type { LabHost } from "../lab";
import { run } from "../lab/run";
import { hostScript } from "../src/host/script";
import { composeScript } from "../src/ssh/script";

/** What a person would type to get Docker onto these hosts, on all of them at once. */
export async function install(hosts: readonly LabHost[]): Promise<void> {
    const command =
        "export DEBIAN_FRONTEND=noninteractive; apt-get update && " +
        "apt-get install -y --no-install-recommends docker.io docker-cli ca-certificates";
    await Promise.all(hosts.map((host) => run("ssh", [...host.sshArguments(), command], { timeout: 600_000 })));
}

/** One look at each host, at all of them at once: the script of our refresh, carried by plain ssh. */
export async function probe(hosts: readonly LabHost[]): Promise<void> {
    const libraries = ["report", "facts", "packages/apt", "services/systemd", "engine/engine"];
    const input = composeScript(hostScript("engine/observe", libraries), ["root"]);
    const looks = await Promise.all(hosts.map((host) => run("ssh", [...host.sshArguments(), "sh -s"], { input })));
    for (const { stdout } of looks) if (!/engine/.test(stdout)) throw new Error(`no engine was found:\n${stdout}`);
}

/** An edit of daemon.json as a person would make it, and then a reload or a restart. */
export async function editDaemon(host: LabHost, edit: string, action: "reload" | "restart"): Promise<void> {
    await run("ssh", [
        ...host.sshArguments(),
        `sed -i '${edit}' /etc/docker/daemon.json && systemctl ${action} docker`,
    ]);
}
