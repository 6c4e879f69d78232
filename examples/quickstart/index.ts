import * as pulumi from "@pulumi/pulumi";
import { DockerHost } from "pulumi-docker-fleet";

// pulumi config set --path 'hosts[0]' 203.0.113.10
// pulumi config set user admin
// pulumi config set --secret password …      (or privateKey; with neither, your ssh-agent is asked)
const config = new pulumi.Config();
const login = {
    user: config.get("user"),
    password: config.getSecret("password"),
    privateKey: config.getSecret("privateKey"),
};

export const hosts = config.requireObject<string[]>("hosts").map((host) => {
    const docker = new DockerHost(host, { connection: { host, ...login } });
    return { endpoint: docker.endpoint, engineVersion: docker.engineVersion, os: docker.os };
});
