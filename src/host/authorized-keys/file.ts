import { blobType } from "../../ssh/key-pair";

/** One line that lets a key in. */
export interface KeyLine {
    /** Options before the key as they are written, e.g. `restrict,from="10.0.0.0/8"`; empty when there are none. */
    options: string;
    /** E.g. `ssh-ed25519`. */
    type: string;
    /** The key itself: by it a line is known. */
    base64: string;
    /** What follows the key. */
    comment: string;
}

/** A {@link KeyLine} with its place in the file. */
interface Placed extends KeyLine {
    /** First byte of the line, and the one after its last, without the line's end. */
    start: number;
    end: number;
}

const newline = 0x0a;
const carriageReturn = 0x0d;

/** All keys that an authorized_keys file lets in, in order. Lines that sshd would pass over are passed over. */
export function listKeys(file: Buffer): KeyLine[] {
    return placedKeys(file).map(({ options, type, base64, comment }) => ({ options, type, base64, comment }));
}

/** The first line of a key: it is the one that sshd goes by. */
export function findKey(file: Buffer, base64: string): KeyLine | undefined {
    return listKeys(file).find((line) => line.base64 === base64);
}

/**
 * The file with exactly one line for a key, holding these options and this comment. A line that is there keeps its place;
 * further lines of the same key go, since sshd could let it in by their options. Every other byte stays as it is.
 */
export function putKey(file: Buffer, line: KeyLine): Buffer {
    const [first, ...others] = placedKeys(file).filter(({ base64 }) => base64 === line.base64);
    const text = Buffer.from(formatKey(line), "utf8");
    if (first !== undefined) {
        const isRight = first.options === line.options && first.comment === line.comment;
        if (isRight && others.length === 0) return file;
        const tail = cut(file.subarray(first.end), others, -first.end);
        return Buffer.concat([file.subarray(0, first.start), text, tail]);
    }
    const lineEnd = Buffer.from(usesCarriageReturns(file) ? "\r\n" : "\n");
    const isOpen = file.length > 0 && file.at(-1) !== newline;
    return Buffer.concat([file, ...(isOpen ? [lineEnd] : []), text, lineEnd]);
}

/** The file without the lines of a key. Every other byte stays as it is. */
export function dropKey(file: Buffer, base64: string): Buffer {
    const ours = placedKeys(file).filter((line) => line.base64 === base64);
    return cut(file, ours, 0);
}

/** A line as sshd reads it, without its end. */
export function formatKey({ options, type, base64, comment }: KeyLine): string {
    return [options, type, base64, comment].filter((part) => part !== "").join(" ");
}

/** Takes whole lines out; `shift` is added to their places. */
function cut(file: Buffer, lines: Placed[], shift: number): Buffer {
    const parts: Buffer[] = [];
    let from = 0;
    for (const line of lines) {
        parts.push(file.subarray(from, line.start + shift));
        let next = line.end + shift;
        if (file[next] === carriageReturn) next += 1;
        if (file[next] === newline) next += 1;
        from = next;
    }
    parts.push(file.subarray(from));
    return Buffer.concat(parts);
}

function usesCarriageReturns(file: Buffer): boolean {
    const end = file.lastIndexOf(newline);
    return end > 0 && file[end - 1] === carriageReturn;
}

function placedKeys(file: Buffer): Placed[] {
    const found: Placed[] = [];
    for (let start = 0; start < file.length; ) {
        let next = file.indexOf(newline, start);
        if (next === -1) next = file.length;
        const end = next > start && file[next - 1] === carriageReturn ? next - 1 : next;
        // sshd's lines are texts of C: they end at a NUL.
        const line = parseLine(file.subarray(start, end).toString("utf8").replace(/\0.*$/s, ""));
        if (line !== undefined) found.push({ ...line, start, end });
        start = next + 1;
    }
    return found;
}

/**
 * Reads one line as sshd does: either it begins with a key, or with options, after which a key follows. Options end at
 * the first blank outside of quotes; `\"` inside of them is no quote.
 */
function parseLine(line: string): KeyLine | undefined {
    const text = line.replace(/^[ \t]+/, "");
    if (text === "" || text.startsWith("#")) return undefined;
    const bare = parseKey(text);
    if (bare !== undefined) return { options: "", ...bare };
    const end = endOfOptions(text);
    const key = end === undefined ? undefined : parseKey(text.slice(end).replace(/^[ \t]+/, ""));
    return key && { options: text.slice(0, end), ...key };
}

function endOfOptions(text: string): number | undefined {
    let quoted = false;
    for (let index = 0; index < text.length; index++) {
        const letter = text[index];
        if (letter === "\\" && text[index + 1] === '"') index += 1;
        else if (letter === '"') quoted = !quoted;
        else if (!quoted && (letter === " " || letter === "\t")) return index;
    }
    return undefined;
}

function parseKey(text: string): Omit<KeyLine, "options"> | undefined {
    const match = /^([^ \t]+)[ \t]+([A-Za-z0-9+/]+={0,2})(?:[ \t]+(.*))?$/s.exec(text);
    if (match === null) return undefined;
    const [, type = "", written = "", comment = ""] = match;
    const blob = Buffer.from(written, "base64");
    if (blobType(blob) !== type) return undefined;
    return { type, base64: blob.toString("base64"), comment };
}
