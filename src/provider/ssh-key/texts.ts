import { type Connection, connectionName, knownHostsName } from "../../ssh";

/** Texts for other SSH clients: what they need to know of the machine and of the key. */
export interface ClientTexts {
    /** A line for known_hosts. */
    knownHosts: string;
    /** A Host block for ssh_config. */
    sshConfig: string;
    /** `ssh://user@host`, with the port unless it is 22. */
    endpoint: string;
}

/**
 * Makes these texts. The private key is expected in a file named after the resource: it is in the output `privateKey`, and
 * only the user can decide to write it anywhere.
 */
export function clientTexts(connection: Connection, user: string, hostKey: string, urn: string): ClientTexts {
    const host = connection.host.replace(/^\[(.*)\]$/, "$1").toLowerCase();
    const port = connection.port ?? 22;
    const name = urn.slice(urn.lastIndexOf("::") + 2).replace(/[^\w.-]+/g, "-") || "key";
    const lines = [
        `Host ${name}`,
        `    HostName ${host}`,
        `    User ${user}`,
        ...(port === 22 ? [] : [`    Port ${port}`]),
        `    IdentityFile ~/.ssh/${name}`,
        "    IdentitiesOnly yes",
        ...(connection.proxy === undefined ? [] : [`    ProxyJump ${jumps(connection.proxy).join(",")}`]),
        ...(connection.proxyCommand === undefined ? [] : [`    ProxyCommand ${connection.proxyCommand}`]),
        "",
    ];
    return {
        knownHosts: `${knownHostsName(host, port)} ${hostKey}`,
        sshConfig: lines.join("\n"),
        endpoint: `ssh://${connectionName({ ...connection, user })}`,
    };
}

/** The jump hosts as ssh_config writes them, the first one first. */
function jumps(proxy: Connection): string[] {
    return [...(proxy.proxy === undefined ? [] : jumps(proxy.proxy)), connectionName(proxy)];
}
