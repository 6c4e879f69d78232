import * as pulumi from "@pulumi/pulumi";
import { DaemonConfig, DockerHost, TlsAuthority, TlsCertificate } from "pulumi-docker-fleet";

// pulumi config set host 203.0.113.10
// pulumi config set --path 'names[0]' docker.example.com      (further names and addresses that clients use; optional)
// pulumi config set user admin
// pulumi config set --secret password …      (or privateKey; with neither, your ssh-agent is asked)
const config = new pulumi.Config();
const host = config.require("host");

const machine = new DockerHost("host", {
    connection: {
        host,
        user: config.get("user"),
        password: config.getSecret("password"),
        privateKey: config.getSecret("privateKey"),
    },
});

const authority = new TlsAuthority("authority");
const server = new TlsCertificate("server", {
    authority,
    hosts: [host, ...(config.getObject<string[]>("names") ?? [])],
});
const client = new TlsCertificate("client", { authority, use: "client" });

const daemon = new DaemonConfig("daemon", {
    connection: machine.connection,
    // With it the containers keep running while the daemon restarts, which it does for another certificate.
    settings: { "live-restore": true },
    enableLiveRestoreFirst: true,
    api: {
        tcp: {
            tls: { ca: authority.bundle, cert: server.certificate, key: server.privateKey },
            client: { cert: client.certificate, key: client.privateKey },
        },
    },
});

// eval "$(pulumi stack output --show-secrets environment)"; docker ps
export const environment = daemon.environment.sh;
export const endpoint = daemon.endpoint;
export const expiry = { authority: authority.expiresAt, server: server.expiresAt, client: client.expiresAt };
