import { type ApiWish, apiSettings, readTcpAddress, tlsFiles } from "../../docker/daemon/api";
import { wrongCombinations, wrongVersions } from "../../docker/daemon/check";
import { keyOf } from "../../docker/daemon/keys";
import {
    type Claim,
    type Content,
    claimsOf,
    collisions,
    environmentClaim,
    everything,
    keysOf,
    merge,
    parse,
    print,
    replace,
    sameContent,
    valueAt,
} from "../../docker/daemon/merge";
import { networkTaken } from "../../docker/daemon/networks";
import { actionFor, makePlan, notInEffect, type Plan, type Running, type Situation } from "../../docker/daemon/plan";
import {
    dropIn,
    environmentFile,
    expand,
    givenFlags,
    hostsDropIn,
    readEnvironmentFile,
    readUnit,
    type Word,
    withoutHosts,
} from "../../docker/daemon/unit";
import { compareVersions } from "../../docker/daemon/version";
import { type ErrorCode, FleetError } from "../../errors";
import { sha256 } from "../../sha256";
import {
    type ChangeStep,
    type DaemonChange,
    type DaemonFacts,
    daemonFile,
    dropInDirectory,
    type FileChange,
    type OwnerRecord,
    ownerId,
} from "../daemon";

/** What a resource wants of a daemon. */
export interface DaemonWish {
    /** What belongs into the file. */
    settings: Content;
    /** The file has these settings and no others. */
    exclusive: boolean;
    /** The daemon's environment; undefined: it is not ours. */
    environment?: Record<string, string>;
    /** How the API is to be reached over TCP. What settings it takes is found out on the machine. */
    api?: ApiWish;
    applyMode: "auto" | "reloadOnly" | "ifNoContainers" | "staged";
    liveRestoreFirst: boolean;
    allowDestructive: boolean;
}

/** Who wants it. */
export interface Owner {
    urn: string;
    /** What belonged to the resource before, as its state knows it. */
    claims: readonly Claim[];
}

/** What has to be done on a machine. */
export interface Prepared {
    /** Undefined when all is as it shall be. */
    change: DaemonChange | undefined;
    /** What happens, for people. */
    plan: string;
}

const hostsPath = `${dropInDirectory}/docker-fleet-hosts.conf`;
const environmentConf = `${dropInDirectory}/docker-fleet-environment.conf`;
const environmentPath = `${dropInDirectory}/docker-fleet-environment.env`;
const ourDropIns = [hostsPath, environmentConf];

/** What a resource with this wish owns on its machine. */
export function claimsOfWish({ settings, exclusive, environment, api }: DaemonWish): Claim[] {
    const file = exclusive ? [everything] : claimsOf({ ...settings, ...apiSettings(api, settings, "fd://") });
    return environment === undefined ? file : [...file, environmentClaim];
}

/**
 * Computes from what is there what has to be done, and refuses what would do harm. Pure.
 *
 * @param machine name, for messages
 * @throws FleetError SETTING_CLAIMED, SETTING_CONFLICT, SETTING_REFUSED, DESTRUCTIVE_CHANGE, RESTART_NOT_ALLOWED,
 *     DAEMON_JSON_INVALID
 */
export function prepare(facts: DaemonFacts, asked: DaemonWish, owner: Owner, machine: string): Prepared {
    const refuse = refuser(machine);
    const wish = { ...asked, settings: { ...asked.settings, ...apiSettingsFor(facts, asked) } };
    const id = ownerId(owner.urn);
    const record = facts.owners.get(id);
    const claims = claimsOfWish(wish);
    refuseCollisions(facts, id, claims, refuse);

    const owned = [...new Set([...owner.claims, ...(record?.claims ?? [])])];
    const file = contentOf(facts, wish.exclusive, refuse);
    const wanted = wish.exclusive
        ? replace(file, wish.settings)
        : merge(file, wish.settings, owned.includes(everything) ? claimsOf(file) : owned);
    const ours =
        owned.includes(everything) || wish.exclusive
            ? [...new Set([...Object.keys(file), ...Object.keys(wanted)])]
            : keysOf([...claims, ...owned]);
    refuseMistakes(facts, wish, wanted, ours, refuse);

    const unit = unitOf(facts);
    const units = [...hostsFiles(facts, unit, claims, owned, wanted), ...environmentFiles(facts, wish, owned)];
    const certificates = certificateFiles(facts, wish, owned);
    // Ours, or that of another resource which has set hosts.
    const withDropIn =
        wanted.hosts !== undefined &&
        (claims.some((claim) => claim === everything || claim === "hosts") ||
            facts.dropIns.some(({ path }) => path === hostsPath));
    refuseFlags(unit, wish.settings, refuse);

    // Of certificates that were exchanged under their names the daemon has read nobody knows which.
    const situation = situationOf(facts, file, units.length > 0 || exchanged(facts, certificates));
    const plan = makePlan(situation, wanted, ours, { liveRestoreFirst: wish.liveRestoreFirst });
    if (!wish.allowDestructive) refuseDestruction(facts, situation, wanted, ours, refuse);

    const staged = wish.applyMode === "staged";
    if (!staged && situation.alive) refuseRestart(plan, wish.applyMode, refuse);
    const created = record?.created ?? facts.file.sum === "absent";
    const nobody = claims.length === 0;
    const end: OwnerRecord | undefined = nobody
        ? undefined
        : { owner: owner.urn, claims, ...(created ? { created } : {}) };
    // A step before the last writes the file too, also where it is right already.
    const passes = !staged && plan.steps.length > 1;
    const files = [...certificates, ...fileChanges(facts, file, wanted, nobody && created, passes), ...units];
    const steps = staged ? stagedSteps(files) : stepsOf(plan, files, situation, ours, facts, units);
    const text = staged && (files.length > 0 || plan.action !== "none") ? stagedText(plan) : plan.text;
    if (steps.length === 0 && !facts.unfinished && sameContent(record, end)) return { change: undefined, plan: text };
    return {
        plan: text,
        change: {
            owner: {
                id,
                begin: {
                    owner: owner.urn,
                    claims: [...new Set([...owned, ...claims])],
                    ...(created ? { created } : {}),
                },
                end,
            },
            loaded: print(loadedAfter(situation, wanted, staged ? "none" : plan.action)),
            guards: [facts.file, ...guardsOf(facts, files)],
            validate: validation(facts, unit, print(wanted), withDropIn),
            steps,
            undo: print(plan.undo),
        },
    };
}

/** What of these claims is in the file, but not in effect: the keys. */
export function pending(facts: DaemonFacts, claims: readonly Claim[]): string[] {
    const file = parseOr(facts.file.content, {});
    const situation = situationOf(facts, file, false);
    if (!situation.alive) return [];
    const keys = claims.includes(everything)
        ? [...new Set([...Object.keys(file), ...Object.keys(situation.loaded ?? {})])]
        : keysOf(claims);
    return notInEffect(situation, file, keys);
}

/** What the daemon itself tells of these keys. It tells them to everybody, so that no secret is among them. */
export function told({ info }: DaemonFacts, keys: readonly string[]): Content {
    const all = info === undefined ? {} : effectiveOf(info);
    return Object.fromEntries(Object.entries(all).filter(([key]) => keys.includes(key)));
}

/** Where the daemon listens on TCP, by its file and its flags, whoever has set them. Loopback is nobody else's business. */
export function tcpListeners(facts: DaemonFacts): { address: string; port: number }[] {
    const { hosts } = parseOr(facts.file.content, {} as Content);
    const inFile = Array.isArray(hosts) ? hosts.filter((host) => typeof host === "string") : [];
    const flags = givenFlags(unitOf(facts).words).filter(({ key }) => key === "hosts");
    const given = flags.map(({ text }) => /tcp:\S+/.exec(text)?.[0] ?? "");
    return [...new Set([...inFile, ...given])]
        .flatMap((host) => readTcpAddress([host]) ?? [])
        .filter(({ address }) => !/^(?:127\.|::1$|localhost$)/.test(address));
}

/** The containers that run, as a plan counts them. */
export function runningOf({ containers }: DaemonFacts): Running[] {
    return containers.map(({ name, policy }) => ({
        name,
        comesBack: policy === "always" || policy === "unless-stopped",
    }));
}

/** The daemon's environment as our drop-in gives it; undefined where there is none. */
export function foundEnvironment(facts: DaemonFacts): Record<string, string> | undefined {
    const at = (path: string) => facts.dropIns.find((found) => found.path === path);
    return at(environmentConf)?.content === environmentDropIn() && at(environmentPath)
        ? readEnvironmentFile(at(environmentPath)!.content)
        : undefined;
}

/** True when the drop-in that belongs to `hosts` is as it has to be. */
export function hostsAreRight(facts: DaemonFacts, claims: readonly Claim[]): boolean {
    const file = parseOr(facts.file.content, {});
    return hostsFiles(facts, unitOf(facts), claims, claims, file).length === 0;
}

/** The file's content; `otherwise` for one that cannot be read. */
export function parseOr<T>(text: string, otherwise: T): Content | T {
    try {
        return parse(text);
    } catch {
        return otherwise;
    }
}

type Refuse = (code: ErrorCode, message: string, cure: string) => never;

function refuser(machine: string): Refuse {
    return (code, message, cure) => {
        throw new FleetError({ code, machine, step: "configure the Docker daemon", message, cure });
    };
}

/**
 * Refuses a machine that has no daemon to configure.
 *
 * @throws FleetError ENGINE_MISSING, UNSUPPORTED_MACHINE
 */
export function requireDaemon(facts: DaemonFacts, machine: string): void {
    const refuse = refuser(machine);
    if (!facts.systemd) {
        refuse("UNSUPPORTED_MACHINE", "its init system is not systemd.", "Use a machine with systemd.");
    }
    if (facts.dockerd === undefined || facts.unit === "") {
        refuse("ENGINE_MISSING", "there is no Docker Engine on this machine.", "Declare a DockerHost for it first.");
    }
}

function refuseCollisions(facts: DaemonFacts, id: string, claims: readonly Claim[], refuse: Refuse): void {
    for (const [other, record] of facts.owners) {
        const both = other === id ? [] : collisions(claims, record.claims);
        if (both.length > 0) {
            refuse(
                "SETTING_CLAIMED",
                `${both.map((claim) => (claim === everything ? "the whole file" : claim)).join(", ")} is set by another resource on this machine already: ${record.owner}.`,
                `Take it out of one of the two. If that one no longer exists, delete /var/lib/pulumi-docker-fleet/daemon/owners/${other}.json on the machine.`,
            );
        }
    }
}

function contentOf(facts: DaemonFacts, exclusive: boolean, refuse: Refuse): Content {
    try {
        return parse(facts.file.content);
    } catch (error) {
        if (exclusive) return {};
        return refuse(
            "DAEMON_JSON_INVALID",
            `${daemonFile} cannot be read: ${(error as Error).message}. What others have written there must not be lost.`,
            "Correct the file on the machine, or set exclusive to have it replaced.",
        );
    }
}

function refuseMistakes(
    facts: DaemonFacts,
    { settings, api }: DaemonWish,
    wanted: Content,
    ours: readonly string[],
    refuse: Refuse,
): void {
    const mistakes = [
        ...(facts.version === undefined ? [] : wrongVersions(settings, facts.version)),
        ...wrongCombinations(wanted, true, undefined, api?.tcp?.allowUnprotected).filter(({ path }) =>
            ours.includes(path[0] ?? ""),
        ),
    ];
    if (settings["live-restore"] === true && facts.info?.swarm === "active") {
        mistakes.push({ path: ["live-restore"], problem: "a daemon in swarm mode does not start with it" });
    }
    const { bip } = settings;
    const taken = typeof bip === "string" ? networkTaken(bip, facts.routes) : undefined;
    if (taken !== undefined) {
        const problem = `${bip} overlaps ${taken.network}, which the machine reaches through ${taken.device}: it would be cut off from there`;
        mistakes.push({ path: ["bip"], problem });
    }
    const driver = settings["log-driver"];
    const drivers = facts.info?.logDrivers ?? [];
    // The daemon would start all the same, and then no container.
    if (typeof driver === "string" && driver !== "none" && drivers.length > 0 && !drivers.includes(driver)) {
        const problem = `this machine has no log driver ${driver}; there are none, ${drivers.join(", ")}`;
        mistakes.push({ path: ["log-driver"], problem });
    }
    if (mistakes.length > 0) {
        const lines = mistakes.map(({ path, problem }) => `settings.${path.join(".")}: ${problem}`);
        refuse("SETTING_REFUSED", `${lines.join("; ")}.`, "Nothing was changed.");
    }
}

/** The change of daemon.json, if there is one. A file without settings is left, unless it came with us and shall go with us. */
function fileChanges(facts: DaemonFacts, file: Content, wanted: Content, goes: boolean, passes: boolean): FileChange[] {
    const absent = facts.file.sum === "absent";
    const shallBeAbsent = Object.keys(wanted).length === 0 && (absent || goes);
    const isRight = shallBeAbsent ? absent : !absent && sameContent(file, wanted) && facts.file.content.trim() !== "";
    if (isRight && !passes) return [];
    return [shallBeAbsent ? { path: daemonFile, content: undefined, mode: "0644" } : fileWith(facts, wanted)];
}

function fileWith(facts: DaemonFacts, content: Content): FileChange {
    return {
        path: daemonFile,
        content: print(content, facts.file.content),
        mode: hasCredentials(content) ? "+0600" : "0644",
    };
}

/** How the unit starts the daemon without our drop-ins. */
function unitOf(facts: DaemonFacts): { command: string; path: string; words: Word[]; sources: Map<string, string> } {
    const { command, path, environment } = readUnit(facts.unit, ourDropIns);
    const variables: Record<string, string> = {};
    const sources = new Map<string, string>();
    for (const each of environment) {
        const [, name, value = ""] = /^(\w+)=(.*)$/s.exec(each) ?? [];
        if (name === undefined) continue;
        variables[name] = value;
        sources.set(name, path);
    }
    for (const found of facts.environmentFiles.filter((each) => each.path !== environmentPath)) {
        for (const [name, value] of Object.entries(readEnvironmentFile(found.content))) {
            variables[name] = value;
            sources.set(name, found.path);
        }
    }
    return { command, path, words: expand(command, variables), sources };
}

type Unit = ReturnType<typeof unitOf>;

/** A key must not be in the file and among the flags, whatever its value. `-H` of the unit itself is ours to solve. */
function refuseFlags(unit: Unit, settings: Content, refuse: Refuse): void {
    for (const { key, text, variable } of givenFlags(unit.words)) {
        const solved = key === "hosts" && variable === undefined;
        // Runtimes are the one thing that dockerd takes from both.
        if (settings[key] === undefined || solved || key === "runtimes") continue;
        const place =
            variable === undefined ? unit.path : `${variable} in ${unit.sources.get(variable) ?? "the environment"}`;
        refuse(
            "SETTING_CONFLICT",
            `${key} is given to the daemon as a flag too: ${text}, by ${place}. dockerd does not start with both.`,
            "Take the flag out there, or the key out of settings.",
        );
    }
}

/** The drop-in that has to come or go because of `hosts`. */
function hostsFiles(
    facts: DaemonFacts,
    unit: Unit,
    claims: readonly Claim[],
    owned: readonly Claim[],
    wanted: Content,
): FileChange[] {
    const isOurs = (list: readonly Claim[]) => list.includes("hosts") || list.includes(everything);
    if (!isOurs(claims) && !isOurs(owned)) return [];
    const given = givenFlags(unit.words).some(({ key }) => key === "hosts");
    const content = wanted.hosts !== undefined && given ? hostsDropIn(unit.command) : undefined;
    return fileIfOther(facts, { path: hostsPath, content, mode: "0644" });
}

/** The settings that the wish for an API stands for, on this machine. */
export function apiSettingsFor(facts: DaemonFacts, { api, settings }: DaemonWish): Content {
    const bySocket = givenFlags(unitOf(facts).words).some(({ key, text }) => key === "hosts" && text.includes("fd://"));
    return apiSettings(api, settings, bySocket ? "fd://" : "unix:///var/run/docker.sock");
}

/** The certificates that have to come, in the place of those that are not as they were written, or to go. */
function certificateFiles(facts: DaemonFacts, { api }: DaemonWish, owned: readonly Claim[]): FileChange[] {
    const wanted = Object.values((api && tlsFiles(api)) ?? {});
    const missing = wanted.filter((file) => !isAsWritten(facts, file));
    const isOurs = wanted.length > 0 || owned.includes("tlskey") || owned.includes(everything);
    const left = isOurs ? facts.certificates.filter(({ path }) => !wanted.some((file) => file.path === path)) : [];
    return [
        ...missing.map(({ path, content }) => ({ path, content, mode: "+0400" })),
        ...left.map(({ path }) => ({ path, content: undefined, mode: "0400" })),
    ];
}

function isAsWritten(facts: DaemonFacts, { path, content }: { path: string; content: string }): boolean {
    const found = facts.certificates.find((each) => each.path === path);
    return found?.sum === sha256(content) && found.mode === "400" && found.owner === "root";
}

function exchanged(facts: DaemonFacts, changes: readonly FileChange[]): boolean {
    return changes.some(({ path, content }) => {
        const found = facts.certificates.find((each) => each.path === path);
        return content !== undefined && found !== undefined && found.sum !== sha256(content);
    });
}

/** Whether the certificates on the machine are those of the wish, and nobody but root can read them. */
export function certificatesAreRight(facts: DaemonFacts, api: ApiWish | undefined): boolean {
    return Object.values((api && tlsFiles(api)) ?? {}).every((file) => isAsWritten(facts, file));
}

function environmentDropIn(): string {
    // A file of its own, since anybody may ask systemd for the Environment of a unit.
    return dropIn([`EnvironmentFile=-${environmentPath}`]);
}

function environmentFiles(facts: DaemonFacts, { environment }: DaemonWish, owned: readonly Claim[]): FileChange[] {
    if (environment === undefined && !owned.includes(environmentClaim)) return [];
    const content = environment && environmentFile(environment);
    return [
        ...fileIfOther(facts, { path: environmentPath, content, mode: "+0600" }),
        ...fileIfOther(facts, { path: environmentConf, content: environment && environmentDropIn(), mode: "0644" }),
    ];
}

function fileIfOther(facts: DaemonFacts, file: FileChange): FileChange[] {
    return facts.dropIns.find(({ path }) => path === file.path)?.content === file.content ? [] : [file];
}

function guardsOf(facts: DaemonFacts, files: readonly FileChange[]): { path: string; sum: string }[] {
    return files
        .filter(({ path }) => path !== daemonFile)
        .map(({ path }) => ({
            path,
            sum: [...facts.dropIns, ...facts.certificates].find((found) => found.path === path)?.sum ?? "absent",
        }));
}

/** What the daemon has read: what we brought it to read in this life of it, else the file, if that is older. */
function situationOf(facts: DaemonFacts, file: Content, unitChanges: boolean): Situation {
    const { process, loaded, info } = facts;
    const known =
        process === undefined
            ? undefined
            : loaded?.invocation === process.invocation
              ? parseOr(loaded.content, undefined)
              : facts.fileChanged <= process.since
                ? file
                : undefined;
    return {
        file,
        ...(known === undefined ? {} : { loaded: known }),
        effective: info === undefined ? {} : effectiveOf(info),
        alive: facts.active && info !== undefined,
        liveRestore: info?.liveRestore ?? false,
        containers: runningOf(facts),
        unitChanges,
    };
}

function effectiveOf(info: NonNullable<DaemonFacts["info"]>): Content {
    return {
        debug: info.debug,
        labels: info.labels ?? [],
        "live-restore": info.liveRestore,
        "log-driver": info.logDriver,
        "default-runtime": info.runtime,
        "registry-mirrors": info.mirrors ?? [],
    };
}

function refuseRestart(plan: Plan, mode: DaemonWish["applyMode"], refuse: Refuse): void {
    if (plan.action !== "restart") return;
    const because = plan.because.join(", ");
    if (mode === "reloadOnly") {
        refuse(
            "RESTART_NOT_ALLOWED",
            `${because} needs a restart of the daemon (${plan.text}), and applyMode is "reloadOnly".`,
            'Nothing was changed. Use another applyMode; "staged" writes the file and leaves the restart to you.',
        );
    }
    if (mode === "ifNoContainers" && plan.stops.length > 0) {
        const names = plan.stops.map(({ name }) => name);
        const shown =
            names.length > 5 ? `${names.slice(0, 5).join(", ")} and ${names.length - 5} more` : names.join(", ");
        refuse(
            "RESTART_NOT_ALLOWED",
            `${because} needs a restart of the daemon, which would stop ${shown}, and applyMode is "ifNoContainers".`,
            "Nothing was changed. Stop them, or let them keep running: live-restore with enableLiveRestoreFirst.",
        );
    }
}

/** Keys whose change hides what people have on the machine. */
function refuseDestruction(
    facts: DaemonFacts,
    { file, loaded }: Situation,
    wanted: Content,
    ours: readonly string[],
    refuse: Refuse,
): void {
    const { info } = facts;
    const before = loaded ?? file;
    const now: Content = { ...before };
    if (info !== undefined) {
        // In effect already, whether or not it is written down.
        if (wanted["storage-driver"] === info.storage) now["storage-driver"] = info.storage;
        if (wanted["data-root"] === info.root) now["data-root"] = info.root;
        const [root, driver] = [before["data-root"], before["storage-driver"]];
        if (root === info.root && info.root === "/var/lib/docker" && wanted["data-root"] === undefined)
            delete now["data-root"];
        if (driver === info.storage && wanted["storage-driver"] === undefined) delete now["storage-driver"];
    }
    const claims = [...ours.filter((key) => keyOf(key)?.hides), "features.containerd-snapshotter"];
    for (const claim of claims) {
        const key = claim.split(".")[0]!;
        if (!ours.includes(key) || sameContent(valueAt(now, claim), valueAt(wanted, claim))) continue;
        const hides = keyOf(claim)?.hides ?? "all images and containers";
        const count = (n: number, what: string) => `${n} ${what}${n === 1 ? "" : "s"}`;
        const there = [
            ...(info ? [count(info.images, "image"), count(info.containers, "container")] : []),
            ...(hides.includes("volumes") ? [count(facts.volumes, "volume")] : []),
        ];
        if (info !== undefined && there.every((text) => text.startsWith("0 "))) continue;
        refuse(
            "DESTRUCTIVE_CHANGE",
            `a change of ${claim} takes ${hides} out of sight: ${there.join(", ") || "what there is of them"}. They stay on the disk.`,
            "Nothing was changed. Set allowDestructive: true if that is what you want.",
        );
    }
}

function stagedSteps(files: FileChange[]): ChangeStep[] {
    return files.length === 0 ? [] : [{ files, action: "none", keep: false, expect: {} }];
}

function stagedText(plan: Plan): string {
    return plan.action === "none" ? "none" : `staged; needs a ${plan.action} to take effect`;
}

function stepsOf(
    plan: Plan,
    files: FileChange[],
    situation: Situation,
    ours: readonly string[],
    facts: DaemonFacts,
    units: readonly FileChange[],
): ChangeStep[] {
    if (plan.steps.length === 0) return files.length === 0 ? [] : stagedSteps(files);
    const keep = situation.containers.length > 0 && plan.stops.length === 0;
    const listens = plan.because.includes("hosts") || units.some(({ path }) => path === hostsPath);
    return plan.steps.map(({ content, action }, index) => {
        const last = index === plan.steps.length - 1;
        return {
            action: action === "restart" && listens ? "sockets" : action,
            keep: action === "restart" && keep,
            files: last ? files : [fileWith(facts, content)],
            expect: action === "reload" ? expectations(content, last ? ours : Object.keys(content), situation) : {},
        };
    });
}

/** Those values that a reload event tells in a form that all engines share. */
const toldByEvents = [
    "debug",
    "default-ipc-mode",
    "default-runtime",
    "insecure-registries",
    "labels",
    "live-restore",
    "max-concurrent-downloads",
    "max-concurrent-uploads",
    "max-download-attempts",
    "registry-mirrors",
    "shutdown-timeout",
];

function expectations(content: Content, keys: readonly string[], { file, loaded }: Situation): Record<string, string> {
    const before = loaded ?? file;
    const expected: Record<string, string> = {};
    for (const key of keys.filter((name) => toldByEvents.includes(name))) {
        const value = content[key];
        if (value === undefined || sameContent(value, before[key])) continue;
        const text = Array.isArray(value) ? JSON.stringify(value) : String(value);
        // Go writes some letters another way.
        if (!/[<>&\\\s]/.test(text)) expected[key] = text;
    }
    return expected;
}

/** What the daemon will have read when it was brought to read the file, or part of it. */
function loadedAfter({ file, loaded }: Situation, wanted: Content, action: Plan["action"]): Content {
    const before = loaded ?? file;
    if (action === "restart") return wanted;
    if (action === "none") return before;
    const result = { ...before };
    for (const key of new Set([...Object.keys(before), ...Object.keys(wanted)])) {
        if (actionFor(key, before[key], wanted[key]) !== "reload") continue;
        if (wanted[key] === undefined) delete result[key];
        else result[key] = wanted[key];
    }
    return result;
}

function validation(facts: DaemonFacts, unit: Unit, content: string, withDropIn: boolean): DaemonChange["validate"] {
    if (facts.version === undefined || compareVersions(facts.version, "23") < 0) return undefined;
    const words = withDropIn ? withoutHosts(unit.words) : unit.words;
    return { content, command: words.map(({ value }) => value) };
}

function hasCredentials({ proxies }: Content): boolean {
    return /\/\/[^/@"]*@/.test(JSON.stringify(proxies ?? {}));
}
