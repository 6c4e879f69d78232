import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import {
    closeSync,
    existsSync,
    mkdirSync,
    openSync,
    readdirSync,
    readFileSync,
    readlinkSync,
    renameSync,
    rmdirSync,
    rmSync,
} from "node:fs";
import { join } from "node:path";
import { ControlGroup } from "./cgroup";
import { setKnownHost } from "./keys";
import { withLock } from "./lock";
import { bridge, gateway, removeNetwork } from "./network";
import { isAlive } from "./owner";
import { hostsDirectory, privateKeyPath, stateDirectory, stateLock } from "./paths";
import { type HostRecord, hostDirectory, listNames, readRecord } from "./records";
import { environment, run } from "./run";

// Power and existence of one host. Every function here that changes something is called with the state lock held.

const trashDirectory = join(stateDirectory, "trash");

/** The systemd-nspawn process of a host; undefined when the host is off or what runs of it is only a crash's leftover. */
export function nspawnPid(name: string): number | undefined {
    try {
        const pid = readFileSync(join(hostDirectory(name), "pid"), "utf8").trim();
        return readFileSync(`/proc/${pid}/cgroup`, "utf8").includes(`/pdflab-${name}/host`) ? Number(pid) : undefined;
    } catch {
        return undefined;
    }
}

/** The host's PID 1 as this machine numbers it; undefined when the host is off or not far enough yet. */
export function leaderPid(name: string): number | undefined {
    const nspawn = nspawnPid(name);
    if (nspawn === undefined) return undefined;
    try {
        const leader = readFileSync(`/proc/${nspawn}/task/${nspawn}/children`, "utf8").split(" ")[0];
        // systemd-nspawn's first child is a helper that still lives in our own network.
        const own = readlinkSync("/proc/self/ns/net");
        return leader && readlinkSync(`/proc/${leader}/ns/net`) !== own ? Number(leader) : undefined;
    } catch {
        return undefined;
    }
}

/** Switches a host on. Its processes belong to nobody: they outlive us, our terminal and our mount namespace. */
export async function powerOn(record: HostRecord): Promise<void> {
    const { name, address, lower } = record;
    await powerOff(name);
    const directory = hostDirectory(name);
    for (const part of ["upper", "work", "root", "docker", "containerd"])
        mkdirSync(join(directory, part), { recursive: true });
    const group = new ControlGroup(name);
    group.create();
    // A former user of the address may still be remembered.
    await run("ip", ["neighbour", "flush", "to", address, "dev", bridge]);
    const console = openSync(join(directory, "console"), "a");
    const parameters = [
        directory,
        name,
        address,
        gateway,
        lower.join(":"),
        `${privateKeyPath}.pub`,
        group.path,
        bridge,
        record.layer === "openrc" ? "openrc" : "systemd",
    ];
    const script = join(__dirname, "host.sh");
    const child = spawn("unshare", ["--mount", "--propagation", "private", "sh", script, ...parameters], {
        detached: true,
        stdio: ["ignore", console, console],
        cwd: "/",
        env: environment(),
    });
    closeSync(console);
    child.unref();
    await new Promise<void>((resolve, reject) => {
        child.once("spawn", resolve);
        child.once("error", reject);
    });
}

/** The power cut: kills everything of a host at once and keeps its disk. */
export async function powerOff(name: string): Promise<void> {
    await new ControlGroup(name).kill();
    // The kernel takes the links away with the host, but a moment later.
    for (const link of [`pd-${name}`, `pt-${name}`]) {
        if (existsSync(`/sys/class/net/${link}`)) await run("ip", ["link", "delete", link], { allowFailure: true });
    }
    for (const file of ["pid", "delay.pid", "offload-off"]) rmSync(join(hostDirectory(name), file), { force: true });
}

/** Takes a host down and its papers away. Its disk is only moved aside, see {@link emptyTrash}. */
export async function discard(name: string): Promise<void> {
    await powerOff(name);
    setKnownHost(name, readRecord(name)?.address ?? name, []);
    mkdirSync(trashDirectory, { recursive: true });
    // In one step, under a name of its own: others may be emptying the trash right now.
    renameSync(hostDirectory(name), join(trashDirectory, `${name}-${randomUUID()}`));
    if (listNames().length === 0) await removeNetwork();
}

/** Takes down the hosts whose owner is gone, and what a crash left of a host that was being made. */
export async function reclaim(): Promise<void> {
    for (const name of listNames()) {
        const record = readRecord(name);
        if (!record || (record.owner && !isAlive(record.owner))) await discard(name);
    }
}

/** Deletes the disks of discarded hosts, without holding anybody up: the only function here that takes the lock itself. */
export async function emptyTrash(): Promise<void> {
    if (!existsSync(trashDirectory)) return;
    const disks = readdirSync(trashDirectory).map((name) => join(trashDirectory, name));
    const remove = () => run("rm", ["-rf", "--", ...disks], { allowFailure: true, timeout: 300_000 });
    if ((await remove()).code !== 0) {
        // Hosts may have made files immutable.
        await run("chattr", ["-R", "-f", "-i", ...disks], { allowFailure: true });
        await remove();
    }
    await withLock(stateLock, async () => {
        for (const directory of [trashDirectory, hostsDirectory, stateDirectory]) {
            try {
                rmdirSync(directory);
            } catch {
                // Not empty: still in use.
            }
        }
    });
}
