import type { DaemonSettings } from "./settings";

/**
 * Settings with which a daemon passes the checks of the CIS Docker Benchmark (docker-bench-security, section 2) that a
 * configuration alone can satisfy on a machine with containers; docs/daemon-config.md has the table. TLS comes with `api`.
 * `userns-remap` is not among them, since it takes all images and containers out of sight, and neither is an authorization
 * plugin, which has to be installed.
 *
 * Containers on the default network no longer reach each other (networks of their own are not touched), a setuid program
 * gains nothing in a container, and logs go to the driver `local`, which rotates them. What runs already keeps its log
 * driver and limits until it is made anew.
 *
 * @example `new DaemonConfig("web", { connection, settings: { ...hardened, labels: ["zone=a"] } })`
 */
export const hardened = {
    icc: false,
    "log-level": "info",
    "log-driver": "local",
    "no-new-privileges": true,
    "live-restore": true,
    "userland-proxy": false,
    // Without it a container has the daemon's own, which is none. More than the daemon may set keeps every container from
    // starting (runc: "error setting rlimit"), as seen on machines that are containers themselves; a database may be given more.
    "default-ulimits": { nofile: { Name: "nofile", Soft: 1024, Hard: 16_384 } },
} satisfies DaemonSettings;
