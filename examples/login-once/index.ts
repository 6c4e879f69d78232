import * as pulumi from "@pulumi/pulumi";
import { DockerHost, SshKey } from "pulumi-docker-fleet";

// Log in once with the password of the cloud provider's mail, and never again.
//
// pulumi config set host 203.0.113.10
// pulumi config set user admin
// pulumi config set --secret password         (it is asked for)
const config = new pulumi.Config();
const first = {
    host: config.require("host"),
    user: config.require("user"),
    password: config.requireSecret("password"),
};

const key = new SshKey("web-key", {
    connection: first,
    // The first `pulumi up` after that makes a new key; the new one works before the old one goes.
    maxAge: "90d",
    // From now on nobody gets in with a password. The machine itself takes this back when no login with the key works under it.
    hardening: { passwordAuthentication: false, permitRootLogin: "prohibit-password", maxAuthTries: 4 },
});

// Everything else logs in with the key. (The password is left for sudo alone, where that asks for one.)
const web = new DockerHost("web", { connection: key.connection });

export const endpoint = web.endpoint;
// For ssh on your computer: pulumi stack output privateKey --show-secrets >~/.ssh/web-key; chmod 600 ~/.ssh/web-key
export const privateKey = key.privateKey;
export const sshConfig = key.sshConfig; // >>~/.ssh/config, then: ssh web-key
export const knownHosts = key.knownHosts; // >>~/.ssh/known_hosts
