import fc from "fast-check";
import { parseMountinfo } from "../../src/host/mount/mountinfo";

/** Every letter that the kernel's table of mounts, systemd and udev treat in a way of their own, and some that they do not. */
const letters = [
    "a",
    "Z",
    "0",
    "-",
    "_",
    ".",
    ":",
    " ",
    "\\",
    "%",
    "@",
    "ä",
    "日",
    "#",
    ",",
    "\t",
    "\n",
    "'",
    '"',
    "$",
    "x2d",
    "\\040",
];

const part = fc
    .array(fc.constantFrom(...letters), { minLength: 1, maxLength: 8 })
    .map((parts) => parts.join(""))
    .filter((text) => text !== "." && text !== "..");

/** Absolute paths that somebody could have, though nobody should. */
export const oddPath = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => `/${parts.join("/")}`);

/** What we say of the kernel's table of mounts, by id. An option may have commas in it, which findmnt does not tell from others. */
export function readMountinfo(text: string) {
    return parseMountinfo(text)
        .map((entry) => ({ ...entry, flags: entry.flags.join(","), options: entry.options.join(",") }))
        .sort((a, b) => a.id - b.id);
}

/** One mount as findmnt tells of it, with {@link findmntColumns}. */
interface FoundMount {
    id: number;
    parent: number;
    "maj:min": string;
    fsroot: string;
    target: string;
    fstype: string;
    source: string | null;
    "vfs-options": string;
    "fs-options": string;
}

/** Arguments of findmnt for {@link readFindmnt}. */
export const findmntColumns = "--list --json -o ID,PARENT,MAJ:MIN,FSROOT,TARGET,FSTYPE,SOURCE,VFS-OPTIONS,FS-OPTIONS";

/** What findmnt says of the kernel's table of mounts, in the form of {@link readMountinfo}. */
export function readFindmnt(json: string) {
    const { filesystems } = JSON.parse(json) as { filesystems: FoundMount[] };
    return filesystems
        .map((entry) => ({
            id: entry.id,
            parent: entry.parent,
            device: entry["maj:min"].trim(),
            root: entry.fsroot,
            target: entry.target,
            flags: entry["vfs-options"],
            type: entry.fstype,
            // findmnt adds the root of a bind mount to its source.
            source: (entry.source ?? "").slice(0, entry.fsroot === "/" ? undefined : -`[${entry.fsroot}]`.length),
            options: entry["fs-options"],
        }))
        .sort((a, b) => a.id - b.id);
}
