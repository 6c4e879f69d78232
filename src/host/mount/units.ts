import { dropIn, dropInPath } from "./docker-gate";
import { effectiveOptions, type MountType, typeFacts } from "./options";
import { udevName, unitName } from "./unit-name";

/** Where an administrator's units lie. */
export const unitDirectory = "/etc/systemd/system";

/** What decides what the units of a mount say. */
export interface UnitWish {
    type: MountType;
    /** As mount(8) takes it. */
    source: string;
    target: string;
    /** Further options; those of the type come by themselves. */
    options: readonly string[];
    /** The file system of a block device; undefined lets the kernel find out. */
    fsType: string | undefined;
    automount: boolean;
    requiredByDocker: boolean;
    /** The resource's URN, for people who read the unit. */
    owner: string;
}

/** A file on the machine. */
export interface WantedFile {
    path: string;
    /** Octal. */
    mode: string;
    content: string;
}

/** The units of a mount. */
export interface Units {
    /** The unit that mounts. */
    mount: string;
    /** The unit that is enabled and started: the same, or the one that mounts on first use. */
    start: string;
    files: WantedFile[];
    /** Files that a mount with other arguments may have. */
    unwanted: string[];
}

/** What mounts: the second column of /etc/fstab. */
export function whatOf(type: MountType, source: string): string {
    if (type !== "block") return source;
    const [, tag = "", value = ""] = /^(UUID|LABEL|PARTUUID|PARTLABEL)=(.*)$/.exec(source) ?? [];
    return tag === "" ? source : `/dev/disk/by-${tag.toLowerCase()}/${udevName(value)}`;
}

/** The units that a machine needs for a mount. */
export function unitsOf(wish: UnitWish): Units {
    const { type, target, automount } = wish;
    const network = typeFacts[type].network;
    const mount = unitName(target, "mount");
    const start = automount ? unitName(target, "automount") : mount;
    const head = [
        `# Written by pulumi-docker-fleet for ${wish.owner}.`,
        "# The next `pulumi up` takes changes back.",
        "[Unit]",
        `Description=${escapeValue(target)} (pulumi-docker-fleet)`,
    ];
    const wantedBy = network ? "remote-fs.target" : "local-fs.target";
    const install = ["", "[Install]", `WantedBy=${wantedBy}`, ""];
    const mountUnit = [
        ...head,
        ...(network ? ["Wants=network-online.target", "After=network-online.target"] : []),
        "",
        "[Mount]",
        `What=${escapeValue(whatOf(type, wish.source))}`,
        `Where=${escapeValue(target)}`,
        ...typeLine(wish),
        ...optionsLine(wish),
        "TimeoutSec=30",
        ...(automount ? [""] : install),
    ];
    const automountUnit = [
        ...head,
        ...(network ? ["Wants=network-online.target", "After=network-online.target", "Before=remote-fs.target"] : []),
        "",
        "[Automount]",
        `Where=${escapeValue(target)}`,
        ...install,
    ];
    const file = (path: string, lines: string[]) => ({ path, mode: "0644", content: lines.join("\n") });
    const automountPath = `${unitDirectory}/${unitName(target, "automount")}`;
    const files = [
        file(`${unitDirectory}/${mount}`, mountUnit),
        ...(automount ? [file(automountPath, automountUnit)] : []),
        ...(wish.requiredByDocker ? [{ path: dropInPath(target), mode: "0644", content: dropIn(wish, start) }] : []),
    ];
    const unwanted = [automountPath, dropInPath(target)].filter(
        (path) => !files.some((wanted) => wanted.path === path),
    );
    return { mount, start, files, unwanted };
}

/** The type as mount(8) names it; undefined where the kernel finds it out. */
export function mountTypeName({ type, fsType }: UnitWish): string | undefined {
    if (type === "bind") return "none";
    if (type === "block") return fsType;
    return type === "sshfs" ? "fuse.sshfs" : type;
}

/** All options that mount(8) gets. */
export function mountOptions({ type, options }: UnitWish): string[] {
    const all = effectiveOptions(type, options);
    const isBind = type === "bind" && !all.includes("rbind");
    return isBind && !all.includes("bind") ? ["bind", ...all] : all;
}

function typeLine(wish: UnitWish): string[] {
    const name = mountTypeName(wish);
    return name === undefined ? [] : [`Type=${name}`];
}

function optionsLine(wish: UnitWish): string[] {
    const options = mountOptions(wish);
    return options.length === 0 ? [] : [`Options=${escapeValue(options.join(","))}`];
}

/** A value as systemd takes it literally. */
function escapeValue(text: string): string {
    return text.replaceAll("%", "%%");
}
