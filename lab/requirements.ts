import { execFileSync, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { release } from "node:os";
import { unifiedTree } from "./cgroup";
import { withLock } from "./lock";
import { findMirror } from "./mirror";
import { stateLock } from "./paths";
import { run } from "./run";

/** What the lab's programs come in; each is looked for by a file that it brings. */
const packages: Record<string, string> = {
    debootstrap: "/usr/sbin/debootstrap",
    "debian-archive-keyring": "/usr/share/keyrings/debian-archive-keyring.gpg",
    "systemd-container": "/usr/bin/systemd-nspawn",
    "openssh-client": "/usr/bin/ssh",
    iproute2: "/usr/bin/ip",
    iptables: "/usr/sbin/iptables",
    ethtool: "/usr/sbin/ethtool",
    perl: "/usr/bin/perl",
};

let answer: { reason: string | undefined } | undefined;

/** Why this machine cannot run lab hosts, as a sentence; undefined where it can. */
export function unavailable(): string | undefined {
    answer ??= { reason: findReason() };
    return answer.reason;
}

function findReason(): string | undefined {
    if (process.platform !== "linux") return "Lab hosts need Linux.";
    if (process.getuid?.() !== 0) return "Lab hosts need root.";
    if (!existsSync("/usr/bin/apt-get")) return "Lab hosts need apt-get, which this machine does not have.";
    if (!unifiedTree()) return "Lab hosts need a version 2 control group tree, and none is mounted.";
    const [major, minor] = release().split(".").map(Number) as [number, number];
    if (major < 5 || (major === 5 && minor < 14)) return `Lab hosts need Linux 5.14 or newer, this is ${release()}.`;
    if (!findMirror()) return "Lab hosts need a Debian mirror in the machine's apt sources, and there is none.";
    const probe = spawnSync("unshare", ["--mount", "--net", "sh", "-euc", overlayProbe], { encoding: "utf8" });
    if (probe.status !== 0) return `Lab hosts need overlayfs and namespaces: ${(probe.stderr ?? "").trim()}.`;
    return undefined;
}

// On the disk where the hosts' disks will be: an overlay cannot have its upper directory on another overlay.
const overlayProbe = `
    d=$(mktemp -d /var/lib/pdflab-probe.XXXXXX)
    trap 'umount "$d/r" 2> /dev/null; rm -rf "$d"' EXIT
    mkdir "$d/l" "$d/u" "$d/w" "$d/r"
    mount -t overlay overlay -o "lowerdir=$d/l,upperdir=$d/u,workdir=$d/w" "$d/r"
    : > "$d/r/file"`;

/** Installs the programs the lab is made of where they are missing, and says so. */
export async function installRequirements(): Promise<void> {
    if (missing().length === 0) return;
    await withLock(stateLock, async () => {
        const names = missing();
        if (names.length === 0) return;
        process.stderr.write(`lab: installing ${names.join(" ")} with apt-get\n`);
        const apt = ["-q", "-o", "DPkg::Lock::Timeout=120"];
        const minutes = 10 * 60_000;
        await run("apt-get", [...apt, "update"], { timeout: minutes });
        await run(
            "env",
            ["DEBIAN_FRONTEND=noninteractive", "apt-get", ...apt, "install", "-y", "--no-install-recommends", ...names],
            { timeout: minutes },
        );
    });
}

function missing(): string[] {
    return Object.entries(packages)
        .filter(([name, file]) => (name === "perl" ? !hasPerl() : !existsSync(file)))
        .map(([name]) => name);
}

// Every Debian has a perl, the smallest one lacks the clock that delay.pl needs.
function hasPerl(): boolean {
    try {
        execFileSync("perl", ["-MTime::HiRes", "-e", "1"], { stdio: "ignore" });
        return true;
    } catch {
        return false;
    }
}
