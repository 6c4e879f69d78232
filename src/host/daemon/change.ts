import {
    type Claim,
    type Content,
    claimsOf,
    everything,
    keysOf,
    merge,
    print,
    replace,
    sameContent,
} from "../../docker/daemon/merge";
import { actionFor, makePlan, type Plan, type Situation } from "../../docker/daemon/plan";
import { withoutHosts } from "../../docker/daemon/unit";
import { compareVersions } from "../../docker/daemon/version";
import {
    type ChangeStep,
    type DaemonChange,
    type DaemonFacts,
    type FileChange,
    type OwnerRecord,
    ownerId,
} from "../daemon";
import { certificateFiles, environmentFiles, exchanged, fileChanges, fileWith, guardsOf, hostsFiles } from "./files";
import { hostsPath, situationOf, type Unit, unitOf } from "./found";
import {
    contentOf,
    refuseCollisions,
    refuseDestruction,
    refuseFlags,
    refuseMistakes,
    refuseRestart,
    refuser,
} from "./refusals";
import { apiSettingsFor, claimsOfWish, type DaemonWish } from "./wish";

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
