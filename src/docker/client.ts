import type { Duplex } from "node:stream";
import type Docker from "dockerode";
import { FleetError } from "../errors";
import type { Connection, Machine } from "../ssh";
import { connect, loadScript } from "../ssh";
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
 * server forwards nothing, `docker system dial-stdio` is run as root instead. A user who has become a member of the group docker
 * after the connection was opened is logged in anew.
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
    const login = (newerThan?: Machine) =>
        connect(host.connection, {
            knownHostKey: host.hostKey,
            knownProxyHostKeys: host.proxyHostKeys,
            newerThan,
        });
    const machine = await login();
    const Dockerode = (await import("dockerode")).default;
    const options = {
        protocol: "http",
        host: "docker",
        port: 80,
        agent: new StreamAgent(openerFor(machine, login)),
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

function openerFor(machine: Machine, loginAgain: (newerThan: Machine) => Promise<Machine>): () => Promise<Duplex> {
    let forwarding: "unknown" | "works" | "refused" = "unknown";
    let direct = machine;
    const dialStdio = limited(dialStdioLimit, () =>
        machine.openCommand({
            step: "open the Docker API as root",
            argv: ["docker", "-H", `unix://${socketPath}`, "system", "dial-stdio"],
            sudo: true,
        }),
    );
    /** Opens the socket itself; undefined when the server or the machine does not let us. */
    const forward = async () => {
        try {
            const stream = await direct.openUnixSocket(socketPath);
            forwarding = "works";
            return stream;
        } catch (error) {
            // What has worked before does not fail for lack of permission now: the daemon is down.
            if (forwarding === "works" || !isRefusal(error)) throw unreachable(machine, error);
            return undefined;
        }
    };
    let finding: Promise<unknown> | undefined;
    /** Finds out whether we are let: the first request does it for all that come meanwhile. */
    const find = async () => {
        const stream = await forward();
        if (stream !== undefined) return stream;
        if (await hasNewerGroups(direct)) {
            direct = await loginAgain(direct);
            const again = await forward();
            if (again !== undefined) return again;
        }
        forwarding = "refused";
        return undefined;
    };
    return async () => {
        while (finding !== undefined) await finding;
        if (forwarding !== "refused") {
            const attempt = forwarding === "works" ? forward() : find();
            if (forwarding === "unknown") {
                finding = attempt.then(
                    () => {},
                    () => {},
                );
                finding.then(() => {
                    finding = undefined;
                });
            }
            const stream = await attempt;
            if (stream !== undefined) return stream;
        }
        try {
            return await dialStdio();
        } catch (error) {
            // The next request looks again: meanwhile somebody may have let us.
            forwarding = "unknown";
            throw unreachable(machine, error);
        }
    };
}

const newerGroupsScript = loadScript(__dirname, "newer-groups.sh");

/** Whether the user has become a member of a group, such as docker, since the connection was logged in. */
async function hasNewerGroups(machine: Machine): Promise<boolean> {
    const step = "look at the groups of the login";
    const { stdout } = await machine.run({ step, script: newerGroupsScript, sudo: false });
    return stdout.trim() === "newer";
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
