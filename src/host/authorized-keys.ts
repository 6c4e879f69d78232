import { FleetError } from "../errors";
import { sha256 } from "../sha256";
import type { Machine } from "../ssh";
import { dropKey, findKey, type KeyLine, listKeys, putKey } from "./authorized-keys/file";
import { hasOption, isExpired } from "./authorized-keys/options";
import { type PathFacts, type PermissionProblem, strictModesProblems } from "./authorized-keys/strict-modes";
import { exclusiveFor } from "./exclusive";
import { type Listener, type Report, runReporting } from "./report";
import { hostScript } from "./script";

/** An authorized_keys file that sshd looks into. */
export interface KeysFile {
    /** Its path as sshd's configuration names it, e.g. `/home/admin/.ssh/authorized_keys`. */
    path: string;
    /** The same with all links resolved: the file that is written. */
    real: string;
    /** What is in it; empty when there is none. */
    content: Buffer;
    /** sha256 of the content, or `absent`. */
    sum: string;
    /** Why sshd would not use it, by its StrictModes or because the user cannot read it. */
    problems: PermissionProblem[];
    /** Whose rights it is written with; undefined where neither is safe, and then `refusal` tells why. */
    writer: "user" | "root" | undefined;
    refusal?: string;
}

/** One of our keys in the record on the machine. */
export interface RecordedKey {
    /** The same for all runs of one resource from one place: see {@link KeyOwner}. */
    lineage: string;
    instance: string;
    user: string;
    type: string;
    base64: string;
}

/** Whose key it is, on machines that several stacks may work on. */
export interface KeyOwner {
    /** The resource's URN, for those who wait for the lock. */
    urn: string;
    /** Where the resource comes from. */
    lineage: string;
    /** This one key of the resource. */
    instance: string;
}

/** A user's account and keys, as found. */
export interface KeysFacts {
    machineId: string;
    /** The machine's clock, in seconds. */
    now: string;
    user: string;
    uid: number;
    gid: number;
    /** The home directory, with links resolved. */
    home: string;
    /** sshd's settings that matter here, names in lower case. */
    settings: Map<string, string>;
    /** Whether the user has a password that could be used. */
    hasPassword: boolean;
    files: KeysFile[];
    recorded: RecordedKey[];
}

/** How long we wait for others, in milliseconds. Tests shorten it. */
export const timing = {
    /** For another change of the same machine by this package, from whatever stack. */
    machineLock: 10 * 60_000,
};

const libraries = ["report", "facts", "authorized-keys/keys"] as const;
/** So many keys fit into a file that we read: some thousands. */
const maxBytes = 8 * 2 ** 20;
/** How often a change is tried again when others change the file at the same moment. */
const maxTries = 20;

/**
 * Looks at a user's account and keys. One execution; changes nothing.
 *
 * @throws FleetError SSH_USER_MISSING, AUTHORIZED_KEYS_UNUSABLE where sshd cannot read its configuration
 */
export async function observeKeys(machine: Machine, user: string, listener: Listener): Promise<KeysFacts> {
    const step = `look at the keys of ${user}`;
    const script = hostScript("authorized-keys/observe", libraries);
    const report = await runReporting(machine, { step, script, args: [user], maxBytes }, listener);
    const facts = readFacts(report, user);
    if (facts === undefined) {
        throw new FleetError({
            code: "SSH_USER_MISSING",
            machine: machine.name,
            step,
            message: `The machine has no user ${user}, or that user's home directory does not exist.`,
            cure: "Correct the argument user, or create the user first.",
        });
    }
    return facts;
}

/**
 * The file for a key: the one that has it, else the first that sshd looks into.
 *
 * @throws FleetError AUTHORIZED_KEYS_UNUSABLE where keys in files are not accepted at all
 */
export function keysFileFor(facts: KeysFacts, base64: string, machine: string): KeysFile {
    const file = facts.files.find(({ content }) => findKey(content, base64)) ?? facts.files[0];
    if (file === undefined || facts.settings.get("pubkeyauthentication") === "no") {
        throw new FleetError({
            code: "AUTHORIZED_KEYS_UNUSABLE",
            machine,
            step: "find authorized_keys",
            message:
                file === undefined
                    ? `sshd reads no file with keys for ${facts.user} (AuthorizedKeysFile none).`
                    : `sshd lets nobody in by key (PubkeyAuthentication no for ${facts.user}).`,
            cure: "Change that in /etc/ssh/sshd_config of the machine, and reload sshd.",
        });
    }
    return file;
}

/** The line of a key, wherever it is; undefined when there is none. */
export function lineOf(facts: KeysFacts, base64: string): KeyLine | undefined {
    return facts.files.map(({ content }) => findKey(content, base64)).find((line) => line !== undefined);
}

/** The other keys with which somebody can still log in: not expired, and not for a single command. */
export function otherWaysIn(facts: KeysFacts, base64: string): KeyLine[] {
    const now = new Date(Number(facts.now) * 1000);
    return facts.files
        .flatMap(({ content }) => listKeys(content))
        .filter(
            (line) => line.base64 !== base64 && !isExpired(line.options, now) && !hasOption(line.options, "command"),
        );
}

/** Whether the user could still log in without any key of a file. */
export function hasOtherWay({ settings, user, hasPassword }: KeysFacts): boolean {
    const says = (key: string, ...values: string[]) => values.includes(settings.get(key) ?? "");
    const byPassword = says("passwordauthentication", "yes") || says("kbdinteractiveauthentication", "yes");
    const mayUseIt = user !== "root" || says("permitrootlogin", "yes");
    const isSet = (key: string) => !says(key, "", "none");
    return (byPassword && mayUseIt && hasPassword) || isSet("authorizedkeyscommand") || isSet("trustedusercakeys");
}

/** What is to happen to the files of a user's keys. */
export interface KeysChange {
    /** Put this line into its file. */
    put?: KeyLine;
    /** Take these keys out of every file. */
    drop?: string[];
    /** Add this to our record before anything else. */
    record?: RecordedKey;
    /** These instances leave our record afterwards. */
    forget?: string[];
}

/** How files were before a change, to go back to. */
export interface KeysBefore {
    files: {
        real: string;
        before: Buffer | undefined;
        after: string;
        made: string | undefined;
        writer: "user" | "root";
    }[];
}

/**
 * Changes files of keys: each in one step, under the machine's lock, and only if it still is what was looked at; otherwise
 * it is looked at again. So nobody's concurrent edit is lost.
 *
 * @returns what was there before, and the facts the change was made from
 * @throws FleetError AUTHORIZED_KEYS_BUSY, AUTHORIZED_KEYS_UNUSABLE, UPLOAD_FAILED
 */
export async function changeKeys(
    machine: Machine,
    user: string,
    change: KeysChange,
    owner: Pick<KeyOwner, "urn">,
    listener: Listener,
    seen?: KeysFacts,
): Promise<{ before: KeysBefore; facts: KeysFacts }> {
    // Several keys of one run would only get in each other's way.
    const place = `${machine.hostKey} ${user}`;
    const earlier = turns.get(place) ?? Promise.resolve();
    const result = earlier.then(() => changeFiles(machine, user, change, owner, listener, seen));
    const turn = result.then(
        () => {},
        () => {},
    );
    turns.set(place, turn);
    try {
        return await result;
    } finally {
        if (turns.get(place) === turn) turns.delete(place);
    }
}

/** The changes of this process that are under way, by machine and user. */
const turns = new Map<string, Promise<void>>();

async function changeFiles(
    machine: Machine,
    user: string,
    change: KeysChange,
    owner: Pick<KeyOwner, "urn">,
    listener: Listener,
    seen?: KeysFacts,
): Promise<{ before: KeysBefore; facts: KeysFacts }> {
    const step = `change the keys of ${user}`;
    let facts = seen;
    let record = change.record;
    const before: KeysBefore = { files: [] };
    for (let tries = 0; tries < maxTries; tries++) {
        facts ??= await observeKeys(machine, user, listener);
        const target = change.put && keysFileFor(facts, change.put.base64, machine.name);
        let isStale = false;
        for (const file of facts.files) {
            const wanted = (change.drop ?? []).reduce(dropKey, file.content);
            const next = change.put && file === target ? putKey(wanted, change.put) : wanted;
            if (next.equals(file.content)) continue;
            const written = await write(machine, facts, file, next, { step, record, urn: owner.urn }, listener);
            if (written === undefined) {
                isStale = true;
                break;
            }
            record = undefined;
            const old = file.sum === "absent" ? undefined : file.content;
            before.files.push({
                real: file.real,
                before: old,
                after: sha256(next),
                made: written.made,
                writer: file.writer!,
            });
        }
        if (!isStale) {
            if (record !== undefined || (change.forget ?? []).length > 0) {
                await keepRecord(machine, { record, forget: change.forget ?? [] }, { step, urn: owner.urn }, listener);
            }
            return { before, facts };
        }
        facts = undefined;
    }
    throw new FleetError({
        code: "AUTHORIZED_KEYS_BUSY",
        machine: machine.name,
        step,
        message: `The file was changed by somebody else each of ${maxTries} times between our look and our write.`,
        cure: "Find out who writes to it that often, and run pulumi up again.",
    });
}

/**
 * Puts back what {@link changeKeys} found: the very bytes where nobody has changed the file since, else only our own line is
 * taken back.
 */
export async function restoreKeys(
    machine: Machine,
    user: string,
    before: KeysBefore,
    change: KeysChange,
    owner: Pick<KeyOwner, "urn">,
    listener: Listener,
): Promise<void> {
    const step = `put the keys of ${user} back`;
    const facts = await observeKeys(machine, user, listener);
    for (const { real, before: old, after, made, writer } of before.files) {
        const file = facts.files.find((candidate) => candidate.real === real);
        if (file === undefined || file.sum !== after) continue;
        const content = old ?? (made === undefined ? "remove" : "remove both");
        await write(machine, facts, { ...file, writer }, content, { step, urn: owner.urn }, listener);
    }
    const base64 = change.put?.base64;
    const wasThere = before.files.some(({ before: old }) => old && base64 && findKey(old, base64));
    if (base64 !== undefined && !wasThere) {
        const forget = change.record ? [change.record.instance] : [];
        await changeKeys(machine, user, { drop: [base64], forget }, owner, listener);
    }
}

/** Ends what sshd's StrictModes objects to in the chain of a file. */
export async function repairPermissions(
    machine: Machine,
    facts: KeysFacts,
    file: KeysFile,
    owner: Pick<KeyOwner, "urn">,
    listener: Listener,
): Promise<void> {
    const args = file.problems.flatMap(({ path, own, tighten }) => [
        ...(own ? ["own", path] : []),
        ...(tighten ? ["tighten", path] : []),
    ]);
    await runReporting(
        machine,
        {
            step: `repair the permissions of ${file.path}`,
            script: hostScript("authorized-keys/repair", libraries),
            args: [String(facts.uid), ...args],
            exclusive: exclusiveFor(owner.urn, timing.machineLock),
        },
        listener,
    );
}

/** What the SSH server has logged about logins since a moment of its own clock; empty where it cannot be read. */
export async function serverWords(machine: Machine, since: string): Promise<string> {
    const script = hostScript("authorized-keys/why", ["report"]);
    const { stdout } = await machine.run({ step: "read the SSH server's log", script, args: [since] });
    return stdout.trim();
}

async function write(
    machine: Machine,
    facts: KeysFacts,
    file: KeysFile,
    content: Buffer | "remove" | "remove both",
    { step, record, urn }: { step: string; record?: RecordedKey; urn: string },
    listener: Listener,
): Promise<{ made: string | undefined } | undefined> {
    if (file.writer === undefined) {
        throw new FleetError({
            code: "AUTHORIZED_KEYS_UNUSABLE",
            machine: machine.name,
            step,
            message: `${file.path} is not written: ${file.refusal}.`,
            cure: "Correct that on the machine.",
        });
    }
    const report = await runReporting(
        machine,
        {
            step,
            script: hostScript("authorized-keys/write", libraries),
            args: [
                facts.user,
                String(facts.uid),
                String(facts.gid),
                facts.home,
                file.real,
                file.writer,
                file.sum,
                typeof content === "string" ? content : String(content.length),
                file.writer === "root" && facts.uid !== 0 ? "644" : "600",
                record ? formatRecord(record) : "",
            ],
            stdin: typeof content === "string" ? Buffer.alloc(0) : content,
            exclusive: exclusiveFor(urn, timing.machineLock),
        },
        listener,
    );
    const first = (key: string) => report.facts.find((fact) => fact.key === key);
    return first("changed") ? undefined : { made: first("made")?.values[0] };
}

async function keepRecord(
    machine: Machine,
    { record, forget }: { record: RecordedKey | undefined; forget: string[] },
    { step, urn }: { step: string; urn: string },
    listener: Listener,
): Promise<void> {
    await runReporting(
        machine,
        {
            step,
            script: hostScript("authorized-keys/write", libraries),
            args: ["", "", "", "", "/", "root", "", "keep", "", record ? formatRecord(record) : "", ...forget],
            stdin: Buffer.alloc(0),
            exclusive: exclusiveFor(urn, timing.machineLock),
        },
        listener,
    );
}

function formatRecord({ lineage, instance, user, type, base64 }: RecordedKey): string {
    return [lineage, instance, user, type, base64].join("\t");
}

function readFacts(report: Report, user: string): KeysFacts | undefined {
    const all = (key: string) => report.facts.filter((fact) => fact.key === key).map(({ values }) => values);
    const account = all("user")[0];
    if (account === undefined || all("home").length === 0) return undefined;
    const [uid = "", gid = "", home = "", realHome = "", password] = account;
    const recorded = all("record").flatMap(([lineage, instance, owner, type, base64]) =>
        lineage && instance && owner && type && base64 ? [{ lineage, instance, user: owner, type, base64 }] : [],
    );
    const strict = all("setting").some(([key, value]) => key === "strictmodes" && value === "yes");
    const settings = new Map(all("setting").map(([key = "", value = ""]) => [key, value] as const));
    return {
        machineId: all("machine-id")[0]?.[0] ?? "",
        now: all("now")[0]?.[0] ?? "",
        user,
        uid: Number(uid),
        gid: Number(gid),
        home: realHome,
        settings,
        hasPassword: password === "usable",
        files: readFiles(report, { uid: Number(uid), home, realHome, strict }),
        recorded,
    };
}

interface Account {
    uid: number;
    home: string;
    realHome: string;
    strict: boolean;
}

/** The facts about files come in groups: `file` first, then its `path`s upwards, `readable` and `content`. */
function readFiles(report: Report, account: Account): KeysFile[] {
    const files: { path: string; real: string; chain: PathFacts[]; readable: boolean; sum: string; base64: string }[] =
        [];
    for (const { key, values } of report.facts) {
        const current = files.at(-1);
        if (key === "file") {
            const [path = "", real = ""] = values;
            files.push({ path, real, chain: [], readable: false, sum: "absent", base64: "" });
        } else if (key === "path" && current) {
            const [type = "", mode = "", uid = "", owner = "", path = ""] = values;
            current.chain.push({ type, mode, uid: Number(uid), owner, path });
        } else if (key === "readable" && current) {
            current.readable = true;
        } else if (key === "content" && current) {
            [current.sum = "", current.base64 = ""] = values;
        }
    }
    return files.map(({ path, real, chain, readable, sum, base64 }) => {
        const problems = account.strict ? strictModesProblems(chain, account.uid, account.realHome) : [];
        // sshd opens the file with the rights of the user.
        if (sum !== "absent" && !readable) problems.push(...unreadable(chain, account));
        const content = Buffer.from(base64, "base64");
        return { path, real, content, sum, problems, ...writerOf({ path, real, chain }, account) };
    });
}

/** Everything from the file up to below the home directory, which is what the user needs to own to read the file. */
function unreadable(chain: PathFacts[], { realHome }: Account): PermissionProblem[] {
    return chain
        .filter(({ path }, index) => index === 0 || path.startsWith(`${realHome}/`))
        .map(({ path, mode, owner }) => ({
            path,
            text: `${path} (${owner}, mode ${mode}) keeps its user from reading the keys`,
            own: true,
            tighten: true,
        }));
}

/**
 * With whose rights a file can be written so that no link in a home directory leads root astray: in a directory of the user
 * with the user's; in one of root's with root's, unless a link of the user's led there.
 */
function writerOf(
    { path, real, chain }: { path: string; real: string; chain: PathFacts[] },
    { uid, home, realHome }: Account,
): Pick<KeysFile, "writer" | "refusal"> {
    const refuse = (refusal: string) => ({ writer: undefined, refusal });
    const [here] = chain;
    if (here?.path === real && here.type !== "file") return refuse(`${real} is no regular file`);
    const directory = chain.find((part) => part.type === "directory");
    if (directory === undefined) return refuse("no directory above it exists");
    if (directory.uid === uid) return { writer: "user" };
    if (directory.uid !== 0) return refuse(`${directory.path} belongs to ${directory.owner}`);
    const plain = path.startsWith(`${home}/`) ? realHome + path.slice(home.length) : path;
    if (path.startsWith(`${home}/`) && plain !== real) {
        return refuse(`a link leads from the user's home to ${real}, which belongs to root`);
    }
    return { writer: "root" };
}
