import type * as pulumi from "@pulumi/pulumi";
import { FleetResource } from "./base";
import type { ConnectionArgs } from "./connection";

/** Arguments of {@link DockerHost}. */
export interface DockerHostArgs {
    /**
     * How to reach the machine. Changing it is an update in place: the machine is known by its machine-id. If another
     * machine answers there, that one becomes the Docker host, and the old one is left as it is and named in a warning.
     *
     * @example `{ host: "203.0.113.10", user: "admin", password: config.requireSecret("adminPassword") }`
     */
    connection: pulumi.Input<ConnectionArgs>;
    /**
     * The Docker Engine that is wanted, as precisely as you like: `"28"`, `"28.5"`, `"28.5.2"` or the package's full
     * version. It must be one that the machine's package repositories offer; they are asked during the update, not in the
     * preview. An engine that matches already is left alone; another one is upgraded, or downgraded, to the newest match.
     *
     * Default: the engine that is there, else the newest one offered. A later change of it by other hands is still shown as
     * drift, and accepted by the next `pulumi up`.
     */
    version?: pulumi.Input<string>;
    /**
     * Hold the engine's packages (`apt-mark hold`), so that neither `apt-get upgrade` nor unattended-upgrades replaces the
     * engine and restarts it. containerd and runc stay free for security updates.
     *
     * Default: `true`
     */
    hold?: pulumi.Input<boolean>;
    /**
     * Make the login user a member of the group `docker`, so that it can use the Docker API without sudo. Such a user is as
     * powerful as root. Taking the argument away again takes nobody out of the group.
     *
     * Default: `false`
     */
    userInDockerGroup?: pulumi.Input<boolean>;
    /**
     * What happens to the engine when this resource is deleted:
     * - `"keep"`: it stays as it is; only the hold that we set is lifted.
     * - `"uninstall"`: running containers are stopped and the packages that we brought are removed. Images, containers and
     *   volumes stay on the disk.
     * - `"purge"`: the packages and all data in /var/lib/docker and /var/lib/containerd are deleted.
     *
     * Default: `"uninstall"` if we installed the engine, `"keep"` if it was there before us.
     */
    onDelete?: pulumi.Input<"keep" | "uninstall" | "purge">;
}

/**
 * A Linux machine with a Docker Engine that is installed from packages, held, enabled, running and answering.
 *
 * `pulumi up` makes it so from whatever state the machine is in and leaves alone what is right already: an engine that was
 * there before (it is adopted), the hostname, other packages. `pulumi refresh` and `pulumi preview --refresh` find every
 * drift: package gone, other version, hold lifted, service disabled, stopped or failing; the next `pulumi up` repairs just
 * that. Nothing but Linux, systemd, sshd and root (or sudo) is needed on the machine.
 *
 * Errors: CONFLICTING_INSTALLATION, DAEMON_NOT_RUNNING, PACKAGE_MANAGER_LOCKED, PACKAGE_NOT_AVAILABLE,
 * PACKAGE_OPERATION_FAILED, UNSUPPORTED_MACHINE, and those of every connection; see docs/errors.md.
 *
 * @example
 * ```ts
 * import { DockerHost } from "pulumi-docker-fleet";
 *
 * const web = new DockerHost("web", { connection: { host: "203.0.113.10", user: "admin", password } });
 * export const endpoint = web.endpoint; // ssh://admin@203.0.113.10
 * ```
 */
export class DockerHost extends FleetResource {
    /** The `connection` argument, passed through, so that it is known in a preview: give it to the resources on this host. */
    declare readonly connection: pulumi.Output<ConnectionArgs>;
    /** Version of the running engine, e.g. `28.5.2+dfsg4`. */
    declare readonly engineVersion: pulumi.Output<string>;
    /** Newest version of the Docker API that the engine speaks, e.g. `1.51`. */
    declare readonly apiVersion: pulumi.Output<string>;
    /** The package that the engine came with, e.g. `docker.io`. */
    declare readonly packageName: pulumi.Output<string>;
    /** Full version of that package, e.g. `26.1.5+dfsg1-9+b9`. */
    declare readonly packageVersion: pulumi.Output<string>;
    /** The machine's operating system, e.g. `Debian GNU/Linux 13 (trixie)`. */
    declare readonly os: pulumi.Output<string>;
    /** The machine's architecture by `uname -m`, e.g. `x86_64`. */
    declare readonly arch: pulumi.Output<string>;
    /** Content of /etc/machine-id: by it the machine is known under any address. */
    declare readonly machineId: pulumi.Output<string>;
    /** The machine's public SSH key, e.g. `ssh-ed25519 AAAA…`. Seen first, it is kept and no other is accepted from then on. */
    declare readonly hostKey: pulumi.Output<string>;
    /**
     * The public SSH keys of the jump hosts on the way, by the names under which known_hosts lists them; undefined without any.
     * Like `hostKey` they are kept when seen first.
     */
    declare readonly proxyHostKeys: pulumi.Output<Record<string, string> | undefined>;
    /** Where the Docker API is: `ssh://user@host`, for DOCKER_HOST, `docker context`, dockerode and @pulumi/docker. */
    declare readonly endpoint: pulumi.Output<string>;
    /** True when the engine was there before this resource. */
    declare readonly adopted: pulumi.Output<boolean>;
    /** False when the last refresh could not look at the machine; the outputs are then the last known ones. */
    declare readonly reachable: pulumi.Output<boolean>;

    /**
     * @param name the resource's name in the program
     * @param args see {@link DockerHostArgs}
     * @param options Pulumi's own resource options
     */
    constructor(name: string, args: DockerHostArgs, options?: pulumi.CustomResourceOptions) {
        super(kind, name, args, options);
    }
}

const kind = {
    kind: "DockerHost",
    provider: "host",
    outputs: [
        "engineVersion",
        "apiVersion",
        "packageName",
        "packageVersion",
        "os",
        "arch",
        "machineId",
        "hostKey",
        "proxyHostKeys",
        "endpoint",
        "adopted",
        "reachable",
    ],
};
