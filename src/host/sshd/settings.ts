/**
 * What can be hardened: keywords of sshd_config, in camelCase. What is left out stays as the machine has it. There is no
 * keyword for forwarding to sockets (`AllowStreamLocalForwarding`): the Docker API of this package comes that way.
 */
export interface Hardening {
    /**
     * Whether a password lets anybody in. `false` refuses keyboard-interactive logins, too, which are passwords by another
     * name.
     */
    passwordAuthentication?: boolean;
    /** Whether the server may ask questions (PAM: passwords, one-time codes). Not `true` where passwords are refused. */
    kbdInteractiveAuthentication?: boolean;
    /** Whether root may log in: `"yes"`, `"prohibit-password"` (by key alone) or `"no"`. */
    permitRootLogin?: "yes" | "prohibit-password" | "no";
    /** How many refused logins end a connection. Each key that a client offers is one. */
    maxAuthTries?: number;
    /** Seconds that a login may take. */
    loginGraceTime?: number;
    /** Whether sessions may show windows of graphical programs. */
    x11Forwarding?: boolean;
    /** Whether a login's SSH agent can be used from the machine. */
    allowAgentForwarding?: boolean;
    /** TCP forwarding: `true`, `false`, or in one direction. A jump host needs `"local"`. */
    allowTcpForwarding?: boolean | "local" | "remote";
    /** The only users that may log in: names or patterns, also `user@address`. */
    allowUsers?: string[];
    /** The only groups whose members may log in. */
    allowGroups?: string[];
}

/** A keyword of {@link Hardening}. */
export type HardeningKey = keyof Hardening;

type Value = boolean | number | string | string[];

/** All of them, in the order in which they are written. */
export const hardeningKeys: readonly HardeningKey[] = [
    "passwordAuthentication",
    "kbdInteractiveAuthentication",
    "permitRootLogin",
    "maxAuthTries",
    "loginGraceTime",
    "x11Forwarding",
    "allowAgentForwarding",
    "allowTcpForwarding",
    "allowUsers",
    "allowGroups",
];

const lists: readonly HardeningKey[] = ["allowUsers", "allowGroups"];
const numbers: readonly HardeningKey[] = ["maxAuthTries", "loginGraceTime"];
/** sshd's own words for what it also calls by another name. */
const synonyms: Record<string, string> = { "without-password": "prohibit-password", all: "yes" };

/** The settings that a wish means: with passwords, keyboard-interactive logins are refused. */
export function completeHardening(wanted: Hardening): Hardening {
    return wanted.passwordAuthentication === false ? { kbdInteractiveAuthentication: false, ...wanted } : wanted;
}

/** The keywords that are set, in the order in which they are written. */
export function settingsOf(hardening: Hardening): [HardeningKey, Value][] {
    return hardeningKeys.flatMap((key) => {
        const value = hardening[key];
        return value === undefined ? [] : [[key, value] as [HardeningKey, Value]];
    });
}

/** The keyword as sshd_config has it: `x11Forwarding` is `X11Forwarding`. */
export function keywordOf(key: HardeningKey): string {
    return key.charAt(0).toUpperCase() + key.slice(1);
}

/** The lines for sshd_config, without a line break at the end. */
export function hardeningText(wanted: Hardening): string {
    const lines = settingsOf(completeHardening(wanted)).flatMap(([key, value]) => {
        const line = `${keywordOf(key)} ${written(value)}`;
        // What OpenSSH before 8.7 calls it; newer ones take both.
        const older =
            key === "kbdInteractiveAuthentication" ? [`ChallengeResponseAuthentication ${written(value)}`] : [];
        return [line, ...older];
    });
    return ["# Written by pulumi-docker-fleet: edits are drift, which the next `pulumi up` undoes.", ...lines].join(
        "\n",
    );
}

/**
 * A value as `sshd -T` or a configuration file has it, as ours: `yes` is true, `without-password` is `prohibit-password`.
 *
 * @param words all values of the keyword; only lists have several
 */
export function readSetting(key: HardeningKey, words: readonly string[]): Value {
    if (lists.includes(key)) {
        return words.flatMap((word) => word.split(" ")).filter((word) => word !== "");
    }
    const word = (words[0] ?? "").toLowerCase();
    const name = synonyms[word] ?? word;
    if (numbers.includes(key)) {
        return /^\d+$/.test(name) ? Number(name) : name;
    }
    if (key === "permitRootLogin") {
        return name;
    }
    return name === "yes" ? true : name === "no" ? false : name;
}

/** Whether two values mean the same to sshd: the order of a list does not matter. */
export function sameSetting(one: Value, other: Value): boolean {
    const plain = (value: Value) => JSON.stringify(Array.isArray(value) ? [...new Set(value)].sort() : value);
    return plain(one) === plain(other);
}

/** A value as it is written into sshd_config. */
export function written(value: Value): string {
    if (typeof value === "boolean") {
        return value ? "yes" : "no";
    }
    return Array.isArray(value) ? value.join(" ") : String(value);
}
