import { homedir } from "node:os";
import { join } from "node:path";

/** Where base trees, keys and build logs are kept between runs; safe to delete while no host is up. */
export const cacheDirectory = join(
    process.env.XDG_CACHE_HOME || join(homedir(), ".cache"),
    "pulumi-docker-fleet",
    "lab",
);

/** What the machine knows about running hosts and their disks; one place per machine, gone with the last host. */
export const stateDirectory = "/var/lib/pulumi-docker-fleet-lab";

/** One directory per host, named like it. */
export const hostsDirectory = join(stateDirectory, "hosts");

/** The lock around every change of the machine-wide state (hosts, addresses, network). */
export const stateLock = "/run/lock/pulumi-docker-fleet-lab.lock";

/** The login key of all hosts, made once per cache. */
export const privateKeyPath = join(cacheDirectory, "keys", "id_ed25519");

/** Host keys of all hosts that were started from this cache and are not down yet. */
export const knownHostsPath = join(cacheDirectory, "keys", "known_hosts");
