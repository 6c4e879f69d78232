import type { LabHost } from "../../lab";
import { dockerClient } from "../../src/docker/client";
import { type Connection, connect } from "../../src/ssh";
import { say } from "./story";

/** Starts a container from an image made on the spot: the lab reaches no registry of images. */
export async function runContainer(host: LabHost): Promise<void> {
    await host.exec(
        "set -e; for file in /bin/sleep $(ldd /bin/sleep | grep -o '/[^ ]*'); do echo \"$file\"; done | " +
            "tar -chf - -T - 2>/dev/null | docker import - demo:latest >/dev/null; " +
            "docker run -d --name demo --restart unless-stopped demo:latest /bin/sleep 86400 >/dev/null",
    );
}

/** Asks the Docker API of a machine, through dockerode over SSH, and tells the answers. */
export async function showHost(connection: Connection): Promise<void> {
    const docker = await dockerClient({ connection });
    const { Version, ApiVersion } = await docker.version();
    const containers = await docker.listContainers();
    const names = containers.map(({ Names, Image, Status }) => `${Names[0]} (${Image}, ${Status})`);
    say(
        `dockerode over ssh://${connection.user}@${connection.host}: engine ${Version}, API ${ApiVersion}, containers: ${names.join(", ") || "none"}`,
    );
}

/** What a colleague might do on a bad day. */
export async function breakDocker(connection: Connection): Promise<void> {
    const machine = await connect(connection);
    const commands =
        "systemctl disable --now docker.socket docker.service && apt-get remove -y --allow-change-held-packages docker.io";
    for (const command of commands.split(" && ")) say(`# ${command}`);
    const script = {
        name: "break-docker",
        text: `export DEBIAN_FRONTEND=noninteractive\n{ ${commands}; } >/tmp/break-docker.log 2>&1`,
    };
    const { code } = await machine.run({ step: "break Docker", script, timeout: 120_000 });
    if (code !== 0) throw new Error(`could not break Docker on ${machine.name}`);
}
