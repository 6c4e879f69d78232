import * as pulumi from "@pulumi/pulumi";
import { type ApiAccess, accessTo } from "../docker/access";
import { readTcpAddress } from "../docker/daemon/api";
import type { DaemonSettings } from "../docker/daemon/settings";
import { FleetResource } from "./base";
import type { ConnectionArgs } from "./connection";

/** A type of which every part may be an output of another resource. */
export type DeepInput<T> = pulumi.Input<
    T extends readonly (infer Item)[]
        ? DeepInput<Item>[]
        : T extends object
          ? { [Key in keyof T]: DeepInput<T[Key]> }
          : T
>;

/** Arguments of {@link DaemonConfig}. */
export interface DaemonConfigArgs {
    /**
     * How to reach the machine. Use the output `connection` of its {@link DockerHost}, so that the engine is there first.
     *
     * @example `web.connection`
     */
    connection: pulumi.Input<ConnectionArgs>;
    /**
     * What is set in /etc/docker/daemon.json, with Docker's own names. Only these keys are managed, each by one resource per
     * machine; in `log-opts`, `features`, `runtimes`, `default-ulimits`, `default-network-opts`, `proxies`, `builder` and
     * `nri-opts` each inner key alone. Everything else in the file stays as it is. A key that is taken out here is taken out
     * of the file, and its default is in effect again.
     *
     * Default: `{}`
     *
     * @example `{ "log-driver": "local", "live-restore": true, labels: ["zone=a"] }`
     */
    settings?: DeepInput<DaemonSettings>;
    /**
     * Keys that are newer than this package. They are written as they are; whether they are right shows on the machine. The
     * daemon restarts when one changes.
     *
     * Default: `{}`
     */
    extra?: pulumi.Input<Record<string, unknown>>;
    /**
     * The file holds `settings` and `extra` and nothing else: what others have put there, or put there later, is removed.
     *
     * Default: `false`
     */
    exclusive?: pulumi.Input<boolean>;
    /**
     * How changes come into effect:
     * - `"auto"`: by a reload where that is enough, else by a restart of the daemon.
     * - `"reloadOnly"`: a change that needs a restart is refused, and nothing is changed.
     * - `"ifNoContainers"`: a restart that would stop containers is refused, and nothing is changed.
     * - `"staged"`: the file is checked and written; it comes into effect when somebody restarts the daemon. Until then the
     *   output `pending` names what waits.
     *
     * Default: `"auto"`
     */
    applyMode?: pulumi.Input<"auto" | "reloadOnly" | "ifNoContainers" | "staged">;
    /**
     * Turn live-restore on by a reload before a restart that would stop containers, so that they keep running. Needs
     * `"live-restore": true` among the settings. Containers on networks whose settings change keep the old ones until they
     * are restarted.
     *
     * Default: `false`
     */
    enableLiveRestoreFirst?: pulumi.Input<boolean>;
    /**
     * Allow changes of `data-root`, `storage-driver`, `userns-remap` and `features["containerd-snapshotter"]` although there
     * are images, containers or volumes, which vanish from sight with such a change. Their data stays on the disk.
     *
     * Default: `false`
     */
    allowDestructive?: pulumi.Input<boolean>;
    /**
     * Environment variables of the daemon, by name; for proxies on engines before 23, which do not have `proxies`. They come
     * by a drop-in for docker.service and a file that only root can read. A change restarts the daemon.
     *
     * Default: none
     *
     * @example `{ HTTPS_PROXY: config.requireSecret("proxy"), NO_PROXY: "localhost,10.0.0.0/8" }`
     */
    environment?: pulumi.Input<Record<string, pulumi.Input<string>>>;
    /**
     * Where the Docker API is reached besides the machine's own socket and SSH. All of it comes and goes in one transaction
     * with the settings: at no moment is a port open without TLS. Changes restart the daemon.
     *
     * Default: none
     *
     * @example `{ tcp: { tls: { ca: ca.bundle, cert: server.certificate, key: server.privateKey } } }`
     */
    api?: DaemonApiArgs;
}

/** How the Docker API is reached; see {@link DaemonConfigArgs}. */
export interface DaemonApiArgs {
    /** Over TCP. Default: not at all */
    tcp?: DaemonApiTcpArgs;
}

/** The Docker API over TCP. */
export interface DaemonApiTcpArgs {
    /** The address of the machine to listen on. Default: `"0.0.0.0"`, all of them. Example: `"203.0.113.10"` */
    address?: pulumi.Input<string>;
    /** The port. Default: `2376`; without TLS `2375` */
    port?: pulumi.Input<number>;
    /** What the daemon shows, and whose clients it lets in. Required, unless `allowUnprotected` is set. */
    tls?: DaemonApiTlsArgs;
    /**
     * The certificate with which clients come, for the outputs `providerArgs`, `dockerOptions` and `environment`. It stays in
     * the program: the machine never sees it. Default: none; those outputs then lack it
     */
    client?: DaemonApiClientArgs;
    /**
     * Open the port without TLS: everybody who reaches it is root on the machine. There is a warning at each preview. Also
     * allows TCP addresses without TLS in `settings.hosts`.
     *
     * Default: `false`
     */
    allowUnprotected?: pulumi.Input<boolean>;
}

/** Certificates and key of a Docker host: of a {@link TlsCertificate}, or any others in PEM. */
export interface DaemonApiTlsArgs {
    /** The authorities whose clients are let in. Who has a certificate of theirs is root. Example: `ca.bundle` */
    ca: pulumi.Input<string>;
    /** The host's certificate, followed by those that lead to the authority, if any. Example: `server.certificate` */
    cert: pulumi.Input<string>;
    /** Its private key; on the machine in a file that only root can read (mode 0400). Kept encrypted in the state. Example: `server.privateKey` */
    key: pulumi.Input<string>;
}

/** What a client of the Docker API shows: of a {@link TlsCertificate} with `use: "client"`, or any others in PEM. */
export interface DaemonApiClientArgs {
    /** The client's certificate. Example: `client.certificate` */
    cert: pulumi.Input<string>;
    /** Its private key, which makes every output that holds it a secret. Example: `client.privateKey` */
    key: pulumi.Input<string>;
    /** The authorities that may have made the host's certificate. Default: `tls.ca` */
    ca?: pulumi.Input<string>;
}

/**
 * The configuration of a machine's Docker daemon: /etc/docker/daemon.json and what belongs to it.
 *
 * What is wrong with the settings shows in the preview as far as it can. Each change is one transaction on the machine:
 * checked by dockerd itself, put in place, brought into effect by a reload or a restart, and proved by the daemon's own word.
 * If anything fails, the old file and the old daemon are back, and the error holds the daemon's last words. It ends so or so
 * also when the connection is lost in the middle.
 *
 * Errors: DAEMON_CONFIG_FAILED, DAEMON_JSON_INVALID, DAEMON_NOT_RUNNING, DESTRUCTIVE_CHANGE, ENGINE_MISSING,
 * RESTART_NOT_ALLOWED, SETTING_CLAIMED, SETTING_CONFLICT, SETTING_REFUSED, UNSUPPORTED_MACHINE, and those of every
 * connection; see docs/errors.md.
 *
 * @example
 * ```ts
 * import { DaemonConfig, DockerHost } from "pulumi-docker-fleet";
 *
 * const web = new DockerHost("web", { connection: { host: "203.0.113.10", user: "admin", password } });
 * new DaemonConfig("web-daemon", {
 *     connection: web.connection,
 *     settings: { "log-driver": "local", "live-restore": true },
 * });
 * ```
 */
export class DaemonConfig extends FleetResource {
    /** The `connection` argument, passed through: give it to what has to come after the configuration. */
    declare readonly connection: pulumi.Output<ConnectionArgs>;
    /** Where clients reach the Docker API: `tcp://203.0.113.10:2376` with `api`, else `ssh://admin@203.0.113.10`. */
    readonly endpoint: pulumi.Output<string>;
    /** Arguments for the Provider of @pulumi/docker; a secret where a client's key is in them. */
    readonly providerArgs: pulumi.Output<ApiAccess["providerArgs"]>;
    /**
     * Options for dockerode; a secret where a client's key is in them. Undefined without `api`: dockerode checks no host key over
     * SSH, so use {@link dockerClient} there.
     */
    readonly dockerOptions: pulumi.Output<ApiAccess["dockerOptions"]>;
    /**
     * For each shell a text that leads `docker` to the host, as `docker-machine env` did; a secret where a client's key is in it.
     *
     * @example `eval "$(pulumi stack output --show-secrets env)"`, with `export const env = daemon.environment.sh`
     */
    readonly environment: pulumi.Output<ApiAccess["environment"]>;
    /**
     * Arguments for `docker` that make a context of the host: `context create NAME --docker host=…`. With TLS it reads the files
     * that the text of `environment` writes to ~/.docker/docker-fleet/NAME.
     */
    readonly contextArgs: pulumi.Output<ApiAccess["contextArgs"]>;
    /** What the last change did: `none`, `reload`, `restart; live-restore is on, 7 containers keep running`, … */
    declare readonly plan: pulumi.Output<string>;
    /** Keys that are in the file and not in effect yet, with `applyMode: "staged"`. */
    declare readonly pending: pulumi.Output<string[]>;
    /** Version of the engine, e.g. `28.5.2+dfsg4`. */
    declare readonly engineVersion: pulumi.Output<string>;
    /**
     * When the certificate that the daemon shows ends, e.g. `2027-12-31T08:00:00.000Z`, whoever has made it; undefined without
     * one. A refresh shows it as drift in its last 14 days (a sixth of its life at most), and each preview says so.
     */
    declare readonly certificateExpiresAt: pulumi.Output<string | undefined>;
    /** Content of /etc/machine-id: by it the machine is known under any address. */
    declare readonly machineId: pulumi.Output<string>;
    /** The machine's public SSH key. */
    declare readonly hostKey: pulumi.Output<string>;
    /** False when the last refresh could not look at the machine; the outputs are then the last known ones. */
    declare readonly reachable: pulumi.Output<boolean>;

    /**
     * @param name the resource's name in the program
     * @param args see {@link DaemonConfigArgs}
     * @param options Pulumi's own resource options
     */
    constructor(name: string, args: DaemonConfigArgs, options?: pulumi.CustomResourceOptions) {
        super(kind, name, forMachine(args), options);
        const access = accessOf(this.connection, args, name);
        const part = <K extends keyof ApiAccess>(key: K) =>
            access.apply((known) => known[key]) as pulumi.Output<ApiAccess[K]>;
        this.endpoint = pulumi.unsecret(part("endpoint"));
        this.contextArgs = pulumi.unsecret(part("contextArgs"));
        this.providerArgs = part("providerArgs");
        this.dockerOptions = part("dockerOptions");
        this.environment = part("environment");
    }
}

/** The means of access, known as soon as address and certificates are: also in a preview. */
function accessOf(
    connection: pulumi.Output<ConnectionArgs>,
    { api, settings }: DaemonConfigArgs,
    name: string,
): pulumi.Output<ApiAccess> {
    // What is secret in the connection is not used.
    const target = pulumi
        .unsecret(connection)
        .apply(({ host, port, user, sshConfig }) => ({ host, port, user, sshConfig }));
    const tcp = api?.tcp;
    const client = tcp?.client && { ...tcp.client, key: pulumi.secret(tcp.client.key) };
    const tls = tcp?.tls && { ca: tcp.tls.ca, ...client };
    const wish = pulumi.output(tcp && { address: tcp.address, port: tcp.port, tls });
    const hosts = tcp && pulumi.output(settings).apply((known) => known?.hosts);
    return pulumi
        .all([target, wish, hosts])
        .apply(([machine, asked, given]) =>
            accessTo({ connection: machine, tcp: asked && { ...asked, ...readTcpAddress(given ?? []) } }, name),
        );
}

/** What the provider gets: nothing of the client's, and the host's key as a secret, whether or not the program says so. */
function forMachine(args: DaemonConfigArgs): DaemonConfigArgs {
    if (args.api?.tcp === undefined) return args;
    const { client, tls, ...tcp } = args.api.tcp;
    return { ...args, api: { tcp: { ...tcp, ...(tls && { tls: { ...tls, key: pulumi.secret(tls.key) } }) } } };
}

const kind = {
    kind: "DaemonConfig",
    provider: "daemon",
    outputs: ["plan", "pending", "engineVersion", "certificateExpiresAt", "machineId", "hostKey", "reachable"],
};
