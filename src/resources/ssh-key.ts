import * as pulumi from "@pulumi/pulumi";
import { completeConnection, FleetResource } from "./base";
import { type ConnectionArgs, secretConnectionKeys } from "./connection";
import { type HardeningArgs, SshHardening } from "./hardening";

/** Arguments of {@link SshKey}. */
export interface SshKeyArgs {
    /**
     * How to log in to install the key: with whatever works today, such as the password of the cloud provider's mail. Once
     * the key is installed this resource logs in with the key itself, and falls back to this only if that fails.
     *
     * @example `{ host: "203.0.113.10", user: "admin", password: config.requireSecret("adminPassword") }`
     */
    connection: pulumi.Input<ConnectionArgs>;
    /**
     * The user of the machine that the key lets in. The user must exist. Another one makes a new key, and the old user's key
     * is removed.
     *
     * Default: the login user of `connection`
     */
    user?: pulumi.Input<string>;
    /**
     * A private key of yours, to be installed in place of one that is made here: its text, in any form that `connection`
     * reads. Kept encrypted in the state. Another key replaces the resource: the new one works before the old one goes.
     *
     * Default: a new ed25519 key is made.
     *
     * @example `new tls.PrivateKey("key", { algorithm: "ED25519" }).privateKeyOpenssh`
     */
    privateKey?: pulumi.Input<string>;
    /** Passphrase of `privateKey`. Kept encrypted in the state. Default: none */
    privateKeyPassword?: pulumi.Input<string>;
    /**
     * A public key whose private part is elsewhere, e.g. on a security token (`sk-ssh-ed25519@openssh.com …`) or with a
     * colleague. It is installed, but no login can be tried, and the output `connection` is the argument `connection`.
     *
     * @example `"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5… anna@laptop"`
     */
    publicKey?: pulumi.Input<string>;
    /**
     * What stands after the key in authorized_keys.
     *
     * Default: that of `publicKey`, or `"<name> (<project>/<stack>)"`; the comment of a line that is there already stays.
     */
    comment?: pulumi.Input<string>;
    /**
     * Options of the key, as in sshd(8), each one an element; values may stand without quotes. They are exactly these: other
     * ones that the line has are drift. A key with `from=` for other addresses is installed without a login to prove it.
     *
     * Default: none
     *
     * @example `["from=10.0.0.0/8", "no-agent-forwarding", "expiry-time=20301231"]`
     */
    options?: pulumi.Input<pulumi.Input<string>[]>;
    /**
     * Any value: when it changes, a new key takes the place of the old one. The new one works, and everything that uses
     * `connection` has it, before the old one is removed. Not for a given key, which rotates by giving another.
     *
     * Default: none
     *
     * @example `"2027-01"`
     */
    rotate?: pulumi.Input<unknown>;
    /**
     * The age at which a key is replaced by a new one, in the first `pulumi up` after that: a number and `s`, `m`, `h`, `d` or
     * `w`. The preview shows it. Not for a given key.
     *
     * Default: none
     *
     * @example `"90d"`
     */
    maxAge?: pulumi.Input<string>;
    /**
     * Repair what would make sshd ignore the file of keys (StrictModes): permissions of the file, its directory and the home
     * directory that let others write, and wrong owners. Otherwise such a machine is an error that names them.
     *
     * Default: `false`
     */
    repairPermissions?: pulumi.Input<boolean>;
    /**
     * Settings for the machine's SSH server, so that nobody else gets in. They are made live only when a login with this key has
     * worked under them, and the machine itself takes them back when that was not confirmed within a minute, whatever happens to
     * us or to its power. This is a resource of its own below the SshKey; deleting it restores what was there before.
     *
     * The key must lead to root, and its private part must be known. One resource per machine can have it.
     *
     * Default: the SSH server is left as it is
     *
     * @example `{ passwordAuthentication: false, permitRootLogin: "prohibit-password" }`
     */
    hardening?: pulumi.Input<HardeningArgs>;
}

/**
 * A key with which a user of a machine logs in: made here or given, installed in the user's authorized_keys, and proved by a
 * second login with this key alone. Log in once with a password, and never again.
 *
 * The file of keys is the one that the machine's sshd reads for that user. Only the key's own line is changed in it: other
 * keys, options, comments and order stay byte for byte, whoever else edits the file at the same moment. Private keys made
 * here are in the Pulumi state, encrypted, and nowhere else.
 *
 * `pulumi refresh` finds a line that was removed or has other options, and permissions that make sshd ignore it; the next
 * `pulumi up` repairs that. Deleting the resource removes the line, and is refused where that would lock everybody out.
 *
 * Errors: AUTHORIZED_KEYS_BUSY, AUTHORIZED_KEYS_PERMISSIONS, AUTHORIZED_KEYS_UNUSABLE, PRIVATE_KEY_INVALID, SSH_KEY_IN_USE,
 * SSH_KEY_REFUSED, SSH_LAST_WAY_IN, SSH_USER_MISSING; with `hardening` HARDENING_OWNED, HARDENING_REFUSED, HARDENING_UNDONE,
 * SSHD_CONFIG_INVALID, SSHD_SETTING_OVERRIDDEN; and those of every connection; see docs/errors.md.
 *
 * @example
 * ```ts
 * import { DockerHost, SshKey } from "pulumi-docker-fleet";
 *
 * const first = { host: "203.0.113.10", user: "admin", password };
 * const key = new SshKey("web-key", { connection: first, maxAge: "90d" });
 * const web = new DockerHost("web", { connection: key.connection });
 * ```
 */
export class SshKey extends FleetResource {
    /**
     * The argument `connection` with this key in place of what it logged in with: give it to the other resources on the
     * machine. Host and user are known in a preview. With `publicKey` it is the argument as it is. For another user than the
     * login it has no `sudoPassword`.
     */
    declare readonly connection: ConnectionArgs;
    /** The private key, made here or given; a secret. Undefined with `publicKey`. */
    declare readonly privateKey: pulumi.Output<string | undefined>;
    /** The public key as authorized_keys has it, e.g. `ssh-ed25519 AAAA… web-key (project/stack)`. */
    declare readonly sshPublicKey: pulumi.Output<string>;
    /** Its fingerprint, e.g. `SHA256:…`. */
    declare readonly sshKeyFingerprint: pulumi.Output<string>;
    /** When the key was made or taken, e.g. `2027-01-31T12:00:00.000Z`. */
    declare readonly createdAt: pulumi.Output<string>;
    /** The file it is in, e.g. `/home/admin/.ssh/authorized_keys`. */
    declare readonly authorizedKeysFile: pulumi.Output<string>;
    /** True when a login with the key alone has worked; false with `publicKey`, and where `from=` keeps us out. */
    declare readonly proved: pulumi.Output<boolean>;
    /** A line for known_hosts: the machine's name and key. */
    declare readonly knownHosts: pulumi.Output<string>;
    /** A Host block for `~/.ssh/config`, which expects the private key in `~/.ssh/<name>`. */
    declare readonly sshConfig: pulumi.Output<string>;
    /** Content of /etc/machine-id. Where there is none, made of the machine's SSH host key. */
    declare readonly machineId: pulumi.Output<string>;
    /** The machine's public SSH key, e.g. `ssh-ed25519 AAAA…`. Seen first, it is kept and no other is accepted from then on. */
    declare readonly hostKey: pulumi.Output<string>;
    /** `ssh://user@host`, with `:port` unless it is 22. */
    declare readonly endpoint: pulumi.Output<string>;
    /** False when the last refresh could not look at the machine; the outputs are then the last known ones. */
    declare readonly reachable: pulumi.Output<boolean>;

    /** A key that was made here; programs read {@link privateKey}. */
    declare private readonly generatedKey: pulumi.Output<string | undefined>;

    /**
     * @param name the resource's name in the program
     * @param args see {@link SshKeyArgs}
     * @param options Pulumi's own resource options
     */
    constructor(name: string, args: SshKeyArgs, options?: pulumi.CustomResourceOptions) {
        const { hardening, ...own } = args;
        super(kind, name, withSecrets(own), options);
        // The base has put the arguments under the same names; they do not know a key that was made here.
        const given = (this as unknown as { privateKey?: pulumi.Output<string | undefined> }).privateKey;
        this.privateKey =
            args.privateKey === undefined || given === undefined
                ? this.generatedKey
                : given.apply((key) => (key === undefined ? this.generatedKey : pulumi.output(key)));
        const connection = completeConnection(args.connection);
        this.connection = args.publicKey === undefined ? this.withKey(args, connection) : apart(connection, allParts);
        if (hardening !== undefined) {
            new SshHardening(name, { connection: this.connection, hardening }, { parent: this, dependsOn: this });
        }
    }

    private withKey(args: SshKeyArgs, given: pulumi.Input<ConnectionArgs>): ConnectionArgs {
        const { user, password, sudoPassword } = apart(given, ["user", "password", "sudoPassword"]);
        const login = pulumi.output(user).apply((name) => name ?? "root");
        const account = args.user === undefined ? login : pulumi.output(args.user).apply((name) => name ?? login);
        // The password is the login's; another user's is not known.
        const sudo = pulumi
            .all([login, account, sudoPassword, password])
            .apply(([from, to, forSudo, forLogin]) => (from === to ? (forSudo ?? forLogin) : undefined));
        return {
            ...apart(given, keptParts),
            user: account,
            privateKey: this.privateKey as pulumi.Output<string>,
            ...(args.privateKeyPassword === undefined
                ? {}
                : { privateKeyPassword: pulumi.secret(args.privateKeyPassword) as pulumi.Output<string> }),
            sudoPassword: pulumi.secret(sudo) as pulumi.Output<string>,
        };
    }
}

/** The arguments with what is secret in them as secrets, whether or not the program says so. */
function withSecrets(args: SshKeyArgs): SshKeyArgs {
    const secret = { ...args };
    for (const part of ["privateKey", "privateKeyPassword"] as const) {
        if (secret[part] !== undefined) secret[part] = pulumi.secret(secret[part]) as pulumi.Output<string>;
    }
    return secret;
}

/** Whether a part of a connection stays what it is when one logs in with another key. */
const parts: Record<keyof ConnectionArgs, boolean> = {
    host: true,
    port: true,
    user: false,
    password: false,
    privateKey: false,
    privateKeyPassword: false,
    agentSocketPath: false,
    identityFile: false,
    hostKey: true,
    strictHostKeyChecking: true,
    userKnownHostsFile: true,
    sudoPassword: false,
    rootPassword: true,
    proxy: true,
    proxyCommand: true,
    proxyUrl: true,
    sshConfig: true,
    dialErrorLimit: true,
    perDialTimeout: true,
};
const allParts = Object.keys(parts) as (keyof ConnectionArgs)[];
const keptParts = allParts.filter((part) => parts[part]);

/**
 * Some parts of a connection, each for itself: as one output, nothing of it would be known in a preview until all of it is, and
 * all of it would be secret.
 */
function apart(connection: pulumi.Input<ConnectionArgs>, wanted: readonly (keyof ConnectionArgs)[]): ConnectionArgs {
    const isOutput = pulumi.Output.isInstance(connection) || connection instanceof Promise;
    if (!isOutput) {
        return Object.fromEntries(
            wanted.filter((part) => connection[part] !== undefined).map((part) => [part, connection[part]]),
        ) as unknown as ConnectionArgs;
    }
    const opened = pulumi.unsecret(pulumi.output(connection));
    const value = (part: keyof ConnectionArgs) => {
        const output = opened.apply((known) => (known as ConnectionArgs)[part]) as pulumi.Output<unknown>;
        // A jump host's secrets are no longer told apart from the rest of it.
        return part === "proxy" || (secretConnectionKeys as readonly string[]).includes(part)
            ? pulumi.secret(output)
            : output;
    };
    return Object.fromEntries(wanted.map((part) => [part, value(part)])) as unknown as ConnectionArgs;
}

const kind = {
    kind: "SshKey",
    provider: "sshKey",
    outputs: [
        "generatedKey",
        "sshPublicKey",
        "sshKeyFingerprint",
        "createdAt",
        "authorizedKeysFile",
        "proved",
        "knownHosts",
        "sshConfig",
        "machineId",
        "hostKey",
        "endpoint",
        "reachable",
    ],
    secretOutputs: ["generatedKey", "privateKey"],
};
