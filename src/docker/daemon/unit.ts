import { keyOf, misleadingNames } from "./keys";

/** One word of the unit's command line. */
export interface Word {
    value: string;
    /** The word as the unit writes it, quotes and all; several words may come from one variable. */
    written: string;
    /** The variable that it came out of, where it did. */
    variable?: string;
}

/** A flag of dockerd that is given on its command line. */
export interface GivenFlag {
    /** The key of daemon.json that means the same. */
    key: string;
    /** As it is given: `--log-driver=journald`. */
    text: string;
    /** The variable that brings it, where one does. */
    variable?: string;
}

/**
 * Reads how a unit starts dockerd out of what `systemctl cat` prints: the last ExecStart of all fragments and drop-ins.
 *
 * @param cat fragments, each behind a line `# /path`
 * @param ours drop-ins that are ours, which do not count
 */
export function readUnit(
    cat: string,
    ours: readonly string[],
): { command: string; path: string; environment: string[] } {
    let path = "";
    let section = "";
    let command = { command: "", path: "" };
    let environment: string[] = [];
    const lines = cat.replace(/\\\n/g, " ").split("\n");
    for (const line of lines) {
        const header = /^# (\/\S.*)$/.exec(line);
        if (header) {
            path = header[1]!;
            section = "";
        } else if (/^\[.*\]\s*$/.test(line)) {
            section = line.trim();
        }
        const assignment = /^\s*(ExecStart|Environment)\s*=\s*(.*?)\s*$/.exec(line);
        if (assignment === null || section !== "[Service]" || ours.includes(path)) continue;
        const [, name, value = ""] = assignment;
        if (name === "ExecStart") command = { command: value.replace(/^[-@:+!|]+/, ""), path };
        else environment = value === "" ? [] : [...environment, ...splitWords(value).map((word) => word.value)];
    }
    return { ...command, environment };
}

/** The words of a command line, as systemd splits it, with the variables in them replaced. */
export function expand(command: string, variables: Readonly<Record<string, string>>): Word[] {
    return splitWords(command).flatMap(({ value, written }) => {
        const alone = /^\$(\w+)$/.exec(value);
        if (alone) {
            const name = alone[1]!;
            // Only a variable that is a word of its own is split.
            return splitWords(variables[name] ?? "").map((word) => ({ value: word.value, written, variable: name }));
        }
        const value_ = value.replace(/\$\{(\w+)\}/g, (_, name: string) => variables[name] ?? "").replaceAll("$$", "$");
        return [{ value: value_, written }];
    });
}

/** Splits at blanks, minding quotes and backslashes. */
export function splitWords(text: string): { value: string; written: string }[] {
    const words: { value: string; written: string }[] = [];
    const word = /(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\\.|[^\s"'\\])+/gs;
    for (const [written] of text.matchAll(word)) {
        const value = written.replace(
            /"((?:\\.|[^"\\])*)"|'((?:\\.|[^'\\])*)'|\\(.)/gs,
            (_, double?: string, single?: string, one?: string) =>
                (double ?? single ?? one ?? "").replace(/\\(.)/gs, "$1"),
        );
        words.push({ value, written });
    }
    return words;
}

/** The variables that an environment file sets. */
export function readEnvironmentFile(text: string): Record<string, string> {
    const variables: Record<string, string> = {};
    for (const line of text.replace(/\\\n/g, "").split("\n")) {
        const match = /^\s*(\w+)=(.*)$/.exec(line);
        if (match === null) continue;
        const raw = match[2]!.trim();
        const quoted = /^(["'])(.*)\1$/s.exec(raw);
        variables[match[1]!] = quoted ? quoted[2]!.replace(/\\(["\\$`])/g, "$1") : raw;
    }
    return variables;
}

const shortFlags: Record<string, string> = {
    H: "hosts",
    D: "debug",
    l: "log-level",
    G: "group",
    p: "pidfile",
    b: "bridge",
    g: "data-root",
    s: "storage-driver",
};

/** The flags among the words that mean a key of daemon.json. */
export function givenFlags(words: readonly Word[]): GivenFlag[] {
    return words.slice(1).flatMap(({ value, variable }, index) => {
        const long = /^--([\w-]+)(=|$)/.exec(value);
        const short = /^-([A-Za-z])/.exec(value);
        const name = long?.[1] ?? (short && shortFlags[short[1]!]) ?? "";
        const key = keyOf(name) ? name : (misleadingNames[name] ?? "");
        if (keyOf(key) === undefined) return [];
        const next = words[index + 2]?.value;
        const text = value.includes("=") || next === undefined || next.startsWith("-") ? value : `${value} ${next}`;
        return [{ key, text, ...(variable === undefined ? {} : { variable }) }];
    });
}

/** The words without `-H` in any of its forms. */
export function withoutHosts<T extends { value: string }>(words: readonly T[]): T[] {
    const kept: T[] = [];
    for (let index = 0; index < words.length; index++) {
        const { value } = words[index]!;
        if (value === "-H" || value === "--host") index++;
        else if (!/^(-H|--host=)/.test(value)) kept.push(words[index]!);
    }
    return kept;
}

/**
 * The drop-in that starts dockerd without `-H`: the file says where it listens. Computed from the unit's own command, whose
 * other words are kept as they are written; variables stay variables.
 */
export function hostsDropIn(command: string): string {
    const written = withoutHosts(splitWords(command)).map((word) => word.written);
    return dropIn([
        '# dockerd refuses -H beside "hosts" in /etc/docker/daemon.json.',
        "ExecStart=",
        `ExecStart=${written.join(" ")}`,
    ]);
}

/** A drop-in for docker.service with these lines. */
export function dropIn(lines: readonly string[]): string {
    return ["# Written by pulumi-docker-fleet, and written again when it is changed.", "[Service]", ...lines, ""].join(
        "\n",
    );
}

/** An environment file for systemd. */
export function environmentFile(variables: Readonly<Record<string, string>>): string {
    const lines = Object.keys(variables)
        .sort()
        .map((name) => `${name}="${variables[name]!.replace(/["\\$`]/g, "\\$&")}"`);
    return [...lines, ""].join("\n");
}
