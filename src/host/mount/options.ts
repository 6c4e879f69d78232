import { nearest } from "../../nearest";

/** What can be mounted. */
export const mountTypes = ["bind", "tmpfs", "block", "sshfs", "nfs", "nfs4", "cifs"] as const;

/** One of {@link mountTypes}. */
export type MountType = (typeof mountTypes)[number];

/** What is particular to a type. */
export interface TypeFacts {
    /** True for what is on another machine. */
    network: boolean;
    /** What is set unless the argument says otherwise. */
    defaults: readonly string[];
    /** The options that there are, beside those of every mount; undefined where the file system decides. */
    options: readonly string[] | undefined;
    /**
     * The program that has to be on the machine, and the package that brings it: its name, and `MANAGER=NAME` for each package
     * manager that has it under another one.
     */
    helper?: { command: string; package: string };
}

/** Options that mount(8) knows for every type. */
const common = words(`
    ro rw suid nosuid dev nodev exec noexec atime noatime diratime nodiratime relatime norelatime strictatime
    nostrictatime lazytime nolazytime sync async dirsync nosymfollow symfollow silent loud mand nomand iversion noiversion
    nofail _netdev defaults context fscontext defcontext rootcontext`);

const nfs = words(`
    vers nfsvers minorversion proto rdma port mountport mountproto mountvers mounthost mountaddr namlen rsize wsize timeo
    retrans retry acregmin acregmax acdirmin acdirmax actimeo ac noac bg fg hard soft softerr softreval nosoftreval intr
    nointr cto nocto lock nolock local_lock resvport noresvport sec sharecache nosharecache rdirplus nordirplus fsc nofsc
    lookupcache clientaddr migration nomigration nconnect max_connect trunkdiscovery notrunkdiscovery xprtsec acl noacl
    tcp udp posix noposix cache`);

/** By type: everything that decides what is written into a unit. */
export const typeFacts: Record<MountType, TypeFacts> = {
    bind: {
        network: false,
        defaults: [],
        options: words("bind rbind private rprivate shared rshared slave rslave unbindable"),
    },
    tmpfs: {
        network: false,
        defaults: ["nosuid", "nodev"],
        options: words("size nr_blocks nr_inodes mode uid gid mpol huge inode32 inode64 noswap"),
    },
    block: { network: false, defaults: ["nofail"], options: undefined },
    sshfs: {
        network: true,
        defaults: [
            "_netdev",
            "nofail",
            "allow_other",
            "default_permissions",
            "reconnect",
            "ServerAliveInterval=15",
            "ServerAliveCountMax=3",
            "ConnectTimeout=10",
            "BatchMode=yes",
            "StrictHostKeyChecking=yes",
        ],
        options: words(`
            allow_other allow_root default_permissions reconnect delay_connect sshfs_sync no_readahead sync_readdir cache
            dcache_timeout dcache_max_size dcache_stat_timeout dcache_link_timeout dcache_dir_timeout
            dcache_clean_interval dcache_min_clean_interval cache_timeout cache_stat_timeout cache_dir_timeout
            cache_link_timeout cache_max_size cache_clean_interval cache_min_clean_interval direct_io workaround idmap
            uidfile gidfile nomap transform_symlinks contain_symlinks follow_symlinks no_check_root max_conns disable_hardlink
            dir_cache max_read max_write kernel_cache auto_cache noauto_cache umask uid gid entry_timeout negative_timeout
            attr_timeout ac_attr_timeout intr fsname subtype compression
            AddressFamily BatchMode BindAddress BindInterface CertificateFile ChallengeResponseAuthentication
            CheckHostIP Cipher Ciphers Compression CompressionLevel ConnectionAttempts ConnectTimeout
            GlobalKnownHostsFile GSSAPIAuthentication HostKeyAlgorithms HostKeyAlias HostName IdentitiesOnly IdentityFile
            IdentityAgent IPQoS KbdInteractiveAuthentication KexAlgorithms LogLevel MACs
            NumberOfPasswordPrompts PasswordAuthentication Port PreferredAuthentications ProxyJump PubkeyAuthentication
            RekeyLimit ServerAliveCountMax ServerAliveInterval StrictHostKeyChecking TCPKeepAlive User
            UserKnownHostsFile`),
        helper: { command: "sshfs", package: "sshfs dnf=fuse-sshfs" },
    },
    nfs: {
        network: true,
        defaults: ["_netdev", "nofail", "hard"],
        options: nfs,
        helper: { command: "mount.nfs", package: "nfs-utils apt=nfs-common zypper=nfs-client" },
    },
    nfs4: {
        network: true,
        defaults: ["_netdev", "nofail", "hard"],
        options: nfs,
        helper: { command: "mount.nfs4", package: "nfs-utils apt=nfs-common zypper=nfs-client" },
    },
    cifs: {
        network: true,
        defaults: ["_netdev", "nofail", "nosuid", "nodev"],
        options: words(`
            vers sec seal sign port ip addr servern netbiosname uid gid forceuid noforceuid forcegid noforcegid cruid
            file_mode dir_mode nounix unix perm noperm dynperm nodynperm mapchars nomapchars mapposix nomapposix iocharset
            serverino noserverino cache cifsacl nocifsacl idsfromsid modefromsid nobrl brl hard soft rsize wsize bsize
            actimeo acregmax acdirmax handletimeout echo_interval closetimeo snapshot multichannel nomultichannel
            max_channels multiuser mfsymlinks sfu nosfu posix noposix fsc resilienthandles noresilienthandles
            persistenthandles nopersistenthandles rdma nodfs noautotune nostrictsync strictsync backupuid backupgid
            domainauto nosharesock nolease guest max_credits esize retrans compress witness`),
        helper: { command: "mount.cifs", package: "cifs-utils" },
    },
};

/** Options that have an argument of their own, or that would undo what this package does. */
const refused: Record<string, string> = {
    remount: "an update remounts by itself",
    auto: "it is mounted at boot in any case",
    noauto: "it is mounted at boot in any case; see the argument automount",
    user: "only root mounts",
    users: "only root mounts",
    owner: "see the argument owner",
    group: "see the argument owner",
    loop: "make a block device of the file first",
    credentials: "use the argument credentials: it comes by a file that only root can read",
    username: "use the argument credentials",
    password: "use the argument credentials: options can be read by everybody on the machine",
    pass: "use the argument credentials: options can be read by everybody on the machine",
    domain: "use the argument credentials",
    password_stdin: "nobody types a password at boot",
    ssh_command: "a unit has no use for it that its other options do not have",
    ProxyCommand: "commands in options are not supported",
};

/** Options of ssh with which a server may pass without the key that is known of it, some of them only by another's word (DNS). */
const unchecked =
    /^(?:StrictHostKeyChecking=(?!yes$)|UserKnownHostsFile=\/dev\/null$|NoHostAuthenticationForLocalhost=|VerifyHostKeyDNS=)/i;

/** What is wrong with an option of a type; undefined when nothing is. */
export function optionMistake(type: MountType, option: string): string | undefined {
    if (option === "") return "an option is missing";
    if (/[\s,"'\\]|[^\x21-\x7e]/.test(option)) {
        return `${JSON.stringify(option)} cannot be one option: each is a text of its own, without commas, blanks, quotes and backslashes`;
    }
    const [name = "", value] = split(option);
    if (name.startsWith("x-")) return `${name}: options that begin with x- are read from /etc/fstab only`;
    const reason = refused[name];
    if (reason !== undefined) return `${name}: ${reason}`;
    if (type === "sshfs" && unchecked.test(option)) {
        return `${option}: the server's key has to be checked`;
    }
    if (type !== "bind" && /^r?bind$/.test(name)) return `${name}: that is what the type bind does`;
    if (value === "") return `${name}: there is nothing after the =`;
    const { options } = typeFacts[type];
    if (options === undefined || common.includes(name) || options.includes(name)) return undefined;
    const meant = nearest(name, [...common, ...options]);
    return `${type} has no option ${name}${meant === undefined ? "" : `; did you mean ${meant}?`}`;
}

/** The options of a mount: the defaults of its type, and what is asked for, which wins over them. */
export function effectiveOptions(type: MountType, asked: readonly string[]): string[] {
    const names = new Set(asked.flatMap((option) => [keyOf(option), opposite(keyOf(option))]));
    return [...typeFacts[type].defaults.filter((option) => !names.has(keyOf(option))), ...asked];
}

function keyOf(option: string): string {
    return split(option)[0]!;
}

/** The option that takes another one back. */
function opposite(name: string): string {
    const pairs: Record<string, string> = { soft: "hard", hard: "soft", softerr: "hard", ro: "rw", rw: "ro" };
    return pairs[name] ?? (name.startsWith("no") ? name.slice(2) : `no${name}`);
}

function split(option: string): [string, string?] {
    const at = option.indexOf("=");
    return at < 0 ? [option] : [option.slice(0, at), option.slice(at + 1)];
}

function words(text: string): string[] {
    return text.split(/\s+/).filter((word) => word !== "");
}
