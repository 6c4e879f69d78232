import type { Duplex } from "node:stream";
import type Docker from "dockerode";
import { FleetError } from "../errors";
import type { Connection, Machine } from "../ssh";
import { connect } from "../ssh";
import { StreamAgent } from "./agent";

/** The Docker host that {@link dockerClient} shall talk to. A DockerHost's own outputs fit. */
export interface DockerClientHost {
    /** How to reach the machine. */
    connection: Connection;
    /** The machine's public SSH key, as the DockerHost has it; no other is accepted then. Default: as `connection` says. */
    hostKey?: string;
    /** The public SSH keys of the jump hosts on the way, as the DockerHost has them. Default: as `connection` says. */
    proxyHostKeys?: Record<string, string>;
}

const socketPath = "/var/run/docker.sock";

/**
 * A dockerode client for the Docker API of a host, over the one SSH connection that this process has to the machine: no TCP
 * port is opened, and no request pays for a connection of its own.
 *
 * Each request is a forwarded channel to /var/run/docker.sock. Where the login user may not open that socket, or the SSH
 * server forwards nothing, `docker system dial-stdio` is run through sudo instead.
 *
 * @example
 * ```ts
 * const containers = pulumi.all([web.connection, web.hostKey]).apply(async ([connection, hostKey]) => {
 *     const docker = await dockerClient({ connection, hostKey });
 *     return (await docker.listContainers()).map((container) => container.Image);
 * });
 * ```
 *
 * @throws FleetError the errors of every connection; requests fail with DOCKER_SOCKET_UNREACHABLE when neither way works
 */
export async function dockerClient(host: DockerClientHost): Promise<Docker> {
    const machine = await connect(host.connection, {
        knownHostKey: host.hostKey,
        knownProxyHostKeys: host.proxyHostKeys,
    });
    const Dockerode = (await import("dockerode")).default;
    const options = {
        protocol: "http",
        host: "docker",
        port: 80,
        agent: new StreamAgent(openerFor(machine)),
        // dockerode takes what is missing here from DOCKER_HOST and its like in the environment.
        socketPath: undefined,
        ca: undefined,
        cert: undefined,
        key: undefined,
        version: undefined,
    };
    return new Dockerode(options as Docker.DockerOptions);
}

/** At most this many `dial-stdio` at once: unlike forwarded channels they use up the server's sessions (MaxSessions 10). */
const dialStdioLimit = 4;

function openerFor(machine: Machine): () => Promise<Duplex> {
    let forwarding: "unknown" | "works" | "refused" = "unknown";
    const dialStdio = limited(dialStdioLimit, () =>
        machine.openCommand({
            step: "open the Docker API through sudo",
            argv: ["docker", "-H", `unix://${socketPath}`, "system", "dial-stdio"],
            sudo: true,
        }),
    );
    return async () => {
        if (forwarding !== "refused") {
            try {
                const stream = await machine.openUnixSocket(socketPath);
                forwarding = "works";
                return stream;
            } catch (error) {
                // What has worked before does not fail for lack of permission now: the daemon is down.
                if (forwarding === "works" || !isRefusal(error)) throw unreachable(machine, error);
                forwarding = "refused";
            }
        }
        try {
            return await dialStdio();
        } catch (error) {
            throw unreachable(machine, error);
        }
    };
}

/** The server answered, and would not open the socket; anything else is a fault of the connection. */
function isRefusal(error: unknown): boolean {
    return error instanceof FleetError && error.code === "UNIX_SOCKET_REFUSED";
}

function unreachable(machine: Machine, cause: unknown): FleetError {
    if (cause instanceof FleetError && !isRefusal(cause)) return cause;
    return new FleetError({
        code: "DOCKER_SOCKET_UNREACHABLE",
        machine: machine.name,
        step: "open the Docker API",
        message: `${socketPath} could not be opened.`,
        cure: "See that docker.service is running, and that the login user is in the group docker or may use sudo.",
        cause,
    });
}

/** Lets at most `limit` streams be open at a time; others wait for one to close. */
function limited(limit: number, open: () => Promise<Duplex>): () => Promise<Duplex> {
    let used = 0;
    const waiting: (() => void)[] = [];
    const release = () => {
        used -= 1;
        waiting.shift()?.();
    };
    return async () => {
        if (used >= limit) await new Promise<void>((resolve) => waiting.push(resolve));
        used += 1;
        try {
            const stream = await open();
            stream.once("close", release);
            return stream;
        } catch (error) {
            release();
            throw error;
        }
    };
}
