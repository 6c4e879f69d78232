import * as pulumi from "@pulumi/pulumi";
import { DockerHost, Mount } from "pulumi-docker-fleet";

// One machine keeps the files, and the others mount them before their containers start.
//
// pulumi config set storage 203.0.113.10
// pulumi config set directory /srv/export                 (there already; what the user may do in it, the containers may)
// pulumi config set --path 'workers[0]' 203.0.113.11
// pulumi config set user admin
// pulumi config set --secret password …                   (or privateKey; with neither, your ssh-agent is asked)
const config = new pulumi.Config();
const login = {
    user: config.require("user"),
    password: config.getSecret("password"),
    privateKey: config.getSecret("privateKey"),
};

const source = { host: { ...login, host: config.require("storage") }, path: config.require("directory") };

for (const host of config.requireObject<string[]>("workers")) {
    const worker = new DockerHost(host, { connection: { ...login, host } });
    new Mount(`${host}-shared`, {
        connection: worker.connection,
        type: "sshfs",
        // It gets a key of its own, which the storage lets in for files alone.
        source,
        target: "/srv/shared",
        // Docker waits for it, and while it is away nothing is written to the worker's own disk in its place.
        requiredByDocker: true,
        guard: true,
    });
}
