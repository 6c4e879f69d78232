/**
 * What the engine loads in the provider process, by the short names in each resource's `__provider` text. It is not for
 * programs. Loading it must stay cheap: everything about SSH and Docker is loaded when it is first needed.
 *
 * @packageDocumentation
 */

export { daemonConfig as daemon } from "./daemon";
export { dockerHost as host } from "./docker-host";
export { mount } from "./mount";
export { sshHardening as sshHard } from "./ssh-hardening";
export { sshKey } from "./ssh-key";
export { tlsAuthority as tlsCa } from "./tls-authority";
export { tlsCertificate as tlsCert } from "./tls-certificate";
