/** One machine on the way, as OpenSSH's client has to see it. */
export interface OpenSshStop {
    /** What the configuration calls it; known_hosts and questions for its password do, too. */
    name: string;
    host: string;
    port: number;
    user: string;
    /** The socket of the agent that holds its keys. */
    agent: string | undefined;
    /** Paths of keys. */
    identities: string[];
    /** Whether a password is there to be asked for. */
    hasPassword: boolean;
    /** Whether the server may put its questions itself, which some do for a password. */
    maySpeak: boolean;
    /** A command that is the connection, complete. */
    proxyCommand: string | undefined;
    /** Seconds for one dial. */
    connectTimeout: number;
}

/**
 * An ssh_config(5) for a machine and the jump hosts before it. Whatever name ssh is called with that is no jump host's is the
 * machine. Keys of hosts are taken from the one file, and never without a check.
 *
 * @param stops the outermost jump host first, the machine last
 */
export function openSshConfig(stops: OpenSshStop[], knownHosts: string): string {
    const names = stops.slice(0, -1).map(({ name }) => name);
    const sections = stops.map((stop, index) => {
        const isMachine = index === stops.length - 1;
        const before = stops[index - 1];
        return [
            `Host ${isMachine ? ["*", ...names.map((name) => `!${name}`)].join(" ") : stop.name}`,
            // The machine's address is the one that ssh is called with.
            ...(isMachine ? [] : [`HostName ${literal(stop.host)}`]),
            `HostKeyAlias ${stop.name}`,
            `Port ${stop.port}`,
            `User ${stop.user}`,
            ...(before === undefined ? [] : [`ProxyJump ${before.name}`]),
            ...(stop.proxyCommand === undefined ? [] : [`ProxyCommand ${literal(stop.proxyCommand)}`]),
            `ConnectTimeout ${Math.ceil(stop.connectTimeout)}`,
            `BatchMode ${stop.hasPassword ? "no" : "yes"}`,
            `PreferredAuthentications ${methods(stop).join(",")}`,
            `IdentityAgent ${stop.agent === undefined ? "none" : path(stop.agent)}`,
            ...(stop.identities.length === 0
                ? ["IdentityFile none"]
                : stop.identities.map((file) => `IdentityFile ${path(file)}`)),
        ].join("\n    ");
    });
    const common = [
        "Host *",
        "StrictHostKeyChecking yes",
        `UserKnownHostsFile ${path(knownHosts)}`,
        "GlobalKnownHostsFile /dev/null",
        "UpdateHostKeys no",
        "CheckHostIP no",
        "IdentitiesOnly yes",
        "NumberOfPasswordPrompts 1",
        "ControlMaster no",
        "ControlPath none",
        "ForwardAgent no",
        "ServerAliveInterval 15",
        "ServerAliveCountMax 3",
        "LogLevel ERROR",
    ].join("\n    ");
    return `${[...sections, common].join("\n")}\n`;
}

function methods({ identities, hasPassword, maySpeak }: OpenSshStop): string[] {
    return [
        ...(identities.length > 0 ? ["publickey"] : []),
        ...(hasPassword && maySpeak ? ["keyboard-interactive"] : []),
        ...(hasPassword ? ["password"] : []),
    ];
}

/** Whether a path can stand in the configuration. */
export function isPlainPath(file: string): boolean {
    return !/["\\\r\n$]/.test(file);
}

function path(file: string): string {
    return `"${literal(file)}"`;
}

/** Text in which a percent sign means itself. */
function literal(text: string): string {
    return text.replaceAll("%", "%%");
}
