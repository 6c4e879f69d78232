import { isOnFstab, type MountFacts, type MountTarget, wrongFiles } from "../mount";
import type { MountEntry } from "./mountinfo";
import { effectiveOptions, typeFacts } from "./options";
import { type Remount, remountOf } from "./remount";

/** The state of a mount that is as it should be. */
export const asWanted = "mounted";

/** What is wrong with a mount: in words, and what it takes to put it right. */
export interface MountFinding {
    /** {@link asWanted}, or some words such as `not mounted`. */
    word: string;
    /**
     * `remount`: other options, while it stays mounted. `mount`: unmounted and mounted anew. `wait`: it is the right mount, and
     * its server does not answer; it goes on by itself when that comes back.
     */
    repair: "none" | "files" | "remount" | "mount" | "wait";
    /** How it is remounted. */
    remount?: Remount;
}

/** Options that show in mountinfo as they are written, and the ones that hold without them. */
const visible: Record<string, string> = { ro: "rw", nosuid: "suid", nodev: "dev", noexec: "exec" };

/** Compares what was found with what is wanted. */
export function judge(wanted: MountTarget, facts: MountFacts): MountFinding {
    const stack = facts.entries.filter(({ type }) => type !== "autofs");
    const top = stack.at(-1);
    const isAutomount = !isOnFstab(facts) && wanted.units.start !== wanted.units.mount;
    const waits = top === undefined && facts.entries.length > 0 && isAutomount;
    if (top === undefined && !waits) return { word: "not mounted", repair: "mount" };
    if (stack.length > 1) return { word: `mounted ${stack.length} times over each other`, repair: "mount" };
    if (top !== undefined) {
        if (!isRightType(wanted, top.type) || !isRightSource(wanted, facts, top.source)) {
            return { word: `mounted from elsewhere: ${top.source} (${top.type})`, repair: "mount" };
        }
        if (isAway(wanted, facts)) return { word: "does not answer", repair: "wait" };
        if (facts.probe?.answer === "broken") return { word: `dead: ${facts.probe.words}`, repair: "mount" };
    }
    const files = wrongFiles(wanted, facts);
    const isAutomountWrong = files.some((path) => path.endsWith(".automount"));
    const unit = `/${wanted.units.mount}`;
    const anew: Pick<MountFinding, "repair" | "remount"> =
        top === undefined || isAutomountWrong ? { repair: "mount" } : optionsRepair(wanted, facts, top);
    if (files.some((path) => path.endsWith(unit))) return { word: "unit changed", ...anew };
    if (isOnFstab(facts) && facts.fstab.join("\n") !== wanted.fstab.line) {
        return { word: facts.fstab.length === 0 ? "not in /etc/fstab" : "line of /etc/fstab changed", ...anew };
    }
    if (isAutomountWrong) return { word: "automount changed", repair: "mount" };
    // It is mounted, but would not be on first use after that.
    if (isAutomount && !facts.entries.some(({ type }) => type === "autofs")) {
        return { word: "automount not running", repair: "mount" };
    }
    if (top !== undefined) {
        const options = effectiveOptions(wanted.type, wanted.options);
        const found = flagsOf(wanted, top);
        const other = Object.keys(visible).filter(
            (flag) => options.includes(flag) !== found.includes(flag) && !isHarmless(wanted, flag, found),
        );
        if (other.length > 0) {
            const names = other.map((flag) => (found.includes(flag) ? flag : visible[flag]));
            return { word: `mounted with ${names.join(", ")}`, ...anew };
        }
    }
    if (files.length > 0) return { word: `changed: ${files.join(", ")}`, repair: "files" };
    if (wanted.guard && facts.guard?.isOn !== true) return { word: "not guarded", repair: "files" };
    if (!wanted.guard && facts.guard?.isOurs === true) return { word: "guarded", repair: "files" };
    const starter = isOnFstab(facts) ? wanted.fstab.service : wanted.units.start;
    if (starter !== undefined && facts.enablement.get(starter) !== "enabled") {
        return { word: "not enabled", repair: "files" };
    }
    if (facts.unfinished) {
        // What waits for its first use has not shown yet whether it can be mounted.
        const isOpen = top === undefined || anew.repair === "remount";
        return { word: "a change was interrupted", ...(isOpen ? anew : { repair: "files" }) };
    }
    if (wanted.requiredByDocker && facts.dockerWaits) return { word: "Docker is down", repair: "files" };
    return { word: asWanted, repair: "none" };
}

/** What gives a mount its options. */
function optionsRepair(
    { type, options }: MountTarget,
    facts: MountFacts,
    top: MountEntry,
): Pick<MountFinding, "repair" | "remount"> {
    const remount = remountOf(type, top, facts.optionsBefore, options);
    if (remount === undefined) return { repair: "mount" };
    const isNothing = [remount.options, remount.owner, remount.mode].every((part) => part === undefined);
    return isNothing ? { repair: "files" } : { repair: "remount", remount };
}

/** Of a disk that is read-only after an error, only the file system says so. */
function flagsOf({ type }: MountTarget, { flags, options }: MountEntry): readonly string[] {
    return type === "block" && options.includes("ro") ? [...flags, "ro"] : flags;
}

/** The server is away: it is waited for, or what was asked ended with an error after which sshfs connects again by itself. */
function isAway({ type }: MountTarget, { probe }: MountFacts): boolean {
    const isError = probe?.answer === "broken" && /Input\/output error|timed out/i.test(probe.words);
    return probe?.answer === "silent" || (isError && typeFacts[type].network);
}

/** FUSE sets nosuid and nodev by itself, and a bind mount takes them from where it comes. */
function isHarmless({ type }: MountTarget, flag: string, found: readonly string[]): boolean {
    return found.includes(flag) && (type === "sshfs" || type === "bind") && flag !== "ro";
}

function isRightType({ type, fsType }: MountTarget, found: string): boolean {
    switch (type) {
        case "bind":
            return true;
        case "block":
            return fsType === undefined || found === fsType || found === "fuseblk";
        case "sshfs":
            return found === "fuse.sshfs";
        case "nfs":
        case "nfs4":
            return found === "nfs" || found === "nfs4";
        default:
            return found === type || (type === "cifs" && found === "smb3");
    }
}

function isRightSource({ type, source }: MountTarget, facts: MountFacts, found: string): boolean {
    const bare = (text: string) => text.replace(/(?<=.)\/+$/, "");
    switch (type) {
        case "tmpfs":
            return true;
        case "bind":
            // Whether it is the same directory, only the directory can tell.
            return facts.root === undefined || facts.root.identity === facts.sourceIdentity;
        case "block":
            return found === facts.device;
        default:
            return bare(found) === bare(source);
    }
}
