/**
 * The keys of Docker's daemon.json on Linux, with Docker's own names.
 *
 * Each comment ends with the default, the engines that have the key where not all from 20.10 to 29 do, and what it takes to
 * change it: "Reload" is a SIGHUP that no container notices; "restart" restarts the daemon, and without `live-restore`
 * its containers. keys.ts is the same as a table, for the code.
 */
export interface DaemonSettings {
    /** Publish ports on container addresses directly, without filters for what comes from elsewhere. Default: false. Since 28. Restart. */
    "allow-direct-routing"?: boolean;
    /** Registries to push layers to that may not be distributed; without effect since 28. Default: []. Reload. */
    "allow-nondistributable-artifacts"?: string[];
    /** `Access-Control-Allow-Origin` of the API. Default: none. Removed in 28. Restart. */
    "api-cors-header"?: string;
    /** Plugins that are asked before each API request. One that cannot be loaded keeps the daemon from starting. Default: []. Restart. */
    "authorization-plugins"?: string[];
    /** Address and network of the default bridge, as CIDR: `"172.26.0.1/16"`. Not together with `bridge`. Default: chosen by Docker. Restart. */
    bip?: string;
    /** The same for IPv6. Default: none. Since 28. Restart. */
    bip6?: string;
    /** An existing bridge for containers, or `"none"` for no default network. Default: docker0. Restart. */
    bridge?: string;
    /** Accept packets with this firewall mark: `"1"` or `"0x1/0x3"`. Default: none. Since 29. Restart. */
    "bridge-accept-fwmark"?: string;
    /** The image builder: garbage collection, entitlements, history. Default: collects garbage since 28. Restart. */
    builder?: {
        gc?: {
            enabled?: boolean;
            /** Before 28. */
            defaultKeepStorage?: string;
            /** Since 28. */
            defaultReservedSpace?: string;
            defaultMaxUsedSpace?: string;
            defaultMinFreeSpace?: string;
            policy?: {
                all?: boolean;
                filter?: string[];
                /** Before 28. */
                keepStorage?: string;
                /** Since 28. */
                reservedSpace?: string;
                maxUsedSpace?: string;
                minFreeSpace?: string;
            }[];
        };
        entitlements?: { "network-host"?: boolean; "security-insecure"?: boolean; device?: boolean };
        history?: { maxAge?: number; maxEntries?: number };
    };
    /** Directories with CDI device descriptions. Default: ["/etc/cdi","/var/run/cdi"]. Since 25. Restart. */
    "cdi-spec-dirs"?: string[];
    /** Parent cgroup of containers; with the systemd driver a slice: `"docker.slice"`. Default: chosen by Docker. Restart. */
    "cgroup-parent"?: string;
    /** Socket of containerd. Most units give it as a flag already. Default: the unit's. Restart. */
    containerd?: string;
    /** containerd's namespace for containers. Default: "moby". Restart. */
    "containerd-namespace"?: string;
    /** CPU real-time period of containers, µs; cgroup v1 only. Default: 0. Restart. */
    "cpu-rt-period"?: number;
    /** CPU real-time runtime of containers, µs; cgroup v1 only. Default: 0. Restart. */
    "cpu-rt-runtime"?: number;
    /** Start containerd with its CRI plugin. Default: false. Restart. */
    "cri-containerd"?: boolean;
    /** Where images, containers and volumes are kept. Another one hides all that is there (`allowDestructive`). Default: "/var/lib/docker". Restart. */
    "data-root"?: string;
    /** Log what the daemon does in detail. Default: false. Reload. */
    debug?: boolean;
    /** Address pools for new networks. Default: 172.17.0.0/16 to 192.168.240.0/20. Restart. */
    "default-address-pools"?: { base: string; size: number }[];
    /** Cgroup namespace of containers. Default: "private" on cgroup v2, "host" on v1. Reload. */
    "default-cgroupns-mode"?: "host" | "private";
    /** IPv4 gateway of containers on the default bridge. Default: the bridge. Restart. */
    "default-gateway"?: string;
    /** IPv6 gateway of containers on the default bridge. Default: the bridge. Restart. */
    "default-gateway-v6"?: string;
    /** IPC mode of containers. Default: "private". Reload. */
    "default-ipc-mode"?: "private" | "shareable";
    /** Options of new networks, by driver: `{ bridge: { "com.docker.network.driver.mtu": "1450" } }`. Default: {}. Since 24. Restart. */
    "default-network-opts"?: Record<string, Record<string, string>>;
    /** Runtime of containers that name none. Default: "runc". Reload. */
    "default-runtime"?: string;
    /** Size of /dev/shm in containers, as text: `"64M"`. Default: "64MiB". Reload. */
    "default-shm-size"?: string;
    /** How long a container may take to stop, in seconds. Default: 10. Since 29.7. Reload. */
    "default-stop-timeout"?: number;
    /** Limits of containers: `{ nofile: { Name: "nofile", Soft: 1024, Hard: 65536 } }`. Default: {}. Restart. */
    "default-ulimits"?: Record<string, { Name?: string; Soft?: number; Hard?: number }>;
    /** DNS servers of containers. Default: the machine's. Restart. */
    dns?: string[];
    /** DNS options of containers: `"ndots:2"`. Default: []. Restart. */
    "dns-opts"?: string[];
    /** DNS search domains of containers. Default: the machine's. Restart. */
    "dns-search"?: string[];
    /** Options of the runtime: `"native.cgroupdriver=systemd"`. Default: []. Restart. */
    "exec-opts"?: string[];
    /** Where runtime state is kept. Default: "/var/run/docker". Restart. */
    "exec-root"?: string;
    /** Experimental features of the daemon. Default: false. Restart. */
    experimental?: boolean;
    /** Features by name: `{ buildkit: true }`. `containerd-snapshotter` hides what is there (`allowDestructive`). Default: {}. Reload; restart for what acts at the start only. */
    features?: Record<string, boolean>;
    /** What the firewall rules are made with. Default: "iptables". Since 29. Restart. */
    "firewall-backend"?: "iptables" | "nftables";
    /** Addresses of containers on the default bridge, as CIDR. Default: the bridge's network. Restart. */
    "fixed-cidr"?: string;
    /** The same for IPv6. Default: none. Restart. */
    "fixed-cidr-v6"?: string;
    /** Group that owns the unix socket, for sockets of the daemon's own making. Default: "docker". Restart. */
    group?: string;
    /** What `host-gateway` stands for in containers. Default: the bridge's address. Restart. */
    "host-gateway-ip"?: string;
    /** The same, IPv4 and IPv6. Default: the bridge's addresses. Since 28. Restart. */
    "host-gateway-ips"?: string[];
    /**
     * Where the API listens: `["fd://", "tcp://192.0.2.10:2376"]`. The unit's own `-H` is taken out by a drop-in. TCP needs TLS.
     * Default: the unit's, mostly fd://. Restart.
     */
    hosts?: string[];
    /** Containers on the default bridge may talk to each other. Default: true. Restart. */
    icc?: boolean;
    /** Run an init in containers. Default: false. Restart. */
    init?: boolean;
    /** Path of that init. Default: docker-init. Restart. */
    "init-path"?: string;
    /** Registries that are used without TLS or with unknown certificates. Default: []. Reload. */
    "insecure-registries"?: string[];
    /** Address on which ports are published. Default: "0.0.0.0". Restart. */
    ip?: string;
    /** Let the kernel forward packets. Default: true. Restart. */
    "ip-forward"?: boolean;
    /** Do not drop what others forward. Default: false. Since 28. Restart. */
    "ip-forward-no-drop"?: boolean;
    /** Hide containers behind the machine's address. Default: true. Restart. */
    "ip-masq"?: boolean;
    /** Make firewall rules for IPv6; before 27 with `experimental` only. Default: true, false before 27. Restart. */
    ip6tables?: boolean;
    /** Make firewall rules. Default: true. Restart. */
    iptables?: boolean;
    /** IPv6 on the default bridge; needs `fixed-cidr-v6`, except since 27. Default: false. Restart. */
    ipv6?: boolean;
    /** Labels of the daemon: `"zone=a"`. Default: []. Reload. */
    labels?: string[];
    /** Containers keep running while the daemon is stopped or restarted. Not with swarm. Default: false. Reload. */
    "live-restore"?: boolean;
    /** Where container logs go; containers keep the one they were made with. Default: "json-file". Restart. */
    "log-driver"?: string;
    /** Form of the daemon's own log. Default: "text". Since 25. Restart. */
    "log-format"?: "text" | "json";
    /** How much the daemon itself logs. Default: "info". Restart. */
    "log-level"?: "debug" | "info" | "warn" | "error" | "fatal" | "panic" | "trace";
    /** Options of `log-driver`, values as text: `{ "max-size": "10m", "max-file": "3" }`. Default: {}. Restart. */
    "log-opts"?: Record<string, string>;
    /** Layers that one pull downloads at once. Default: 3. Reload. */
    "max-concurrent-downloads"?: number;
    /** Layers that one push uploads at once. Default: 5. Reload. */
    "max-concurrent-uploads"?: number;
    /** Tries of each download. Default: 5. Reload. */
    "max-download-attempts"?: number;
    /** Where metrics are served: `"127.0.0.1:9323"`; before 24 with `experimental` only. Default: none. Restart. */
    "metrics-addr"?: string;
    /** Oldest API version that clients may speak. Default: "1.40" since 29.3. Since 29. Restart. */
    "min-api-version"?: string;
    /** MTU of the default bridge. Default: 1500. Restart. */
    mtu?: number;
    /** MTU of swarm's control plane. Default: 1500. Restart. */
    "network-control-plane-mtu"?: number;
    /** Port of the network diagnostics server. Default: 0. Reload. */
    "network-diagnostic-port"?: number;
    /** Containers get no new privileges. Default: false. Restart. */
    "no-new-privileges"?: boolean;
    /** Resources that swarm tasks may ask for: `"gpu=UUID1"`. Default: []. Restart. */
    "node-generic-resources"?: string[];
    /** Node Resource Interface plugins. Default: off. Since 29.2. Reload. */
    "nri-opts"?: { enable?: boolean; "plugin-path"?: string; "plugin-config-path"?: string; "socket-path"?: string };
    /** The daemon's OOM score; set it in the unit instead. Default: -500. Removed in 25. Restart. */
    "oom-score-adjust"?: number;
    /** The daemon's pid file. Default: "/var/run/docker.pid". Restart. */
    pidfile?: string;
    /** Proxies of the daemon; for older engines see `environment`. Default: none. Since 23. Restart. */
    proxies?: { "http-proxy"?: string; "https-proxy"?: string; "no-proxy"?: string };
    /** Log lines in full, without colours. Default: false. Restart. */
    "raw-logs"?: boolean;
    /** Mirrors of Docker Hub: `"https://mirror.example.com"`. Default: []. Reload. */
    "registry-mirrors"?: string[];
    /** The daemon runs in a user namespace, by a setup of its own. Default: false. Restart. */
    rootless?: boolean;
    /** Runtimes beside runc: `{ crun: { path: "/usr/bin/crun" } }`; `runtimeType` and `options` since 24. Default: {}. Reload. */
    runtimes?: Record<
        string,
        { path?: string; runtimeArgs?: string[]; runtimeType?: string; options?: Record<string, unknown> }
    >;
    /** Seccomp profile of containers: a path, since 23 also `"builtin"` or `"unconfined"`. Default: the builtin one. Restart. */
    "seccomp-profile"?: string;
    /** SELinux labels for containers. Default: false. Restart. */
    "selinux-enabled"?: boolean;
    /** How long the daemon waits for containers when it ends, in seconds; -1 without end. Default: 15. Reload. */
    "shutdown-timeout"?: number;
    /** How layers are stored. Another one hides all images and containers (`allowDestructive`). Default: chosen by Docker. Restart. */
    "storage-driver"?: string;
    /** Options of `storage-driver`: `"overlay2.size=20G"`. Default: []. Restart. */
    "storage-opts"?: string[];
    /** Address that swarm advertises when none is given. Default: none. Restart. */
    "swarm-default-advertise-addr"?: string;
    /** TLS for TCP. Use `tlsverify`, which includes it. Default: false. Restart. */
    tls?: boolean;
    /** Path of the CA that client certificates are checked against. Default: none. Restart. */
    tlscacert?: string;
    /** Path of the API's certificate. Default: none. Restart. */
    tlscert?: string;
    /** Path of its key. Default: none. Restart. */
    tlskey?: string;
    /** TLS for TCP; true: clients must have a certificate of `tlscacert`. Default: none. Restart. */
    tlsverify?: boolean;
    /** Publish ports by a process too, not by the firewall alone. Default: true. Restart. */
    "userland-proxy"?: boolean;
    /** Path of that process' program. Default: docker-proxy. Restart. */
    "userland-proxy-path"?: string;
    /** Users of containers are shifted: `"default"` or `"user:group"`. Hides what is there (`allowDestructive`). Default: none. Restart. */
    "userns-remap"?: string;
}
