/** A line of /proc/self/mountinfo. */
export interface MountEntry {
    /** The mount's own id, and that of the mount it is on. */
    id: number;
    parent: number;
    /** `major:minor` of what is mounted. */
    device: string;
    /** Which directory of the file system is seen; another one than `/` for a bind mount. */
    root: string;
    target: string;
    /** Options of this mount point: `ro`, `nosuid`, … */
    flags: string[];
    /** `tmpfs`, `fuse.sshfs`, … */
    type: string;
    /** `/dev/sda1`, `server:/path`, … */
    source: string;
    /** Options of the file system itself. */
    options: string[];
}

/** Reads lines of mountinfo; others are left out. */
export function parseMountinfo(text: string): MountEntry[] {
    return text.split("\n").flatMap((line) => {
        const fields = line.split(" ");
        const separator = fields.indexOf("-", 6);
        if (separator < 0 || fields.length < separator + 4) return [];
        const [id, parent, device, root, target, flags] = fields as [string, string, string, string, string, string];
        const [type, source, options] = fields.slice(separator + 1) as [string, string, string];
        return [
            {
                id: Number(id),
                parent: Number(parent),
                device,
                root: decode(root),
                target: decode(target),
                flags: flags.split(",").map(decode),
                type: decode(type),
                source: decode(source),
                options: options.split(",").map(decode),
            },
        ];
    });
}

/**
 * A path as the kernel writes a mount point into mountinfo: blank, tab, line feed and backslash as octal numbers. (A `#` becomes
 * one in sources and options only.)
 */
export function encodePath(path: string): string {
    return path.replace(/[ \t\n\\]/g, (letter) => `\\${letter.charCodeAt(0).toString(8).padStart(3, "0")}`);
}

function decode(text: string): string {
    return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
