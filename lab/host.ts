import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ControlGroup } from "./cgroup";
import { withLock } from "./lock";
import { discard, emptyTrash, leaderPid, nspawnPid, powerOff, powerOn } from "./machine";
import { bridge } from "./network";
import { knownHostsPath, privateKeyPath, stateLock } from "./paths";
import { type HostRecord, hostDirectory } from "./records";
import { type Result, type RunOptions, run, sleep } from "./run";
import type { Layer, Release } from "./trees";

/** A real Debian machine of the lab. Its logins are in {@link "./index".Lab}. */
export class LabHost {
    /** Host name, at most 12 characters. */
    readonly name: string;
    /** IPv4 address, reachable from this machine and from the other hosts. */
    readonly address: string;
    /** Debian release. */
    readonly release: Release;
    /** What was installed before its first boot. */
    readonly layer: Layer | undefined;
    /** Its ed25519 host key, "ssh-ed25519 AAAA…". */
    readonly hostKey: string;
    private readonly record: HostRecord;

    /** @internal made by Lab */
    constructor(record: HostRecord) {
        this.record = record;
        this.name = record.name;
        this.address = record.address;
        this.release = record.release;
        this.layer = record.layer;
        this.hostKey = record.hostKey;
    }

    /** Whether the host is switched on. */
    get isUp(): boolean {
        return nspawnPid(this.name) !== undefined;
    }

    /**
     * Runs a shell command as root in the host by entering its namespaces: works without network and sshd, and leaves
     * no trace in the host's logs.
     *
     * @throws Error when the host is off, when the command takes longer than `timeout` (60 s) or, unless
     * `allowFailure`, when its exit code is not 0.
     */
    async exec(command: string, options: RunOptions = {}): Promise<Result> {
        const leader = leaderPid(this.name);
        if (leader === undefined) throw new Error(`lab: ${this.name} is off`);
        const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        const namespaces = ["-t", `${leader}`, "-m", "-u", "-i", "-n", "-p", "-C"];
        const shell = ["env", "-i", path, "HOME=/root", "LC_ALL=C", "TERM=dumb", "sh", "-c", command];
        return await run("nsenter", [...namespaces, "--", ...shell], options);
    }

    /** Arguments for plain `ssh` to log in with the lab's key and to accept nothing but this host's own host key. */
    sshArguments(user = "root"): string[] {
        const options = [
            "BatchMode=yes",
            "IdentitiesOnly=yes",
            "IdentityAgent=none",
            `UserKnownHostsFile=${knownHostsPath}`,
            "GlobalKnownHostsFile=/dev/null",
            "StrictHostKeyChecking=yes",
            "ConnectTimeout=10",
            // A host that was cut off or lost its power says nothing any more.
            "ServerAliveInterval=5",
            "ServerAliveCountMax=3",
            "LogLevel=ERROR",
        ];
        const flags = ["-F", "none", "-i", privateKeyPath, ...options.flatMap((option) => ["-o", option])];
        return [...flags, `${user}@${this.address}`];
    }

    /** Pulls the network cable. Stays so over reboots of the host, not over {@link off}. */
    async cut(): Promise<void> {
        writeFileSync(join(hostDirectory(this.name), "cut"), "");
        await run("ip", ["link", "set", `pd-${this.name}`, "down"]);
    }

    /** Plugs the network cable in again. */
    async heal(): Promise<void> {
        rmSync(join(hostDirectory(this.name), "cut"), { force: true });
        await run("ip", ["link", "set", `pd-${this.name}`, "up"]);
    }

    /**
     * Moves the host away: so many milliseconds are added to every round trip; 0 brings it back.
     *
     * @param loss so many percent of the frames, in each direction, are lost; default 0
     */
    async delay(ms: number, loss = 0): Promise<void> {
        const file = join(hostDirectory(this.name), "delay");
        if (ms > 0 || loss > 0) writeFileSync(file, `${ms} ${loss}\n`);
        else rmSync(file, { force: true });
        const group = new ControlGroup(this.name).path;
        const parameters = [hostDirectory(this.name), this.name, group, bridge];
        if (this.isUp) await run("sh", [join(__dirname, "attach.sh"), ...parameters]);
    }

    /** Cuts the power: nothing is shut down in an orderly way, the disk is kept. */
    async off(): Promise<void> {
        await withLock(stateLock, async () => {
            await powerOff(this.name);
            rmSync(join(hostDirectory(this.name), "cut"), { force: true });
        });
    }

    /** Switches the host on again and waits until it lets users in. */
    async on(): Promise<void> {
        await withLock(stateLock, async () => {
            if (!this.isUp) await powerOn(this.record);
        });
        await this.waitForLogin();
    }

    /** Takes the host down for good: nothing of it is left. */
    async down(): Promise<void> {
        await withLock(stateLock, async () => {
            if (existsSync(hostDirectory(this.name))) await discard(this.name);
        });
        await emptyTrash();
    }

    /**
     * Waits until users can log in over SSH, e.g. after a reboot from inside. sshd counts connections that do not log
     * in against our address, so the host is watched from outside until one login is bound to do.
     *
     * @throws Error with the last lines of the host's console after `timeout` milliseconds.
     */
    async waitForLogin(timeout = 60_000): Promise<void> {
        const end = Date.now() + timeout;
        let problem = "it does not run";
        const group = new ControlGroup(this.name);
        // Its supervisor needs a moment to move into the group.
        const populatedBy = Date.now() + 2000;
        while (Date.now() < end && (group.isPopulated() || Date.now() < populatedBy)) {
            const missing = this.missingForLogin();
            if (missing === undefined) {
                const login = await run("ssh", [...this.sshArguments("ops"), "true"], { allowFailure: true });
                if (login.code === 0) return;
                problem = `ssh says: ${login.stderr.trim()}`;
                await sleep(1000);
            } else {
                problem = missing;
                await sleep(50);
            }
        }
        throw new Error(`lab: ${this.name} does not let users in: ${problem}\n${this.console().slice(-1500)}`);
    }

    /** What the host and its virtual hardware wrote to the console so far. */
    console(): string {
        const file = join(hostDirectory(this.name), "console");
        return existsSync(file) ? readFileSync(file, "utf8") : "";
    }

    private missingForLogin(): string | undefined {
        const leader = leaderPid(this.name);
        if (leader === undefined) return "it does not run";
        try {
            const sockets = ["tcp", "tcp6"].map((table) => readFileSync(`/proc/${leader}/net/${table}`, "utf8")).join();
            // Local port 22 (hex 16) in state LISTEN (0A).
            if (!/^ *\d+: [0-9A-F]+:0016 \S+ 0A /m.test(sockets)) return "nothing listens on port 22";
            if (existsSync(`/proc/${leader}/root/run/nologin`)) return "it still boots";
            return undefined;
        } catch {
            return "it just stopped";
        }
    }
}
