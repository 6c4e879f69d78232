import { homedir } from "node:os";
import { FleetError } from "../errors";
import { canonicalHost } from "./host";
import { proxyMistake } from "./proxy-arguments";
import type { Configured } from "./ssh-config";

/** How to reach and log in to a machine. Plain, resolved values; the names are those of `@pulumi/command`'s connection. */
export interface Connection {
    /** Host name or IP address. */
    host: string;
    /** Port of the SSH server. Default 22. */
    port?: number;
    /** Login name. Default `"root"`. */
    user?: string;
    /** Password of the login; also answers a keyboard-interactive login, and sudo unless `sudoPassword` is set. */
    password?: string;
    /** Contents of a private key file: OpenSSH, PEM (PKCS#1, SEC1, PKCS#8) or PuTTY's .ppk. */
    privateKey?: string;
    /** Passphrase of `privateKey` and of every `identityFile` that is encrypted. */
    privateKeyPassword?: string;
    /**
     * Paths of private keys, tried in order after `privateKey`; `~/` is the home directory. A .pub is enough when an agent
     * holds the private key; an agent's other keys are not tried. Default: where no way to log in is given, those of
     * ~/.ssh/id_ed25519, id_ecdsa and id_rsa that exist and are not encrypted.
     */
    identityFile?: string | string[];
    /** Socket of an SSH agent; `"none"`: no agent. Default: `SSH_AUTH_SOCK`, with `identityFile` or without any other way in. */
    agentSocketPath?: string;
    /** The only host key that is accepted, e.g. `"ssh-ed25519 AAAA…"`. Goes before everything else that is known. */
    hostKey?: string;
    /** What to do with a host key nobody knows: take it (`"accept-new"`, default) or refuse it (`"yes"`). */
    strictHostKeyChecking?: "yes" | "accept-new";
    /** Files of known host keys, besides the system's. Default `~/.ssh/known_hosts` and `known_hosts2`. They are read only. */
    userKnownHostsFile?: string | string[];
    /** What sudo and doas ask for. Default: `password`. */
    sudoPassword?: string;
    /** root's password, for su where neither sudo nor doas makes the user root. */
    rootPassword?: string;
    /** The machine through which this one is reached (a jump host): with a login and a host key check of its own. */
    proxy?: Connection;
    /**
     * Read OpenSSH's configuration, `~/.ssh/config` and the system's (`true`) or a file's: HostName, User, Port, IdentityFile and
     * so on, as `ssh HOST` would. What is given here goes before it. Default false.
     */
    sshConfig?: boolean | string;
    /** A command whose standard input and output are the connection, as OpenSSH's ProxyCommand: with %h %p %r %n %%; `"none"`: none. */
    proxyCommand?: string;
    /** A proxy: `socks5://[user:password@]host:port`, or `http://…` for one that knows CONNECT. It looks up `host`. */
    proxyUrl?: string;
    /** So many failed dials are borne while waiting for the machine; -1 = no limit. Default 10. */
    dialErrorLimit?: number;
    /** Seconds for one dial including the login. Default 15. */
    perDialTimeout?: number;
}

/** A {@link Connection} with its defaults filled in and its host canonical. */
export interface ResolvedConnection extends Connection {
    identityFile?: string[];
    proxy?: ResolvedConnection;
    configured?: Configured;
    port: number;
    user: string;
    strictHostKeyChecking: "yes" | "accept-new";
    userKnownHostsFile: string[];
    dialErrorLimit: number;
    perDialTimeout: number;
}

const defaultKnownHostsFiles = ["~/.ssh/known_hosts", "~/.ssh/known_hosts2"];

const optionalStrings = [
    "user",
    "password",
    "privateKey",
    "privateKeyPassword",
    "agentSocketPath",
    "hostKey",
    "sudoPassword",
    "rootPassword",
    "proxyCommand",
    "proxyUrl",
] as const;

/**
 * Checks a connection, and those it goes through, and fills in the defaults.
 *
 * @param path how messages name it
 * @throws FleetError INVALID_ARGUMENT naming the argument
 */
export function resolveConnection(connection: Connection, path = "connection"): ResolvedConnection {
    const bad = (argument: string, message: string) =>
        new FleetError({ code: "INVALID_ARGUMENT", message: `${path}.${argument} ${message}` });
    const host = canonicalHost(connection.host);
    if (host === undefined) {
        throw bad("host", "must be a host name or an IP address.");
    }
    for (const key of optionalStrings) {
        if (connection[key] !== undefined && typeof connection[key] !== "string") {
            throw bad(key, "must be a string.");
        }
    }
    const { identityFile } = connection;
    const identityFiles = typeof identityFile === "string" ? [identityFile] : identityFile;
    if (identityFiles?.some((path) => typeof path !== "string" || path === "")) {
        throw bad("identityFile", "must be a path, or a list of paths.");
    }
    const { sshConfig } = connection;
    if (
        sshConfig !== undefined &&
        typeof sshConfig !== "boolean" &&
        (typeof sshConfig !== "string" || sshConfig === "")
    ) {
        throw bad("sshConfig", "must be true, or the path of a configuration file.");
    }
    const { userKnownHostsFile = defaultKnownHostsFiles } = connection;
    const knownHostsFiles = typeof userKnownHostsFile === "string" ? [userKnownHostsFile] : userKnownHostsFile;
    if (!Array.isArray(knownHostsFiles) || knownHostsFiles.some((file) => typeof file !== "string" || file === "")) {
        throw bad("userKnownHostsFile", "must be a path, or a list of paths.");
    }
    const port = connection.port ?? 22;
    if (!Number.isInteger(port) || port < 1 || port > 65_535) {
        throw bad("port", `must be a number between 1 and 65535, not ${port}.`);
    }
    const user = connection.user ?? "root";
    if (user === "" || /[\s\0]/.test(user)) {
        throw bad("user", "must be a login name.");
    }
    for (const key of ["password", "sudoPassword", "rootPassword"] as const) {
        if (/[\n\r\0]/.test(connection[key] ?? "")) {
            throw bad(key, "must be a single line.");
        }
    }
    const mistake = proxyMistake({ ...connection, host, user });
    if (mistake !== undefined) {
        throw bad(mistake.argument, mistake.message);
    }
    const strictHostKeyChecking = connection.strictHostKeyChecking ?? "accept-new";
    if (strictHostKeyChecking !== "yes" && strictHostKeyChecking !== "accept-new") {
        throw bad("strictHostKeyChecking", 'must be "yes" or "accept-new".');
    }
    const dialErrorLimit = connection.dialErrorLimit ?? 10;
    if (!Number.isInteger(dialErrorLimit) || dialErrorLimit < -1) {
        throw bad("dialErrorLimit", "must be a whole number, or -1 for no limit.");
    }
    const perDialTimeout = connection.perDialTimeout ?? 15;
    if (typeof perDialTimeout !== "number" || !(perDialTimeout > 0)) {
        throw bad("perDialTimeout", "must be a positive number of seconds.");
    }
    const { proxy, proxyCommand, ...rest } = connection;
    return {
        ...rest,
        ...(proxyCommand === undefined || proxyCommand === "none" ? {} : { proxyCommand }),
        ...(proxy === undefined ? {} : { proxy: resolveConnection(proxy, `${path}.proxy`) }),
        host,
        identityFile: identityFiles,
        port,
        user,
        strictHostKeyChecking,
        userKnownHostsFile: knownHostsFiles.map((file) => file.replace(/^~(?=\/|$)/, homedir())),
        dialErrorLimit,
        perDialTimeout,
    };
}

/** The machine as messages name it: `admin@203.0.113.10`, with the port only where it is not 22. */
export function machineName(connection: ResolvedConnection): string {
    const name = connection.configured?.alias ?? connection.host;
    const host = name.includes(":") ? `[${name}]` : name;
    return `${connection.user}@${host}${connection.port === 22 ? "" : `:${connection.port}`}`;
}

/** The server that a connection leads to, and the way there; behind another jump host, the same address is another one. */
export function placeOf({ host, port, proxy, proxyCommand, proxyUrl }: ResolvedConnection): string {
    const way = proxy === undefined ? (proxyCommand ?? proxyUrl) : placeOf(proxy);
    const place = `${host.includes(":") ? `[${host}]` : host}:${port}`;
    return way === undefined ? place : `${place} via ${way}`;
}

/**
 * The name that the machine of a connection will have, known before there is a connection.
 *
 * @throws FleetError INVALID_ARGUMENT naming the argument
 */
export function connectionName(connection: Connection): string {
    return machineName(resolveConnection(connection));
}
