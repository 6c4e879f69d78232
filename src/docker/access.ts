import { homedir } from "node:os";
import { join } from "node:path";
import { type Connection, connectionName } from "../ssh";
import { tcpPort } from "./daemon/api";
import { environmentsFor, type Shell } from "./shells";

/** What has to be known of a Docker host for using its API from elsewhere. */
export interface ApiTarget {
    /** The machine, as SSH reaches it. */
    connection: Pick<Connection, "host" | "port" | "user" | "sshConfig">;
    /** Where the API listens on TCP; undefined: it is used over SSH. */
    tcp?: {
        address?: string;
        /** Default: 2376, without TLS 2375 */
        port?: number;
        /** What a client has to trust and to show. Without a key of its own, that has to come from elsewhere. */
        tls?: { ca: string; cert?: string; key?: string };
    };
}

/** How clients use the API of a Docker host. */
export interface ApiAccess {
    /** For DOCKER_HOST and the like: `tcp://203.0.113.10:2376` or `ssh://admin@203.0.113.10`. */
    endpoint: string;
    /** Arguments of @pulumi/docker's Provider. */
    providerArgs: { host: string; caMaterial?: string; certMaterial?: string; keyMaterial?: string };
    /** Options of dockerode; undefined over SSH, where it checks no host key: use dockerClient there. */
    dockerOptions?: {
        protocol: "http" | "https";
        host: string;
        port: number;
        ca?: string;
        cert?: string;
        key?: string;
    };
    /** For each shell: a text to be run in it, after which `docker` and others use the host. */
    environment: Record<Shell, string>;
    /**
     * Arguments for `docker` that make a context of the host. The client's files are those that {@link environment} writes, in
     * the home directory of whoever runs Pulumi.
     */
    contextArgs: string[];
}

/**
 * Everything with which clients use the API of a Docker host.
 *
 * @param name names the context and the directory of the client's files: ~/.docker/docker-fleet/NAME
 */
export function accessTo({ connection, tcp }: ApiTarget, name: string): ApiAccess {
    const directory = name.replace(/[^\w.-]+/g, "-");
    if (tcp === undefined) {
        const endpoint = `ssh://${nameOf(connection)}`;
        return {
            endpoint,
            providerArgs: { host: endpoint },
            environment: environmentsFor({ endpoint, directory, files: undefined }),
            contextArgs: ["context", "create", directory, "--docker", `host=${endpoint}`],
        };
    }
    const everywhere = tcp.address === undefined || ["0.0.0.0", "::"].includes(tcp.address);
    const host = everywhere ? connection.host : tcp.address!;
    const port = tcpPort(tcp);
    const endpoint = `tcp://${host.includes(":") ? `[${host}]` : host}:${port}`;
    const { ca, cert, key } = tcp.tls ?? {};
    const home = join(homedir(), ".docker", "docker-fleet", directory);
    const parts =
        tcp.tls === undefined ? [] : Object.keys(filesOf(tcp.tls)).map((file) => [part(file), join(home, file)]);
    return {
        endpoint,
        providerArgs: {
            host: endpoint,
            ...(ca === undefined ? {} : { caMaterial: ca }),
            ...(cert === undefined ? {} : { certMaterial: cert }),
            ...(key === undefined ? {} : { keyMaterial: key }),
        },
        dockerOptions: {
            protocol: tcp.tls === undefined ? "http" : "https",
            host,
            port,
            ...(ca === undefined ? {} : { ca }),
            ...(cert === undefined ? {} : { cert }),
            ...(key === undefined ? {} : { key }),
        },
        environment: environmentsFor({ endpoint, directory, files: tcp.tls && filesOf(tcp.tls) }),
        contextArgs: [
            ...["context", "create", directory, "--docker"],
            [`host=${endpoint}`, ...parts.map((pair) => field(pair.join("=")))].join(","),
        ],
    };
}

function nameOf(connection: ApiTarget["connection"]): string {
    try {
        return connectionName(connection);
    } catch {
        // What is wrong with it is told where it is checked, with the resource's name; here it would end the program.
        return connection.host;
    }
}

/** The files of a client, as Docker wants them in DOCKER_CERT_PATH. */
function filesOf({ ca, cert, key }: { ca: string; cert?: string; key?: string }): Record<string, string> {
    const files = { "ca.pem": ca, "cert.pem": cert, "key.pem": key };
    return Object.fromEntries(
        Object.entries(files).flatMap(([name, pem]) => (pem === undefined ? [] : [[name, `${pem.trim()}\n`]])),
    );
}

/** `ca.pem` is `ca`. */
const part = (file: string) => file.replace(/\.pem$/, "");

/** Docker reads the option as a line of CSV. */
const field = (text: string) => (/[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
