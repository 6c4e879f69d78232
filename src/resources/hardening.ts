import type * as pulumi from "@pulumi/pulumi";
import { FleetResource } from "./base";
import type { ConnectionArgs } from "./connection";

/**
 * Settings of a machine's SSH server: keywords of sshd_config, in camelCase. What is left out stays as the machine has it.
 * At least one is needed.
 *
 * @example `{ passwordAuthentication: false, permitRootLogin: "prohibit-password" }`
 */
export interface HardeningArgs {
    /**
     * Whether anybody may log in with a password. `false` refuses keyboard-interactive logins too, which are passwords by
     * another name. Default: as the machine has it
     */
    passwordAuthentication?: pulumi.Input<boolean>;
    /**
     * Whether the server may ask questions at a login: passwords, one-time codes. Default: `false` with
     * `passwordAuthentication: false`, else as the machine has it
     */
    kbdInteractiveAuthentication?: pulumi.Input<boolean>;
    /** Whether root may log in; `"prohibit-password"`: by key alone. Default: as the machine has it */
    permitRootLogin?: pulumi.Input<"yes" | "prohibit-password" | "no">;
    /** How many refused logins end a connection; each key that a client offers is one. At least 2. Default: as the machine has it */
    maxAuthTries?: pulumi.Input<number>;
    /** How long a login may take, in seconds. At least 10. Default: as the machine has it */
    loginGraceTime?: pulumi.Input<number>;
    /** Whether graphical programs may show their windows at the client. Default: as the machine has it */
    x11Forwarding?: pulumi.Input<boolean>;
    /** Whether programs on the machine may use the SSH agent of who logs in. Default: as the machine has it */
    allowAgentForwarding?: pulumi.Input<boolean>;
    /**
     * Forwarding of TCP connections: in both directions, in none, or in one. A jump host (`proxy`) needs `true` or `"local"`. The
     * Docker API needs none of them. Default: as the machine has it
     */
    allowTcpForwarding?: pulumi.Input<boolean | "local" | "remote">;
    /** The only users that may log in, names or patterns. Default: as the machine has it. Example: `["admin", "ops@10.*"]` */
    allowUsers?: pulumi.Input<pulumi.Input<string>[]>;
    /** The only groups whose members may log in. Default: as the machine has it. Example: `["ssh-users"]` */
    allowGroups?: pulumi.Input<pulumi.Input<string>[]>;
}

/**
 * The hardening of an SshKey, as a resource of its own below it: the engine makes it when the key is in the state, and
 * removes it before the key.
 *
 * @internal
 */
export class SshHardening extends FleetResource {
    constructor(
        name: string,
        args: { connection: pulumi.Input<ConnectionArgs>; hardening: pulumi.Input<HardeningArgs> },
        options?: pulumi.CustomResourceOptions,
    ) {
        super(kind, name, args, options);
    }
}

const kind = {
    kind: "SshHardening",
    provider: "sshHard",
    outputs: ["machineId", "hostKey", "endpoint", "reachable"],
};
