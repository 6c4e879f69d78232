import type { MountEntry } from "./mountinfo";
import { effectiveOptions, type MountType } from "./options";

/** How the options of what is mounted change while it stays mounted. */
export interface Remount {
    /** What `mount -o` gets, `remount` first; undefined when nothing has to be told to the kernel. */
    options: string | undefined;
    /** What takes {@link options} back. */
    back: string | undefined;
    /** Owner and mode of a tmpfs's root, where its options say so and the kernel does not listen. */
    owner: string | undefined;
    mode: string | undefined;
}

/** Flags that every mount has: the word for "on", the word for "off", and whether they are always told. */
const flags: readonly [on: string, off: string, isAlways: boolean][] = [
    ["ro", "rw", true],
    ["nosuid", "suid", true],
    ["nodev", "dev", true],
    ["noexec", "exec", true],
    ["nodiratime", "diratime", false],
    ["nosymfollow", "symfollow", false],
    ["sync", "async", false],
    ["lazytime", "nolazytime", false],
];
/** One of them holds at a time; the first is the default. */
const times = ["relatime", "noatime", "strictatime"];
/** Words that stand for another one of these. */
const aliases: Record<string, string> = { atime: "relatime", norelatime: "strictatime", nostrictatime: "relatime" };
/** Options that only mount(8) and systemd read. */
const idle = ["defaults", "nofail", "_netdev", "silent", "loud", "bind"];

/**
 * Options of a file system that the kernel changes while it is mounted. A value's text sets the default again; `null`: only
 * mounting anew does. Of pairs the first is the default.
 */
interface Changeable {
    values: Record<string, string | null>;
    pairs: readonly (readonly [string, string])[];
}
const ext4: Changeable = {
    values: {
        commit: "commit=0",
        errors: null,
        max_batch_time: "max_batch_time=15000",
        min_batch_time: "min_batch_time=0",
    },
    pairs: [
        ["nodiscard", "discard"],
        ["barrier", "nobarrier"],
        ["delalloc", "nodelalloc"],
        ["auto_da_alloc", "noauto_da_alloc"],
        ["init_itable", "noinit_itable"],
    ],
};
const changeable: Record<string, Changeable> = {
    ext3: ext4,
    ext4,
    xfs: { values: {}, pairs: [["inode64", "inode32"]] },
    tmpfs: {
        values: { size: "size=50%", nr_inodes: null, nr_blocks: null, huge: "huge=never", mpol: null },
        pairs: [],
    },
};

/** Of a tmpfs: what is set when it is mounted, and by chown and chmod afterwards. */
const rootOptions = ["uid", "gid", "mode"];

/**
 * How the options of a mount become what is asked for, without unmounting it.
 *
 * @param found what is mounted
 * @param before the options that it may have been mounted with, as units say; several where a change was killed
 * @param asked the options that are asked for, without those that the type has by default
 * @returns undefined where the kernel cannot
 */
export function remountOf(
    type: MountType,
    found: MountEntry,
    before: readonly (readonly string[])[],
    asked: readonly string[],
): Remount | undefined {
    const wanted = effectiveOptions(type, asked);
    const parameters = changeParameters(type, found.type, before, wanted);
    if (parameters === undefined) return undefined;
    const now = flagsNow(type, found);
    const next = wishedFlags(type, wanted, before, now);
    const told = (state: Set<string>) => [
        ...flags
            .filter(([on, off, isAlways]) => isAlways || [now, next].some((set) => set.has(on)) || wanted.includes(off))
            .map(([on, off]) => (state.has(on) ? on : off)),
        // util-linux before 2.39 puts what is mounted before this, where noatime stays until it is taken back.
        ...(state.has("noatime") ? ["noatime"] : ["atime", times.find((word) => state.has(word))!]),
    ];
    const isSetIn = (options: readonly string[]) => {
        const one = changeParameters(type, found.type, [options], wanted);
        return one?.set.join() === one?.back.join();
    };
    const isSame = before.length > 0 && before.every(isSetIn) && isEqual(now, next);
    const how = type === "bind" || type === "sshfs" ? ["remount", "bind"] : ["remount"];
    return {
        options: isSame ? undefined : [...how, ...told(next), ...parameters.set].join(),
        back: isSame ? undefined : [...how, ...told(now), ...parameters.back].join(),
        ...rootChange(type, before, wanted),
    };
}

/**
 * Whether a change of options can be made while it is mounted, as far as the options alone tell.
 *
 * @param fsType the file system that is mounted; undefined where it is not known: then only flags count as changeable
 */
export function isChangedInPlace(
    type: MountType,
    fsType: string | undefined,
    before: readonly string[],
    asked: readonly string[],
): boolean {
    const wanted = effectiveOptions(type, asked);
    return changeParameters(type, fsType ?? "", [effectiveOptions(type, before)], wanted) !== undefined;
}

function changeParameters(
    type: MountType,
    fsType: string,
    before: readonly (readonly string[])[],
    wanted: readonly string[],
): { set: string[]; back: string[] } | undefined {
    const of = (options: readonly string[]) => options.filter((option) => !isIdle(option) && !isFlag(option));
    // sshfs reads its options once, and whether it may write is also its server's business.
    const fixed = (options: readonly string[]) =>
        type === "sshfs" ? options.filter((option) => !isIdle(option)) : of(options);
    const table = type === "bind" || type === "sshfs" ? undefined : changeable[fsType];
    const isFixed = (option: string) =>
        table === undefined || (!(type === "tmpfs" && isRoot(option)) && !isIn(table, option));
    const fixedOf = (options: readonly string[]) => fixed(options).filter(isFixed).sort().join();
    if (before.some((options) => fixedOf(options) !== fixedOf(wanted))) return undefined;
    if (table === undefined) return { set: [], back: [] };
    const set: string[] = [];
    const back: string[] = [];
    const lists = [...before, wanted];
    for (const [name, reset] of Object.entries(table.values)) {
        const valueIn = (options: readonly string[]) =>
            options.filter((option) => option.startsWith(`${name}=`)).at(-1);
        if (lists.every((options) => valueIn(options) === undefined)) continue;
        const value = valueIn(wanted) ?? reset;
        if (value === null) return undefined;
        set.push(value);
        const old = valueIn(before[0] ?? wanted) ?? reset;
        if (old !== null) back.push(old);
    }
    for (const pair of table.pairs) {
        const wordIn = (options: readonly string[]) => options.filter((option) => pair.includes(option)).at(-1);
        if (lists.every((options) => wordIn(options) === undefined)) continue;
        set.push(wordIn(wanted) ?? pair[0]);
        back.push(wordIn(before[0] ?? wanted) ?? pair[0]);
    }
    return { set, back };
}

/** Flags that hold, of a mount point and of its file system. */
function flagsNow(type: MountType, { flags: shown, options }: MountEntry): Set<string> {
    // The file system of a bind mount is not its own.
    const all = type === "bind" ? shown : [...shown, ...options];
    const on = flags.map(([word]) => word).filter((word) => all.includes(word));
    const time = times.slice(0, 2).find((word) => shown.includes(word)) ?? "strictatime";
    return new Set([...on, time]);
}

function wishedFlags(
    type: MountType,
    wanted: readonly string[],
    before: readonly (readonly string[])[],
    now: Set<string>,
): Set<string> {
    const wish = new Set<string>();
    const isSaid = (word: string) => before.some((options) => options.includes(word));
    for (const [on, off] of flags) {
        const last = wanted.filter((option) => option === on || option === off).at(-1);
        // A bind mount has flags of what it comes from, and FUSE has its own: what nobody has asked for stays.
        const isKept =
            (type === "bind" || type === "sshfs") && on !== "ro" && last === undefined && !isSaid(on) && now.has(on);
        if (last === on || isKept) wish.add(on);
    }
    const isTime = (option: string) => times.includes(option) || option in aliases;
    const time = wanted.filter(isTime).at(-1);
    const kept = time === undefined && !before.some((options) => options.some(isTime));
    wish.add(time === undefined ? (kept ? times.find((word) => now.has(word))! : times[0]!) : (aliases[time] ?? time));
    return wish;
}

function rootChange(type: MountType, before: readonly (readonly string[])[], wanted: readonly string[]) {
    const value = (options: readonly string[], name: string) =>
        options
            .filter((option) => option.startsWith(`${name}=`))
            .at(-1)
            ?.slice(name.length + 1);
    const isChanged = (name: string) =>
        type === "tmpfs" && before.some((options) => value(options, name) !== value(wanted, name));
    const owner = `${value(wanted, "uid") ?? 0}:${value(wanted, "gid") ?? 0}`;
    return {
        owner: isChanged("uid") || isChanged("gid") ? owner : undefined,
        mode: isChanged("mode") ? (value(wanted, "mode") ?? "1777") : undefined,
    };
}

function isIn({ values, pairs }: Changeable, option: string): boolean {
    const [name = "", value] = option.split("=", 2);
    return (value !== undefined && name in values) || pairs.some((pair) => pair.includes(option));
}

function isRoot(option: string): boolean {
    return rootOptions.includes(option.split("=", 1)[0]!);
}

function isIdle(option: string): boolean {
    return idle.includes(option);
}

function isFlag(option: string): boolean {
    return flags.some(([on, off]) => option === on || option === off) || times.includes(option) || option in aliases;
}

function isEqual(one: Set<string>, other: Set<string>): boolean {
    return one.size === other.size && [...one].every((word) => other.has(word));
}
