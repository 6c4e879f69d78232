/**
 * Docker hosts out of Linux machines, declared in TypeScript.
 *
 * @packageDocumentation
 */

export { type ClientMount, type ClientMountArgs, mountOnClient } from "./client/mount";
export type { ApiAccess } from "./docker/access";
export { type DockerClientHost, dockerClient } from "./docker/client";
export { hardened } from "./docker/daemon/hardened";
export type { DaemonSettings } from "./docker/daemon/settings";
export type { Shell } from "./docker/shells";
export { type ErrorCode, errorCodes, FleetError, type FleetErrorDetails } from "./errors";
export type { ConnectionArgs } from "./resources/connection";
export {
    type DaemonApiArgs,
    type DaemonApiClientArgs,
    type DaemonApiTcpArgs,
    type DaemonApiTlsArgs,
    DaemonConfig,
    type DaemonConfigArgs,
    type DeepInput,
} from "./resources/daemon-config";
export { DockerHost, type DockerHostArgs } from "./resources/docker-host";
export type { HardeningArgs } from "./resources/hardening";
export { Mount, type MountArgs, type MountCredentialsArgs, type MountServerArgs } from "./resources/mount";
export { SshKey, type SshKeyArgs } from "./resources/ssh-key";
export { TlsAuthority, type TlsAuthorityArgs, type TlsKeyAlgorithm } from "./resources/tls-authority";
export { TlsCertificate, type TlsCertificateArgs, type TlsSignerArgs } from "./resources/tls-certificate";
export type { Connection } from "./ssh";
