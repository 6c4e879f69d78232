import { z } from "zod";
import type { DaemonSettings } from "./settings";

/** What it takes to change a key on a running daemon, as the engine's source says (daemon/reload.go of 20.10 to 29). */
export type Change =
    /** A reload sets it, and a reload without it takes it back. */
    | "reload"
    /** A reload sets it; without it the old value stays until the daemon restarts, or until the default is written. */
    | "reload, sticky"
    /** Only a restart. */
    | "restart";

/** What is known of one key of daemon.json. */
export interface Key<T = unknown> {
    /** Its type. Messages say what is expected. */
    schema: z.ZodType<T>;
    change: Change;
    /** A value for a key that is written to take a sticky one back; without it only a restart does. */
    default?: T;
    /** The first engine that has it; left out where 20.10 has. */
    since?: string;
    /** The first engine that refuses it. */
    until?: string;
    /** The keys inside of it belong to whoever sets them, each alone. */
    inner?: true;
    /** Inner keys that act when the daemon starts, in a key that is reloaded otherwise. */
    atStart?: readonly string[];
    /** What vanishes from sight, though not from the disk, when it changes. */
    hides?: string;
    /** A value that is right everywhere, for the matrix of keys and engines. */
    sample: T;
}

const text = (what: string) => z.string(what).min(1, `${what}, not an empty string`);
const flag = z.boolean("true or false");
const whole = (what: string) => z.int(what);
const count = (what: string) => z.int(what).min(0, what);
const positive = (what: string) => z.int(what).min(1, `${what} from 1 (Docker takes 0 for its default)`);
const texts = (what: string) => z.array(text(what), `a list: ${what}`);
const path = text("an absolute path").regex(/^\//, "an absolute path");
const octets = "(25[0-5]|2[0-4]\\d|1?\\d?\\d)";
const ipv4 = `${octets}(\\.${octets}){3}`;
const address = (what: string) => text(what).regex(new RegExp(`^(${ipv4}|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*)$`), what);
const cidr4 = (what: string) => text(what).regex(new RegExp(`^${ipv4}/(3[0-2]|[12]?\\d)$`), what);
const cidr6 = (what: string) => text(what).regex(/^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*\/(12[0-8]|1[01]\d|\d?\d)$/, what);
const size = (what: string) => z.string(what).regex(/^\d+(\.\d+)?\s*([kmgtp]i?b?|b)?$/i, what);
const quoted = 'a text: Docker wants the value in quotes, such as "3"';

/**
 * Every key that {@link DaemonSettings} has. The type checker holds the two in step; the class of each change and the engines
 * that have the key were read from the engine's source and are held against running daemons.
 */
export const daemonKeys: { readonly [K in keyof DaemonSettings]-?: Key<NonNullable<DaemonSettings[K]>> } = {
    "allow-direct-routing": { schema: flag, change: "restart", since: "28", sample: true },
    "allow-nondistributable-artifacts": {
        schema: texts("a registry"),
        change: "reload, sticky",
        default: [],
        sample: ["registry.example.com"],
    },
    "api-cors-header": { schema: text("an origin"), change: "restart", until: "28", sample: "https://example.com" },
    "authorization-plugins": { schema: texts("a plugin's name"), change: "restart", sample: [] },
    bip: {
        schema: cidr4('an address with its network, such as "172.26.0.1/16"'),
        change: "restart",
        sample: "172.26.0.1/16",
    },
    bip6: {
        schema: cidr6('an address with its network, such as "fd00:26::1/64"'),
        change: "restart",
        since: "28",
        sample: "fd00:26::1/64",
    },
    bridge: { schema: text('the name of a bridge, or "none"'), change: "restart", sample: "none" },
    "bridge-accept-fwmark": {
        schema: text("a mark").regex(
            /^(0x[0-9a-fA-F]+|\d+)(\/(0x[0-9a-fA-F]+|\d+))?$/,
            'a mark such as "1" or "0x1/0x3"',
        ),
        change: "restart",
        since: "29",
        sample: "1",
    },
    builder: {
        schema: z.strictObject({
            gc: z
                .strictObject({
                    enabled: flag.optional(),
                    defaultKeepStorage: size('a size such as "20GB"').optional(),
                    defaultReservedSpace: size('a size such as "20GB"').optional(),
                    defaultMaxUsedSpace: size('a size such as "20GB"').optional(),
                    defaultMinFreeSpace: size('a size such as "20GB"').optional(),
                    policy: z
                        .array(
                            z.strictObject({
                                all: flag.optional(),
                                filter: texts("a filter").optional(),
                                keepStorage: size('a size such as "20GB"').optional(),
                                reservedSpace: size('a size such as "20GB"').optional(),
                                maxUsedSpace: size('a size such as "20GB"').optional(),
                                minFreeSpace: size('a size such as "20GB"').optional(),
                            }),
                        )
                        .optional(),
                })
                .optional(),
            entitlements: z
                .strictObject({
                    "network-host": flag.optional(),
                    "security-insecure": flag.optional(),
                    device: flag.optional(),
                })
                .optional(),
            history: z
                .strictObject({
                    maxAge: count("nanoseconds").optional(),
                    maxEntries: count("a number of entries").optional(),
                })
                .optional(),
        }),
        change: "restart",
        inner: true,
        sample: { gc: { enabled: true } },
    },
    "cdi-spec-dirs": { schema: texts("a directory"), change: "restart", since: "25", sample: ["/etc/cdi"] },
    "cgroup-parent": { schema: text("a cgroup"), change: "restart", sample: "docker.slice" },
    containerd: { schema: path, change: "restart", sample: "/run/containerd/containerd.sock" },
    "containerd-namespace": { schema: text("a namespace"), change: "restart", sample: "moby" },
    "cpu-rt-period": { schema: count("a number of microseconds"), change: "restart", sample: 0 },
    "cpu-rt-runtime": { schema: count("a number of microseconds"), change: "restart", sample: 0 },
    "cri-containerd": { schema: flag, change: "restart", sample: false },
    "data-root": {
        schema: path,
        change: "restart",
        hides: "all images, containers and volumes",
        sample: "/var/lib/docker",
    },
    debug: { schema: flag, change: "reload, sticky", default: false, sample: true },
    "default-address-pools": {
        schema: z.array(
            z.strictObject({
                base: text("a network").regex(/\/\d+$/, 'a network such as "10.10.0.0/16"'),
                size: z.int("a prefix length").min(1, "a prefix length from 1").max(128, "a prefix length up to 128"),
            }),
            'a list of pools: { base: "10.10.0.0/16", size: 24 }',
        ),
        change: "restart",
        sample: [{ base: "10.10.0.0/16", size: 24 }],
    },
    "default-cgroupns-mode": {
        schema: z.enum(["host", "private"], '"host" or "private"'),
        change: "reload, sticky",
        sample: "host",
    },
    "default-gateway": { schema: address("an IP address"), change: "restart", sample: "172.17.0.1" },
    "default-gateway-v6": { schema: address("an IPv6 address"), change: "restart", sample: "fd00::1" },
    "default-ipc-mode": {
        schema: z.enum(["private", "shareable"], '"private" or "shareable"'),
        change: "reload, sticky",
        default: "private",
        sample: "shareable",
    },
    "default-network-opts": {
        schema: z.record(z.string(), z.record(z.string(), z.string(quoted)), "options by driver"),
        change: "restart",
        since: "24",
        inner: true,
        sample: { ipvlan: { "com.docker.network.driver.mtu": "1450" } },
    },
    "default-runtime": { schema: text("a runtime"), change: "reload, sticky", default: "runc", sample: "runc" },
    "default-shm-size": {
        schema: size('a size in quotes, such as "64M"'),
        change: "reload, sticky",
        default: "64MiB",
        sample: "128M",
    },
    "default-stop-timeout": {
        schema: count("a number of seconds"),
        change: "reload, sticky",
        default: 10,
        since: "29.7",
        sample: 20,
    },
    "default-ulimits": {
        schema: z.record(
            z.string(),
            z.strictObject({
                Name: text("a limit's name").optional(),
                Soft: whole("a number").optional(),
                Hard: whole("a number").optional(),
            }),
            "limits by name",
        ),
        change: "restart",
        inner: true,
        sample: { nofile: { Name: "nofile", Soft: 1024, Hard: 65536 } },
    },
    dns: {
        schema: z.array(address("an IP address"), "a list of IP addresses"),
        change: "restart",
        sample: ["192.0.2.53"],
    },
    "dns-opts": { schema: texts("an option"), change: "restart", sample: ["ndots:2"] },
    "dns-search": { schema: texts("a domain"), change: "restart", sample: ["example.com"] },
    "exec-opts": {
        schema: z.array(
            text("an option").regex(
                /^native\.cgroupdriver=(systemd|cgroupfs)$/,
                '"native.cgroupdriver=systemd" or "native.cgroupdriver=cgroupfs"',
            ),
            "a list of options",
        ),
        change: "restart",
        sample: ["native.cgroupdriver=systemd"],
    },
    "exec-root": { schema: path, change: "restart", sample: "/var/run/docker" },
    experimental: { schema: flag, change: "restart", sample: true },
    features: {
        schema: z.record(z.string(), flag, "features by name, each true or false"),
        change: "reload",
        inner: true,
        atStart: ["containerd-snapshotter", "containerd-migration", "embedded-containerd", "cdi"],
        sample: { buildkit: true },
    },
    "firewall-backend": {
        schema: z.enum(["iptables", "nftables"], '"iptables" or "nftables"'),
        change: "restart",
        since: "29",
        sample: "iptables",
    },
    "fixed-cidr": { schema: cidr4('a network such as "172.17.0.0/17"'), change: "restart", sample: "172.17.0.0/17" },
    "fixed-cidr-v6": { schema: cidr6('a network such as "fd00:17::/64"'), change: "restart", sample: "fd00:17::/64" },
    group: { schema: text("a group"), change: "restart", sample: "root" },
    "host-gateway-ip": { schema: address("an IP address"), change: "restart", sample: "192.0.2.1" },
    "host-gateway-ips": {
        schema: z.array(address("an IP address"), "a list of IP addresses"),
        change: "restart",
        since: "28",
        sample: ["192.0.2.1"],
    },
    hosts: {
        schema: z.array(
            text("an address").regex(/^(fd|unix|tcp):\/\//, 'an address such as "fd://" or "tcp://192.0.2.10:2376"'),
            "a list of addresses",
        ),
        change: "restart",
        sample: ["fd://"],
    },
    icc: { schema: flag, change: "restart", sample: false },
    init: { schema: flag, change: "restart", sample: true },
    "init-path": { schema: path, change: "restart", sample: "/usr/bin/docker-init" },
    "insecure-registries": {
        schema: texts("a registry or a network"),
        change: "reload, sticky",
        default: [],
        sample: ["registry.example.com:5000"],
    },
    ip: { schema: address("an IP address"), change: "restart", sample: "127.0.0.1" },
    "ip-forward": { schema: flag, change: "restart", sample: false },
    "ip-forward-no-drop": { schema: flag, change: "restart", since: "28", sample: true },
    "ip-masq": { schema: flag, change: "restart", sample: false },
    ip6tables: { schema: flag, change: "restart", sample: false },
    iptables: { schema: flag, change: "restart", sample: true },
    ipv6: { schema: flag, change: "restart", sample: false },
    labels: {
        schema: z.array(text("a label").regex(/^[^=]+=/, 'a label such as "zone=a"'), "a list of labels"),
        change: "reload, sticky",
        default: [],
        sample: ["zone=a"],
    },
    "live-restore": { schema: flag, change: "reload, sticky", default: false, sample: true },
    "log-driver": { schema: text("a log driver"), change: "restart", sample: "local" },
    "log-format": {
        schema: z.enum(["text", "json"], '"text" or "json"'),
        change: "restart",
        since: "25",
        sample: "json",
    },
    "log-level": {
        schema: z.enum(
            ["debug", "info", "warn", "error", "fatal", "panic", "trace"],
            '"debug", "info", "warn", "error" or "fatal"',
        ),
        change: "restart",
        sample: "warn",
    },
    "log-opts": {
        schema: z.record(z.string(), z.string(quoted), "options by name"),
        change: "restart",
        inner: true,
        sample: { "max-size": "10m" },
    },
    "max-concurrent-downloads": { schema: positive("a number"), change: "reload", sample: 4 },
    "max-concurrent-uploads": { schema: positive("a number"), change: "reload", sample: 4 },
    "max-download-attempts": { schema: positive("a number"), change: "reload", sample: 4 },
    "metrics-addr": { schema: text("an address and port"), change: "restart", sample: "127.0.0.1:9323" },
    "min-api-version": {
        schema: text("a version").regex(/^1\.\d+$/, 'an API version such as "1.44"'),
        change: "restart",
        since: "29",
        sample: "1.44",
    },
    mtu: { schema: positive("a number of bytes"), change: "restart", sample: 1450 },
    "network-control-plane-mtu": { schema: positive("a number of bytes"), change: "restart", sample: 1450 },
    "network-diagnostic-port": { schema: count("a port"), change: "reload", sample: 2000 },
    "no-new-privileges": { schema: flag, change: "restart", sample: true },
    "node-generic-resources": { schema: texts("a resource"), change: "restart", sample: ["gpu=UUID1"] },
    "nri-opts": {
        schema: z.strictObject({
            enable: flag.optional(),
            "plugin-path": path.optional(),
            "plugin-config-path": path.optional(),
            "socket-path": path.optional(),
        }),
        change: "reload",
        since: "29.2",
        inner: true,
        sample: { enable: false },
    },
    "oom-score-adjust": { schema: whole("a number"), change: "restart", until: "25", sample: -500 },
    pidfile: { schema: path, change: "restart", sample: "/var/run/docker.pid" },
    proxies: {
        schema: z.strictObject({
            "http-proxy": text("a URL").optional(),
            "https-proxy": text("a URL").optional(),
            "no-proxy": text("hosts, separated by commas").optional(),
        }),
        change: "restart",
        since: "23",
        inner: true,
        sample: { "no-proxy": "localhost" },
    },
    "raw-logs": { schema: flag, change: "restart", sample: true },
    "registry-mirrors": {
        schema: z.array(
            text("a URL").regex(/^https?:\/\/[^@?#]+$/, "a URL with http:// or https://, without a user, ? and #"),
            "a list of URLs",
        ),
        change: "reload, sticky",
        default: [],
        sample: ["https://mirror.example.com"],
    },
    rootless: { schema: flag, change: "restart", sample: false },
    runtimes: {
        schema: z.record(
            z.string(),
            z.strictObject({
                path: text("a path or a name").optional(),
                runtimeArgs: texts("an argument").optional(),
                runtimeType: text("a runtime type").optional(),
                options: z.record(z.string(), z.unknown()).optional(),
            }),
            "runtimes by name",
        ),
        change: "reload, sticky",
        default: {},
        inner: true,
        sample: { other: { path: "/usr/sbin/runc" } },
    },
    "seccomp-profile": { schema: text('a path, "builtin" or "unconfined"'), change: "restart", sample: "unconfined" },
    "selinux-enabled": { schema: flag, change: "restart", sample: false },
    "shutdown-timeout": {
        schema: z
            .int("a number of seconds")
            .min(-1, "a number of seconds, or -1")
            .refine((seconds) => seconds !== 0, "0 is Docker's word for its default; leave the key out"),
        change: "reload, sticky",
        default: 15,
        sample: 20,
    },
    "storage-driver": {
        schema: text("a storage driver"),
        change: "restart",
        hides: "all images and containers",
        sample: "overlay2",
    },
    "storage-opts": { schema: texts("an option"), change: "restart", sample: [] },
    "swarm-default-advertise-addr": {
        schema: text("an address or an interface"),
        change: "restart",
        sample: "192.0.2.10",
    },
    tls: { schema: flag, change: "restart", sample: false },
    tlscacert: { schema: path, change: "restart", sample: "/etc/docker/ca.pem" },
    tlscert: { schema: path, change: "restart", sample: "/etc/docker/cert.pem" },
    tlskey: { schema: path, change: "restart", sample: "/etc/docker/key.pem" },
    tlsverify: { schema: flag, change: "restart", sample: false },
    "userland-proxy": { schema: flag, change: "restart", sample: false },
    "userland-proxy-path": { schema: path, change: "restart", sample: "/usr/sbin/docker-proxy" },
    "userns-remap": {
        schema: text('"default", a user, or user:group'),
        change: "restart",
        hides: "all images, containers and volumes",
        sample: "default",
    },
};

/** Names in the order of the table. */
export const keyNames = Object.keys(daemonKeys) as (keyof DaemonSettings)[];

/** What is known of a key, or undefined for one that the table does not have. */
export function keyOf(name: string): Key | undefined {
    return Object.hasOwn(daemonKeys, name) ? (daemonKeys as Record<string, Key>)[name] : undefined;
}

/**
 * Names that dockerd takes in its file and silently ignores, or that people write by mistake, and what they should write.
 * Most are the names of flags; in the file a list has its plural.
 */
export const misleadingNames: Readonly<Record<string, string>> = {
    host: "hosts",
    label: "labels",
    "dns-opt": "dns-opts",
    "exec-opt": "exec-opts",
    "log-opt": "log-opts",
    "storage-opt": "storage-opts",
    "registry-mirror": "registry-mirrors",
    "insecure-registry": "insecure-registries",
    "add-runtime": "runtimes",
    "default-ulimit": "default-ulimits",
    "default-address-pool": "default-address-pools",
    "default-network-opt": "default-network-opts",
    "cdi-spec-dir": "cdi-spec-dirs",
    feature: "features",
    "node-generic-resource": "node-generic-resources",
    "authorization-plugin": "authorization-plugins",
    "http-proxy": 'proxies["http-proxy"]',
    "https-proxy": 'proxies["https-proxy"]',
    "no-proxy": 'proxies["no-proxy"]',
    graph: "data-root",
};

/** Flags of dockerd that have no place in its file, and why. */
export const unusableNames: Readonly<Record<string, string>> = {
    "config-file": "it names the file itself",
    validate: "it is a command, not a setting",
    version: "it is a command, not a setting",
    "containerd-plugins-namespace": "dockerd ignores it in its file; give it as a flag of the unit",
    "containerd-plugin-namespace": "dockerd refuses it in its file; give it as a flag of the unit",
    "default-init": "dockerd refuses it; use init and init-path",
    "resolv-conf": "dockerd refuses it; use dns, dns-opts and dns-search",
    "swarm-raft-heartbeat-tick": "dockerd refuses it",
    "swarm-raft-election-tick": "dockerd refuses it",
    "cluster-store": "it was removed in Docker 23",
    "cluster-advertise": "it was removed in Docker 23",
    "cluster-store-opts": "it was removed in Docker 23",
};
