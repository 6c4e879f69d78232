import * as pulumi from "@pulumi/pulumi";
import { DockerHost, dockerClient } from "pulumi-docker-fleet";

// pulumi config set --path 'hosts[0]' 203.0.113.10
// pulumi config set user admin
// pulumi config set --secret password      (or privateKey; with neither, your ssh-agent is asked)
const config = new pulumi.Config();

export const hosts = config.requireObject<string[]>("hosts").map((host) => {
    const docker = new DockerHost(host, {
        connection: {
            host,
            user: config.get("user"),
            password: config.getSecret("password"),
            privateKey: config.getSecret("privateKey"),
        },
    });
    // Any Docker tool can use the endpoint; dockerClient() talks to the API over the same SSH connection settings.
    const containers = pulumi.all([docker.connection, docker.hostKey]).apply(async ([connection, hostKey]) => {
        const client = await dockerClient({ connection, hostKey });
        return (await client.listContainers()).map(({ Names, Image }) => `${Names[0]} (${Image})`);
    });
    // The connection holds secrets, so everything made from it counts as secret; a list of containers is none.
    return { endpoint: docker.endpoint, engineVersion: docker.engineVersion, containers: pulumi.unsecret(containers) };
});
