/** The options that sshd(8) knows, with what they take. */
const known: Record<string, "nothing" | "value"> = {
    "agent-forwarding": "nothing",
    command: "value",
    environment: "value",
    "expiry-time": "value",
    from: "value",
    "no-agent-forwarding": "nothing",
    "no-port-forwarding": "nothing",
    "no-pty": "nothing",
    "no-touch-required": "nothing",
    "no-user-rc": "nothing",
    "no-X11-forwarding": "nothing",
    permitlisten: "value",
    permitopen: "value",
    "port-forwarding": "nothing",
    pty: "nothing",
    restrict: "nothing",
    tunnel: "value",
    "user-rc": "nothing",
    "verify-required": "nothing",
    "X11-forwarding": "nothing",
};

/** Every option that can be asked for. */
export const optionNames: readonly string[] = Object.keys(known);

/** One option: its name, and its value if it has one. */
export interface KeyOption {
    name: string;
    value?: string;
}

/** Splits the options of a line at the commas outside of quotes. */
export function splitOptions(text: string): string[] {
    const parts: string[] = [];
    let part = "";
    let quoted = false;
    for (let index = 0; index < text.length; index++) {
        const letter = text[index]!;
        if (letter === "\\" && text[index + 1] === '"') {
            part += '\\"';
            index += 1;
        } else if (letter === "," && !quoted) {
            parts.push(part);
            part = "";
        } else {
            if (letter === '"') quoted = !quoted;
            part += letter;
        }
    }
    return [...parts, part].filter((option) => option !== "");
}

/** Reads `restrict`, `from="10.0.0.0/8"` or `from=10.0.0.0/8`. */
export function parseOption(text: string): KeyOption {
    const [, name = text, value] = /^([^=]*)=(.*)$/s.exec(text) ?? [];
    if (value === undefined) return { name };
    const quoted = /^"(.*)"$/s.exec(value);
    return { name, value: quoted === null ? value : quoted[1]!.replaceAll('\\"', '"') };
}

/** Writes an option as sshd reads it: values stand in quotes. */
export function formatOption({ name, value }: KeyOption): string {
    return value === undefined ? name : `${name}="${value.replaceAll('"', '\\"')}"`;
}

/**
 * What is wrong with an option that a program asks for, as a sentence; undefined when nothing is.
 *
 * @param now the time, to tell a key that has expired already
 */
export function optionMistake({ name, value }: KeyOption, now: Date): string | undefined {
    const canonical = optionNames.find((option) => option.toLowerCase() === name.toLowerCase());
    if (canonical === undefined) return "there is no such option of a key";
    if (known[canonical] === "nothing" && value !== undefined) return `the option ${canonical} takes no value`;
    if (known[canonical] === "value" && (value === undefined || value === "")) {
        return `the option ${canonical} needs a value, as in ${canonical}="…"`;
    }
    if (/[\n\r\0]/.test(value ?? "")) return `the value of ${canonical} must be a single line`;
    if (value?.endsWith("\\"))
        return `the value of ${canonical} must not end with a backslash, which OpenSSH cannot read`;
    if (canonical === "expiry-time") {
        const latest = latestExpiry(value!);
        if (latest === undefined) return "expiry-time is written YYYYMMDD or YYYYMMDDHHMM[SS], with a Z for UTC";
        if (latest <= now.getTime()) return `the key expired at ${value}: give a later expiry-time`;
    }
    return undefined;
}

/** Whether an option is among those of a line. */
export function hasOption(options: string, name: string): boolean {
    return splitOptions(options).some((option) => parseOption(option).name.toLowerCase() === name);
}

/** Whether options keep a key from being used now, wherever it comes from. */
export function isExpired(options: string, now: Date): boolean {
    return splitOptions(options)
        .map(parseOption)
        .some(({ name, value = "" }) => {
            return name.toLowerCase() === "expiry-time" && (latestExpiry(value) ?? now.getTime() + 1) <= now.getTime();
        });
}

/**
 * The last moment, in ms, at which a key with this expiry-time may be used anywhere on earth: without a Z the time is the
 * machine's own, and nobody is further behind than twelve hours.
 */
function latestExpiry(value: string): number | undefined {
    const match = /^(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?(Z?)$/i.exec(value);
    if (match === null) return undefined;
    const [, year, month, day, hour = "00", minute = "00", second = "00", zone] = match;
    const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
    return Number.isNaN(time) ? undefined : time + (zone === "" ? 12 * 3_600_000 : 0);
}
