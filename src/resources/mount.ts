import * as pulumi from "@pulumi/pulumi";
import { completeConnection, FleetResource } from "./base";
import type { ConnectionArgs } from "./connection";

/** With what a CIFS server lets a mount in. */
export interface MountCredentialsArgs {
    /** The user's name on the server. */
    username: pulumi.Input<string>;
    /** The password. It is kept as a secret, and on the machine in a file that only root can read. */
    password: pulumi.Input<string>;
    /** The domain or workgroup. Default: none. */
    domain?: pulumi.Input<string>;
}

/** A directory of another machine, for sshfs. */
export interface MountServerArgs {
    /**
     * The other machine: a {@link DockerHost} or anything else with an output `connection`, or how to reach it. Its login
     * user is the one whose rights count there. A key pair of this one mount is made; the machine gets its private half, and
     * the other one lets it in for files alone (sftp), until the mount is deleted.
     */
    host: pulumi.Input<ConnectionArgs> | { readonly connection: pulumi.Output<ConnectionArgs> };
    /** The directory there: an absolute path. */
    path: pulumi.Input<string>;
    /**
     * The address under which the machine reaches the other one, e.g. in a private network.
     *
     * Default: the one that `host` is reached at from here
     */
    address?: pulumi.Input<string>;
}

/** Arguments of {@link Mount}. */
export interface MountArgs {
    /**
     * How to reach the machine. Use the output `connection` of its {@link DockerHost} where `requiredByDocker` is set.
     *
     * @example `web.connection`
     */
    connection: pulumi.Input<ConnectionArgs>;
    /**
     * What is mounted: a directory of the machine at a second place (`"bind"`), memory (`"tmpfs"`), a disk or partition
     * (`"block"`), or a directory of another machine (`"sshfs"`, `"nfs"`, `"nfs4"`, `"cifs"`).
     */
    type: pulumi.Input<"bind" | "tmpfs" | "block" | "sshfs" | "nfs" | "nfs4" | "cifs">;
    /**
     * Where it comes from. bind: an absolute path. block: `"UUID=…"`, `"LABEL=…"`, `"PARTUUID=…"`, `"PARTLABEL=…"` or a path
     * below /dev. sshfs: `{ host: other, path: "/path" }` for another machine that Pulumi can reach, which needs no keys of
     * yours; or `"user@host:/path"`. nfs and nfs4: `"server:/path"`. cifs: `"//server/share"`. tmpfs has none.
     */
    source?: pulumi.Input<string> | MountServerArgs;
    /**
     * The directory to mount on: an absolute path without links. It is made where it is missing; one that is there has to be
     * empty when it is mounted first. Another one makes a new mount in place of the old one.
     */
    target: pulumi.Input<string>;
    /**
     * Mount options, one text each, in addition to those that the type has by default and with preference over them;
     * docs/mounts.md lists those. Options that the type does not know are refused.
     *
     * Default: `[]`
     *
     * @example `["ro", "size=64m"]`
     */
    options?: pulumi.Input<pulumi.Input<string>[]>;
    /**
     * The file system of a block device.
     *
     * Default: what `format` makes, else what the kernel finds
     *
     * @example `"xfs"`
     */
    fsType?: pulumi.Input<string>;
    /**
     * Make this file system on the block device if that is empty: no signature of anything is on it, and its first MiB is
     * zeros. A device that has this file system is taken as it is; one with anything else is refused and left alone.
     *
     * Default: never format
     */
    format?: pulumi.Input<"ext4">;
    /**
     * The owner of the mounted directory itself, not of what is in it: `"user"`, `"user:group"`, names or numbers. For bind,
     * tmpfs and block.
     *
     * Default: left as it is
     */
    owner?: pulumi.Input<string>;
    /**
     * The mode of the mounted directory itself, octal. For bind, tmpfs and block.
     *
     * Default: left as it is
     *
     * @example `"0750"`
     */
    mode?: pulumi.Input<string>;
    /**
     * Mount on first use, at boot and whenever it has been unmounted. A use while the server is away fails, and the next one
     * tries again. Needs systemd.
     *
     * Default: `false`: mounted at boot
     */
    automount?: pulumi.Input<boolean>;
    /**
     * Docker starts after the mount, and does not start without it. A running Docker is not touched when the mount goes away.
     *
     * Default: `false`
     */
    requiredByDocker?: pulumi.Input<boolean>;
    /**
     * While nothing is mounted, nobody can write into the mount point, neither root nor a container: the directory is made
     * immutable (`chattr +i`). It is an error where the file system below cannot do that.
     *
     * Default: `false`
     */
    guard?: pulumi.Input<boolean>;
    /**
     * `"lazy"`: a mount that has to be unmounted, for a change or a deletion, and is in use is taken out of the directory tree
     * all the same (`umount -l`). Who uses it goes on with the old file system, out of everybody else's sight, until it
     * closes its files and leaves its directories; then that is unmounted. What it writes meanwhile goes there, and not into what
     * is mounted next. A disk stays in use until then: it can neither be formatted nor detached. For a deletion, and for the old
     * place after a change of `target`, what counts is the value of the last `pulumi up` before.
     *
     * Default: such a change or deletion fails with MOUNT_BUSY, which names who uses it, and nothing has changed
     */
    force?: pulumi.Input<"lazy">;
    /** User and password for cifs. Default: none */
    credentials?: pulumi.Input<MountCredentialsArgs>;
}

/**
 * Storage that is mounted on a machine, now and after each boot, by a systemd unit of its own; on a machine with OpenRC by a line of
 * /etc/fstab.
 *
 * What is wrong with the arguments shows in the preview. Options change while it stays mounted, where the kernel can. A change is in place as a whole, or everything is as it was and the
 * error holds the words of mount. A refresh never waits for a server that does not answer, and finds a mount that is missing,
 * comes from elsewhere, is stacked or dead, and a unit or line that was edited or disabled; the next `pulumi up` repairs it. When the
 * resource is deleted it is unmounted; what is on it stays.
 *
 * Errors: MOUNT_BUSY, MOUNT_CONFLICT, MOUNT_FAILED, MOUNT_FORMAT_REFUSED, MOUNT_SERVER_SILENT, MOUNT_SOURCE_MISSING,
 * MOUNT_TARGET_UNUSABLE, PACKAGE_MANAGER_LOCKED, PACKAGE_NOT_AVAILABLE, PACKAGE_OPERATION_FAILED, UNSUPPORTED_MACHINE, and
 * those of every connection; see docs/errors.md.
 *
 * @example
 * ```ts
 * import { DockerHost, Mount } from "pulumi-docker-fleet";
 *
 * const web = new DockerHost("web", { connection: { host: "203.0.113.10", user: "admin", password } });
 * new Mount("data", {
 *     connection: web.connection,
 *     type: "block",
 *     source: "/dev/disk/by-id/scsi-0HC_Volume_1234",
 *     format: "ext4",
 *     target: "/srv/data",
 *     requiredByDocker: true,
 * });
 * ```
 */
export class Mount extends FleetResource {
    /** The `connection` argument, passed through: give it to what has to come after the mount. */
    declare readonly connection: pulumi.Output<ConnectionArgs>;
    /** The `target` argument, passed through: for containers that are to come after the mount. */
    declare readonly target: pulumi.Output<string>;
    /** The systemd unit, e.g. `srv-data.mount`; undefined on a machine without systemd. */
    declare readonly unit: pulumi.Output<string | undefined>;
    /** Content of /etc/machine-id: by it the machine is known under any address. Where there is none, made of its SSH host key. */
    declare readonly machineId: pulumi.Output<string>;
    /** The machine's public SSH key. */
    declare readonly hostKey: pulumi.Output<string>;
    /** False when the last refresh could not look at the machine; the outputs are then the last known ones. */
    declare readonly reachable: pulumi.Output<boolean>;

    /**
     * @param name the resource's name in the program
     * @param args see {@link MountArgs}
     * @param options Pulumi's own resource options
     */
    constructor(name: string, args: MountArgs, options?: pulumi.CustomResourceOptions) {
        super(kind, name, secretly(args), options);
    }
}

/** The arguments with their secrets as secrets, whether or not the program says so, and a machine as its connection. */
function secretly(args: MountArgs): MountArgs {
    const { credentials, source } = args;
    return {
        ...args,
        ...(credentials === undefined ? {} : { credentials: pulumi.secret(credentials) }),
        ...(isServer(source) ? { source: { ...source, host: completeConnection(connectionOf(source.host)) } } : {}),
    };
}

function isServer(source: MountArgs["source"]): source is MountServerArgs {
    return typeof source === "object" && "host" in source && "path" in source && !pulumi.Output.isInstance(source);
}

function connectionOf(host: MountServerArgs["host"]): pulumi.Input<ConnectionArgs> {
    return "connection" in host ? host.connection : host;
}

const kind = {
    kind: "Mount",
    provider: "mount",
    outputs: ["unit", "machineId", "hostKey", "reachable"],
};
