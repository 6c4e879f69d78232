import { homedir, userInfo } from "node:os";
import { type Connection, resolveConnection } from "./connection";
import { expandHome } from "./identity";
import { readSshConfig } from "./ssh-config-file";
import { configError, type SshOptions, type SshQuery } from "./ssh-options";
import { askSsh } from "./ssh-query";

/** What OpenSSH's configuration adds that no argument can say. */
export interface Configured {
    /** The name that the user wrote, where the configuration leads to another one: machines are called by it. */
    alias: string;
    /** The name under which known_hosts lists the machine. */
    hostKeyAlias?: string;
    /** Its IdentityFile lines; undefined where there are none and OpenSSH's own choice holds. */
    identityFiles?: string[];
    /** Whether the agent's other keys must not be tried. */
    identitiesOnly: boolean;
}

/** A connection into which the configuration has been worked. */
export interface ConfiguredConnection extends Connection {
    configured?: Configured;
    proxy?: ConfiguredConnection;
}

/** More jump hosts than that in a row are a configuration that goes round in circles. */
const mostHops = 10;

/**
 * Works OpenSSH's configuration into a connection that wants it, and into those it goes through. What the connection says
 * itself goes before it. A second time changes nothing.
 *
 * @throws FleetError INVALID_ARGUMENT, SSH_CONFIG_INVALID
 */
export async function withSshConfig(connection: Connection, hops = 0): Promise<ConfiguredConnection> {
    const { sshConfig, proxy, ...own } = connection;
    const given = proxy === undefined ? own : { ...own, proxy: await withSshConfig(proxy, hops) };
    if (sshConfig === undefined || sshConfig === false) {
        return given;
    }
    // What is wrong with the arguments is told before ssh gets to see them.
    resolveConnection(connection);
    if (hops > mostHops) {
        throw configError(`ProxyJump leads through more than ${mostHops} hosts, the last of them ${own.host}.`);
    }
    const path = typeof sshConfig === "string" ? expandHome(sshConfig) : undefined;
    const options = await optionsOf({ path, host: own.host, user: own.user, port: own.port });
    const first = (keyword: string) => options.get(keyword)?.[0];
    const host = first("hostname") ?? own.host;
    const user = own.user ?? first("user");
    const port = own.port ?? Number(first("port") ?? 22);
    const expand = (value: string) => expandTokens(value, { host, user: user ?? "root", port, alias: own.host });
    const namesKey = own.privateKey !== undefined || own.identityFile !== undefined;
    return {
        ...given,
        host,
        user,
        port,
        agentSocketPath: own.agentSocketPath ?? agentOf(first("identityagent"), namesKey, expand),
        strictHostKeyChecking: own.strictHostKeyChecking ?? strictnessOf(first("stricthostkeychecking")),
        userKnownHostsFile: own.userKnownHostsFile ?? knownHostsOf(options.get("userknownhostsfile"))?.map(expand),
        ...(await wayOf(connection, options, hops)),
        configured: {
            alias: own.host,
            hostKeyAlias: first("hostkeyalias"),
            identityFiles: identityFilesOf(options.get("identityfile"))?.map(expand),
            identitiesOnly: first("identitiesonly") === "yes",
        },
    };
}

const answers = new Map<string, Promise<SshOptions>>();

/** The configuration is read once per host and process: all resources of a run see the same one. */
function optionsOf(query: SshQuery): Promise<SshOptions> {
    const key = JSON.stringify([query.path, query.host, query.user, query.port]);
    const known = answers.get(key);
    if (known !== undefined) {
        return known;
    }
    const answer = askSsh(query).then((options) => options ?? readSshConfig(query));
    answers.set(key, answer);
    answer.catch(() => answers.delete(key));
    return answer;
}

/** ProxyJump as the hosts to go through, each with the configuration's word on it; else ProxyCommand. */
async function wayOf(
    connection: Connection,
    options: SshOptions,
    hops: number,
): Promise<Pick<ConfiguredConnection, "proxy" | "proxyCommand">> {
    if ([connection.proxy, connection.proxyCommand, connection.proxyUrl].some((way) => way !== undefined)) {
        return {};
    }
    const jump = options.get("proxyjump")?.[0];
    if (jump !== undefined && jump.toLowerCase() !== "none") {
        return { proxy: await withSshConfig(jumpOf(jump, connection), hops + 1) };
    }
    const command = options.get("proxycommand")?.[0];
    if (command !== undefined && command.toLowerCase() !== "none") {
        return { proxyCommand: command };
    }
    return {};
}

/** `a,b`: through a to b. What vouches for machines, and how they are dialed, is the same for the hosts on the way. */
function jumpOf(list: string, connection: Connection): Connection {
    const { sshConfig, agentSocketPath, strictHostKeyChecking, userKnownHostsFile, dialErrorLimit, perDialTimeout } =
        connection;
    const common = { agentSocketPath, strictHostKeyChecking, userKnownHostsFile, dialErrorLimit, perDialTimeout };
    let way: Connection | undefined;
    for (const stop of list.split(",")) {
        const [, user, bracketed, plain, port] =
            /^(?:ssh:\/\/)?(?:([^@]*)@)?(?:\[([^\]]+)\]|([^@:[\]]+))(?::(\d+))?\/?$/.exec(stop.trim()) ?? [];
        const host = bracketed ?? plain;
        if (host === undefined) {
            throw configError(`ProxyJump ${list} is not a list of [user@]host[:port].`);
        }
        way = { ...common, sshConfig, host, user, port: port === undefined ? undefined : Number(port), proxy: way };
    }
    return way as Connection;
}

/** OpenSSH lists its own choice where the configuration has none: many files of the same kind. */
function identityFilesOf(files: string[] | undefined): string[] | undefined {
    const isOwnChoice =
        files === undefined || (files.length > 3 && files.every((file) => /^~\/\.ssh\/id_\w+$/.test(file)));
    return isOwnChoice ? undefined : files.filter((file) => file !== "none").map(unquote);
}

/** As ssh: the agent of the configuration, else that of the environment; none where a key is named by an argument. */
function agentOf(
    configured: string | undefined,
    namesKey: boolean,
    expand: (value: string) => string,
): string | undefined {
    const fromEnvironment = namesKey ? undefined : process.env.SSH_AUTH_SOCK || "none";
    if (configured === undefined || configured === "SSH_AUTH_SOCK") {
        return fromEnvironment;
    }
    const variable = /^\$(\w+)$/.exec(configured)?.[1];
    return variable === undefined ? expand(unquote(configured)) : process.env[variable] || "none";
}

/** Never laxer than our own default: a changed key is refused whatever the configuration says. */
function strictnessOf(configured: string | undefined): "yes" | undefined {
    return configured === "yes" || configured === "true" ? "yes" : undefined;
}

/** `ssh -G` writes all files in one line. */
function knownHostsOf(values: string[] | undefined): string[] | undefined {
    const files = values?.flatMap((value) => value.split(/ +(?=[/~%$]|[A-Za-z]:\\)/)).map(unquote);
    return files === undefined || files[0]?.toLowerCase() === "none" ? files && [] : files;
}

function unquote(value: string): string {
    return value.replace(/^"(.*)"$/, "$1");
}

/** ssh_config's tokens and environment variables in a path. */
function expandTokens(value: string, target: { host: string; user: string; port: number; alias: string }): string {
    const { username, uid } = userInfo();
    const tokens: Record<string, string> = {
        "%": "%",
        d: homedir(),
        h: target.host,
        i: String(uid),
        n: target.alias,
        p: String(target.port),
        r: target.user,
        u: username,
    };
    return expandHome(
        value
            .replace(/%([%dhinpru])/g, (_, token: string) => tokens[token] as string)
            .replace(/\$\{(\w+)\}/g, (_, name: string) => process.env[name] ?? ""),
    );
}
