import { FleetError } from "../errors";
import { sha256 } from "../sha256";
import type { Machine } from "../ssh";
import { exclusiveFor } from "./exclusive";
import { dropInPath, rcConfPath } from "./mount/docker-gate";
import type { Fstab } from "./mount/fstab";
import { encodePath, type MountEntry, parseMountinfo } from "./mount/mountinfo";
import { type MountType, typeFacts } from "./mount/options";
import type { Remount } from "./mount/remount";
import { unitName } from "./mount/unit-name";
import { type Units, unitDirectory, type WantedFile } from "./mount/units";
import { type Listener, type Report, runReporting } from "./report";
import { hostScript } from "./script";

/** A mount point and everything that belongs to it, as found. */
export interface MountFacts {
    machineId: string;
    os: string;
    /** Which init is in charge, as far as we know it. */
    init: "systemd" | "openrc" | undefined;
    /** The mount point with links resolved. */
    target: string;
    /** Whose it is by our record; undefined where nobody of us has mounted there. */
    owner: string | undefined;
    /** True when a change was killed in the middle of its work. */
    unfinished: boolean;
    /** SHA-256 of each file that was asked for, in hex; `absent` for one that is not there. */
    files: Map<string, string>;
    /** The enablement of units, e.g. `enabled`, by name. */
    enablement: Map<string, string>;
    /** The real path of the device that was asked for. */
    device: string | undefined;
    /** The lines of /etc/fstab for the mount point, where units are not in use. */
    fstab: string[];
    /**
     * The options that its unit or line says; before them those that it said when a change was killed. Nothing where there is neither.
     */
    optionsBefore: string[][];
    /** What is mounted there, lowest first; the last one is what is seen. */
    entries: MountEntry[];
    /** What the file system said; undefined where nothing is mounted, or an automount waits. */
    probe: { answer: "ok" | "silent" | "broken"; words: string } | undefined;
    /** The root of what is mounted. */
    root: { uid: string; gid: string; user: string; group: string; mode: string; identity: string } | undefined;
    /** Of a bind mount: which directory its source is, as {@link root}'s identity. */
    sourceIdentity: string | undefined;
    /** Running containers whose copy of the mount has other flags than it has been given in this run. */
    outdated: string[];
    /** Names of files in the mount point that the mount of this run has hidden. */
    hidden: string | undefined;
    /** Running containers that were started before the mount of this run, and see what was there then. */
    strangers: string[];
    /** Whether the empty mount point is guarded, where that is asked for or was done; and whether we did it. */
    guard: { isOn: boolean; isOurs: boolean } | undefined;
    /** True when Docker needs the mount, and did not start when it was last told to. */
    dockerWaits: boolean;
    /** True when Docker could not be started although what it needs is mounted. */
    dockerDown: boolean;
}

/** What is wanted of a mount. */
export interface MountTarget {
    type: MountType;
    /** As mount(8) takes it. */
    source: string;
    /** The path of a block device. */
    device: string | undefined;
    target: string;
    options: readonly string[];
    /** The file system of a block device, where it is told. */
    fsType: string | undefined;
    /** Of a machine with systemd. */
    units: Units;
    /** Of a machine with OpenRC. */
    fstab: Fstab;
    /** Files that belong to it on either. */
    files: readonly WantedFile[];
    /** Files that were written before and have to be as they were then. */
    kept: readonly { path: string; sum: string }[];
    /** What an empty device is formatted with. */
    format: string | undefined;
    owner: string | undefined;
    mode: string | undefined;
    requiredByDocker: boolean;
    /** Whether nothing can be written into the mount point while nothing is mounted. */
    guard: boolean;
    /** What is done with a mount that is in use and has to be unmounted. */
    force: "lazy" | undefined;
}

/** How long we wait for others, in milliseconds. Nobody sets these through arguments; tests shorten them. */
export const mountTiming = {
    /** For another change of the same machine by this package, from whatever stack. */
    machineLock: 10 * 60_000,
    /** For unattended upgrades or a person at the package manager. */
    packageLock: 5 * 60_000,
};

const common = [
    "report",
    "facts",
    "services/systemd",
    "services/openrc",
    "mount/guard",
    "mount/units",
    "mount/fstab",
    "mount/mount",
] as const;
const changing = [
    ...common,
    "packages/apt",
    "packages/dnf",
    "packages/zypper",
    "packages/pacman",
    "packages/apk",
    "packages/install",
    "mount/users",
] as const;
const removing = [...common, "mount/users"] as const;

/** Where a mount keeps what only root may read. */
export function homeOf(target: string): string {
    return `/var/lib/pulumi-docker-fleet/mounts/${homeName(target)}`;
}

/** Looks at a mount. One execution, which changes nothing and does not wait for a server that does not answer. */
export async function observeMount(machine: Machine, wanted: MountTarget, listener: Listener): Promise<MountFacts> {
    const { type, source, target, device, units } = wanted;
    const report = await runReporting(
        machine,
        {
            step: `look at the mount ${target}`,
            script: hostScript("mount/observe", common),
            args: [
                ...[target, encodePath(target), type, source, device ?? ""],
                ...[units.mount, units.start, homeName(target), wanted.guard ? "yes" : "no"],
                ...pathsOf(wanted),
            ],
        },
        listener,
    );
    return readFacts(report);
}

/**
 * Brings a mount into being, under the machine's lock: afterwards it is mounted and will be at each boot, or everything is as
 * it was and the error says why. One execution, which needs nobody to watch it.
 *
 * @param action `mount`: what is mounted there is unmounted first; a {@link Remount}: it gets other options; `none`: only files,
 *     enablement and ownership are put right
 * @param isManaged whether this resource has mounted there before
 * @param seen what was found there
 * @returns what is there then
 */
export async function applyMount(
    machine: Machine,
    wanted: MountTarget,
    {
        action,
        isManaged,
        owner,
        seen,
    }: { action: "mount" | "none" | Remount; isManaged: boolean; owner: string; seen: MountFacts },
    listener: Listener,
): Promise<MountFacts> {
    const { type, source, target, device, units, fstab } = wanted;
    const { files, unwanted } = placedFiles(wanted, seen);
    const { helper } = typeFacts[type];
    const remount = typeof action === "object" ? action : undefined;
    const args = [
        ...["owner", owner],
        ...["target", target, encodePath(target)],
        ...["type", type, source],
        ...["device", device ?? ""],
        ...["format", wanted.format ?? ""],
        ...["units", units.mount, units.start, unitName(target, "automount"), homeName(target)],
        ...(helper === undefined ? [] : ["helper", helper.command, helper.package]),
        ...["own", wanted.owner ?? remount?.owner ?? "", wanted.mode ?? remount?.mode ?? ""],
        ...["fstab", fstab.line],
        ...files.flatMap(({ path, mode, content }) => [
            ...["put", path, mode],
            Buffer.from(content).toString("base64"),
        ]),
        ...unwanted.flatMap((path) => ["drop", path]),
        ...["action", typeof action === "object" ? "remount" : action],
        ...(remount === undefined ? [] : ["remount", remount.options ?? "", remount.back ?? ""]),
        ...[
            "force",
            wanted.force ?? "no",
            "managed",
            isManaged ? "yes" : "no",
            "docker",
            wanted.requiredByDocker ? "yes" : "no",
        ],
        ...["guard", wanted.guard ? "yes" : "no"],
        ...["wait", String(Math.round(mountTiming.packageLock / 1000))],
    ];
    const report = await runReporting(
        machine,
        {
            step: `mount ${target}`,
            script: hostScript("mount/apply", changing),
            args,
            timeout: 30 * 60_000,
            exclusive: exclusiveFor(owner, mountTiming.machineLock),
        },
        listener,
    );
    return readFacts(report);
}

/**
 * Undoes {@link applyMount}. One execution, under the machine's lock; doing it twice is fine.
 *
 * @returns the running containers that go on seeing what was mounted
 */
export async function removeMount(
    machine: Machine,
    { target, owner, force }: { target: string; owner: string; force: "lazy" | undefined },
    listener: Listener,
): Promise<string[]> {
    const mount = unitName(target, "mount");
    const automount = unitName(target, "automount");
    const { facts } = await runReporting(
        machine,
        {
            step: `unmount ${target}`,
            script: hostScript("mount/remove", removing),
            args: [
                ...[owner, target, encodePath(target), mount, automount, homeName(target), force ?? "no"],
                ...[mount, automount].map((name) => `${unitDirectory}/${name}`),
                ...[dropInPath(target), rcConfPath(target)],
            ],
            timeout: 5 * 60_000,
            exclusive: exclusiveFor(owner, mountTiming.machineLock),
        },
        listener,
    );
    return [...new Set(facts.filter(({ key }) => key === "keeper").map(({ values }) => values[0] ?? ""))];
}

/**
 * Refuses a machine on which we could not work, before anything is changed.
 *
 * @throws FleetError UNSUPPORTED_MACHINE
 */
export function requireInit({ init, os }: MountFacts, { units }: MountTarget, machine: string): void {
    const refuse = (message: string, cure: string) =>
        new FleetError({ code: "UNSUPPORTED_MACHINE", machine, step: "look at the mount", message, cure });
    if (init === undefined) {
        throw refuse(
            `${os || "this system"} is run neither by systemd nor by OpenRC.`,
            "Use a machine with one of them, or mount it in /etc/fstab yourself.",
        );
    }
    if (init === "openrc" && units.start !== units.mount) {
        throw refuse("automount: OpenRC has no mounts on first use.", "Leave automount out.");
    }
}

/** Whether the machine's mounts are lines of /etc/fstab. */
export function isOnFstab({ init }: MountFacts): boolean {
    return init !== "systemd";
}

/** The files that have to be as they are wanted, and those that have to be absent. */
export function wrongFiles(wanted: MountTarget, facts: MountFacts): string[] {
    const { files, unwanted } = placedFiles(wanted, facts);
    const sums = files.map(({ path, content }) => ({ path, sum: sha256(content) }));
    const wrong = [...sums, ...wanted.kept].filter(({ path, sum }) => facts.files.get(path) !== sum);
    const left = unwanted.filter((path) => (facts.files.get(path) ?? "absent") !== "absent");
    return [...wrong.map(({ path }) => path), ...left];
}

/** The files that a machine needs, and those that it must not have. */
function placedFiles({ units, fstab, files }: MountTarget, facts: MountFacts): Pick<Units, "files" | "unwanted"> {
    const own = isOnFstab(facts) ? fstab : units;
    return { files: [...own.files, ...files], unwanted: own.unwanted };
}

/** All files of which it has to be known how they are, on whatever machine. */
function pathsOf({ units, fstab, files, kept }: MountTarget): string[] {
    const wanted = [...units.files, ...fstab.files, ...files, ...kept].map(({ path }) => path);
    return [...wanted, ...units.unwanted, ...fstab.unwanted];
}

function homeName(target: string): string {
    return sha256(target).slice(0, 16);
}

function readFacts({ facts }: Report): MountFacts {
    const all = (key: string) => facts.filter((fact) => fact.key === key).map(({ values }) => values);
    const first = (key: string) => all(key)[0];
    const probe = first("probe");
    const root = first("root");
    const guard = first("guard");
    return {
        machineId: first("machine-id")?.[0] ?? "",
        os: first("os")?.[0] ?? "",
        init: first("init")?.[0] as MountFacts["init"],
        target: first("target")?.[0] ?? "",
        owner: first("owner")?.[0],
        unfinished: first("unfinished") !== undefined,
        files: new Map(all("file").map(([path = "", sum = ""]) => [path, sum])),
        enablement: new Map(all("unit").map(([name = "", , , state = ""]) => [name, state])),
        device: first("device")?.[0],
        fstab: all("fstab").map(([line = ""]) => line),
        optionsBefore: all("options").map(([list = ""]) => list.split(",").filter((option) => option !== "")),
        entries: parseMountinfo(
            all("mountinfo")
                .map(([line]) => line)
                .join("\n"),
        ),
        probe: probe && { answer: probe[0] as "ok" | "silent" | "broken", words: probe[1] ?? "" },
        root: root && {
            uid: root[0] ?? "",
            gid: root[1] ?? "",
            user: root[2] ?? "",
            group: root[3] ?? "",
            mode: root[4] ?? "",
            identity: root[5] ?? "",
        },
        sourceIdentity: first("from")?.[0],
        hidden: first("hidden")?.[0],
        strangers: [...new Set(all("stranger").map(([name = ""]) => name))],
        outdated: [...new Set(all("outdated").map(([name = ""]) => name))],
        guard: guard && { isOn: guard[0] === "on", isOurs: first("guard-ours") !== undefined },
        dockerWaits: first("docker-waits") !== undefined,
        dockerDown: first("docker-down") !== undefined,
    };
}
