import { rcConf, rcConfPath } from "./docker-gate";
import { typeFacts } from "./options";
import { mountOptions, mountTypeName, type UnitWish, type WantedFile } from "./units";

/** What a machine without systemd needs for a mount. */
export interface Fstab {
    /** Its line of /etc/fstab. */
    line: string;
    files: WantedFile[];
    /** Files that a mount with other arguments may have. */
    unwanted: string[];
    /** The service that mounts it at boot, where that is in no runlevel by itself. */
    service: "netmount" | undefined;
}

/** The line and files for a mount on a machine with OpenRC. */
export function fstabOf(wish: UnitWish): Fstab {
    const { type, source, target, requiredByDocker } = wish;
    // mount hands on nofail to FUSE, which does not know it (systemd takes it out). Nothing at boot fails by it here in any case.
    const options = mountOptions(wish).filter((option) => type !== "sshfs" || option !== "nofail");
    const fields = [
        source,
        target,
        mountTypeName(wish) ?? "auto",
        options.length === 0 ? "defaults" : options.join(","),
        // Not saved by dump, and not checked by fsck at boot: as with units.
        "0",
        "0",
    ];
    const path = rcConfPath(target);
    return {
        line: fields.map(encodeField).join(" "),
        files: requiredByDocker ? [{ path, mode: "0644", content: rcConf(wish) }] : [],
        unwanted: requiredByDocker ? [] : [path],
        service: typeFacts[type].network ? "netmount" : undefined,
    };
}

/** A field as fstab(5) has it: what separates fields, and what escapes them, as octal numbers. */
function encodeField(text: string): string {
    return text.replace(/[ \t\n\\]/g, (letter) => `\\${letter.charCodeAt(0).toString(8).padStart(3, "0")}`);
}
