/**
 * Docker hosts out of Linux machines, declared in TypeScript.
 *
 * @packageDocumentation
 */
export { type DockerClientHost, dockerClient } from "./docker/client";
export { type ErrorCode, errorCodes, FleetError, type FleetErrorDetails } from "./errors";
export type { ConnectionArgs } from "./resources/connection";
export { DockerHost, type DockerHostArgs } from "./resources/docker-host";
export type { Connection } from "./ssh";
