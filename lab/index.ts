import { mkdirSync, readFileSync } from "node:fs";
import { LabHost } from "./host";
import { ensureLoginKey, makeHostKeys, setKnownHost } from "./keys";
import { withLock } from "./lock";
import { emptyTrash, nspawnPid, powerOn, reclaim } from "./machine";
import { ensureNetwork, nextAddress } from "./network";
import { thisProcess } from "./owner";
import { knownHostsPath, privateKeyPath, stateLock } from "./paths";
import { type HostRecord, hostDirectory, listRecords, readRecord, writeRecord } from "./records";
import { installRequirements, unavailable } from "./requirements";
import { type Layer, prepareTree, type Release } from "./trees";

export { LabHost } from "./host";
export type { Result as ExecResult, RunOptions as ExecOptions } from "./run";
export { type Layer, layers, type Release, releases } from "./trees";

/** What kind of host {@link Lab.up} starts. */
export interface UpOptions {
    /** Debian release; default trixie. */
    release?: Release;
    /** What is installed already, by {@link layers}; default: a bare system. */
    layer?: Layer;
}

/** Settings of {@link Lab.open}. */
export interface LabOptions {
    /** Whether hosts stay when this process ends; default false: they are litter then, which the next one removes. */
    keep?: boolean;
}

/**
 * Real Debian machines on this one, for tests, demo and bench: systemd, sshd, apt and a network of their own, on a disk
 * laid over a shared base tree. Logins: `root` with the key, `admin` with the key or the password (sudo asks for it),
 * `ops` with the key (sudo asks for nothing).
 *
 * @example
 * const lab = await Lab.open();
 * const host = await lab.up(lab.uniqueName("web"), { release: "bookworm" });
 * await host.exec("systemctl is-system-running --wait");
 * await lab.close();
 */
export class Lab {
    /** Why there is no lab on this machine, as a sentence; undefined where there is. */
    static unavailable(): string | undefined {
        return unavailable();
    }

    /**
     * Prepares this machine, installing programs with apt-get where they are missing.
     *
     * @throws Error with the reason where {@link unavailable} gives one.
     */
    static async open(options: LabOptions = {}): Promise<Lab> {
        const reason = unavailable();
        if (reason !== undefined) throw new Error(`lab: ${reason}`);
        await installRequirements();
        await withLock(stateLock, ensureLoginKey);
        return new Lab(options.keep ?? false);
    }

    /** File with the private key of root, admin and ops. */
    readonly privateKeyPath: string = privateKeyPath;
    /** The private key of root, admin and ops. */
    readonly privateKey: string = readFileSync(privateKeyPath, "utf8");
    /** A known_hosts file with the keys of all hosts, by name and address. */
    readonly knownHostsPath: string = knownHostsPath;
    /** The password of admin. */
    readonly password: string = "lab-pass";
    private readonly started = new Map<string, LabHost>();
    private names = 0;

    private constructor(private readonly keep: boolean) {}

    /** Builds the base trees of these releases where they are missing, one after another, telling about it on stderr. */
    async ready(releases: readonly Release[], layer?: Layer): Promise<void> {
        for (const release of releases) await prepareTree(release, layer);
    }

    /** A host name that no other run uses: up to 5 characters of the prefix, the process and a number. */
    uniqueName(prefix = "host"): string {
        return `${prefix.slice(0, 5)}-${process.pid.toString(36)}${(this.names++).toString(36)}`;
    }

    /**
     * Starts a host and waits until it lets users in; one that is off is switched on again, one that is on is returned.
     *
     * @throws Error for a name that is not 1 to 12 of a-z, 0-9 and "-", or that is taken by another kind of host.
     */
    async up(name: string, options: UpOptions = {}): Promise<LabHost> {
        if (!/^[a-z]([a-z0-9-]{0,10}[a-z0-9])?$/.test(name))
            throw new Error(`lab: "${name}" is no host name: up to 12 of a-z, 0-9 and "-", a letter first`);
        const kind = { release: options.release ?? readRecord(name)?.release ?? "trixie", layer: options.layer };
        const lower = await prepareTree(kind.release, kind.layer);
        const host = await withLock(stateLock, async () => {
            await reclaim();
            await ensureNetwork();
            const record = readRecord(name) ?? (await this.create(name, kind, lower));
            if (record.release !== kind.release || (options.layer && record.layer !== options.layer))
                throw new Error(`lab: there is a ${describe(record)} host named ${name} already`);
            if (nspawnPid(name) === undefined) await powerOn(record);
            return new LabHost(record);
        });
        if (!this.keep) this.started.set(name, host);
        await emptyTrash();
        await host.waitForLogin();
        return host;
    }

    /** All hosts on this machine, whoever started them; what crashed processes left is removed first. */
    async list(): Promise<LabHost[]> {
        await withLock(stateLock, reclaim);
        await emptyTrash();
        return listRecords().map((record) => new LabHost(record));
    }

    /**
     * One host of {@link list}.
     *
     * @throws Error when there is none of that name.
     */
    host(name: string): LabHost {
        const record = readRecord(name);
        if (!record) throw new Error(`lab: there is no host named ${name}`);
        return new LabHost(record);
    }

    /** Takes down every host this object started. */
    async close(): Promise<void> {
        const hosts = [...this.started.values()];
        this.started.clear();
        await Promise.all(hosts.map((host) => host.down()));
    }

    private async create(
        name: string,
        kind: { release: Release; layer?: Layer },
        lower: string[],
    ): Promise<HostRecord> {
        const directory = hostDirectory(name);
        mkdirSync(directory, { recursive: true });
        const hostKeys = await makeHostKeys(directory, name);
        const address = nextAddress(listRecords().map((record) => record.address));
        const owner = this.keep ? undefined : thisProcess();
        const record = { name, address, ...kind, lower, hostKey: hostKeys[0]!, owner };
        setKnownHost(name, address, hostKeys);
        writeRecord(record);
        return record;
    }
}

function describe(record: HostRecord): string {
    return record.layer ? `${record.release} (${record.layer})` : record.release;
}
