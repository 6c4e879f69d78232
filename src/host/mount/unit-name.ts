/**
 * The name of the unit of a mount point, as `systemd-escape --path --suffix=SUFFIX` makes it.
 *
 * @param path an absolute path
 * @param suffix e.g. `"mount"`
 */
export function unitName(path: string, suffix: string): string {
    const parts = path.split("/").filter((part) => part !== "");
    return `${parts.length === 0 ? "-" : escapeName(parts.join("/"))}.${suffix}`;
}

/** Bytes that are no letter, digit, `:`, `_` or `.` become `\xNN`, a slash becomes `-`, and a dot at the beginning is escaped too. */
function escapeName(text: string): string {
    const escaped = [...Buffer.from(text)].map((byte, index) => {
        const letter = String.fromCharCode(byte);
        if (letter === "/") return "-";
        return /[A-Za-z0-9:_.]/.test(letter) && !(index === 0 && letter === ".") ? letter : hex(byte);
    });
    return escaped.join("");
}

/**
 * A value as udev writes it into the name of a link below /dev/disk, e.g. in by-label: all but letters, digits, `#+-.:=@_`
 * and characters beyond ASCII become `\xNN`.
 */
export function udevName(text: string): string {
    return [...text]
        .map((letter) => (/[A-Za-z0-9#+\-.:=@_]|[^\0-\x7f]/.test(letter) ? letter : hex(letter.charCodeAt(0))))
        .join("");
}

function hex(byte: number): string {
    return `\\x${byte.toString(16).padStart(2, "0")}`;
}
