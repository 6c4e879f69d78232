import type * as pulumi from "@pulumi/pulumi";

/**
 * How to reach a machine over SSH. The names are those of `@pulumi/command`'s connection, so one object serves both.
 *
 * The machine's key is always checked: against `hostKey` when it is given, else against `userKnownHostsFile`, else the key
 * that the machine showed first is kept in the state and no other is accepted from then on.
 *
 * @example
 * ```ts
 * { host: "203.0.113.10", user: "admin", password: config.requireSecret("adminPassword") }
 * ```
 */
export interface ConnectionArgs {
    /** Name or address of the machine; with `sshConfig` also a name that only that knows. Required. Example: `"203.0.113.10"` */
    host: pulumi.Input<string>;
    /** TCP port of its SSH server. Default: `22`; with `sshConfig` what that says */
    port?: pulumi.Input<number>;
    /** Login name. What needs root is done through sudo, doas or su when it is another one. Default: `"root"`; with `sshConfig` whom `ssh` would take. Example: `"admin"` */
    user?: pulumi.Input<string>;
    /** Password of the login. Kept encrypted in the state. Default: none. Example: `config.requireSecret("adminPassword")` */
    password?: pulumi.Input<string>;
    /** Private key (its text, not a path): OpenSSH, PEM in every form, or PuTTY's .ppk. Kept encrypted in the state. Default: none. Example: `config.requireSecret("privateKey")` */
    privateKey?: pulumi.Input<string>;
    /** Passphrase of `privateKey`, and of every `identityFile` that is encrypted. Kept encrypted in the state. Default: none */
    privateKeyPassword?: pulumi.Input<string>;
    /**
     * Paths of private keys on the machine where `pulumi` runs, tried in order after `privateKey`. A `.pub` is enough when an
     * agent holds the private key. Default: when no way to log in is given, those of `~/.ssh/id_ed25519`, `id_ecdsa` and
     * `id_rsa` that exist and are not encrypted. Example: `"~/.ssh/fleet"`
     */
    identityFile?: pulumi.Input<string | pulumi.Input<string>[]>;
    /**
     * Socket of an SSH agent; `"none"`: no agent. Default: the environment variable `SSH_AUTH_SOCK`, with `identityFile` or without
     * any other way in. Example: `"/run/user/1000/ssh-agent.socket"`
     */
    agentSocketPath?: pulumi.Input<string>;
    /** The machine's public key; any other is refused. Default: see above. Example: `"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5…"` */
    hostKey?: pulumi.Input<string>;
    /**
     * What to do with a key that nothing is known about: `"accept-new"` keeps it and refuses any other later, `"yes"` refuses
     * it. Default: `"accept-new"`
     */
    strictHostKeyChecking?: pulumi.Input<"yes" | "accept-new">;
    /**
     * File, or files, with the keys of known machines, as OpenSSH writes them; the system's (`/etc/ssh/ssh_known_hosts`) counts
     * as well. Default: `["~/.ssh/known_hosts", "~/.ssh/known_hosts2"]`
     */
    userKnownHostsFile?: pulumi.Input<string | pulumi.Input<string>[]>;
    /** Password that sudo or doas asks for. Kept encrypted in the state. Default: the value of `password` */
    sudoPassword?: pulumi.Input<string>;
    /**
     * Password of root, for su: needed only where neither sudo nor doas makes the login user root. Kept encrypted in the state.
     * Default: none. Example: `config.requireSecret("rootPassword")`
     */
    rootPassword?: pulumi.Input<string>;
    /**
     * The machine through which this one is reached (a jump host, a bastion). It is a connection of its own: with its own login
     * and host key check, and its own `proxy` where it is reached through another one. Default: none.
     * Example: `{ host: "bastion.example.org", user: "jump", privateKey }`
     */
    proxy?: pulumi.Input<ConnectionArgs>;
    /**
     * A command, run where `pulumi` runs, whose standard input and output are the connection, like OpenSSH's ProxyCommand; %h is
     * `host`, %p `port`, %r `user`, %% a percent sign. Instead of `proxy`. Secrets belong in its environment, not here. `"none"`: the
     * machine is reached directly, whatever the stack's configuration and OpenSSH's say. Default: none. Example: `"cloudflared access ssh --hostname %h"`
     */
    proxyCommand?: pulumi.Input<string>;
    /**
     * A proxy, SOCKS5 or HTTP (with CONNECT), that looks up `host` and connects to it. Instead of `proxy`. Kept encrypted in the
     * state. Default: none. Example: `"socks5://user:password@proxy.example.org:1080"`
     */
    proxyUrl?: pulumi.Input<string>;
    /**
     * Whether `~/.ssh/config` and the system's configuration are read (`true`), or the path of a file that is read instead, on
     * the machine where `pulumi` runs: HostName, User, Port, IdentityFile, ProxyJump and so on, as `ssh HOST` would. Arguments
     * go before it. Default: `false`. Example: `"~/.ssh/fleet_config"`
     */
    sshConfig?: pulumi.Input<boolean | string>;
    /** How often a connection is tried before it counts as failed; `-1`: without end. A refused login is never tried again. Default: `10` */
    dialErrorLimit?: pulumi.Input<number>;
    /** How long one try may take, in seconds. Default: `15` */
    perDialTimeout?: pulumi.Input<number>;
}

/** The parts of a connection that are always secret. */
export const secretConnectionKeys = [
    "password",
    "privateKey",
    "privateKeyPassword",
    "sudoPassword",
    "rootPassword",
    "proxyUrl",
] as const;
