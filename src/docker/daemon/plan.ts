import { keyOf } from "./keys";
import { type Content, sameContent } from "./merge";

/** What it takes to bring settings into effect. */
export type Action = "none" | "reload" | "restart";

/** A container that runs now. */
export interface Running {
    name: string;
    /** True when its restart policy starts it again after the daemon has stopped it. */
    comesBack: boolean;
}

/** What is there before a change. */
export interface Situation {
    /** The file as it is. */
    file: Content;
    /** What the daemon has read, as far as that is known. */
    loaded?: Content;
    /** Values that the daemon itself tells, in the form of the file. */
    effective: Content;
    /** True when the daemon runs and answers. */
    alive: boolean;
    /** True when live-restore is in effect. */
    liveRestore: boolean;
    containers: readonly Running[];
    /** True when the unit changes too. */
    unitChanges: boolean;
}

/** One file content and what is done after it was put in place. */
export interface Step {
    content: Content;
    action: Action;
}

/** What will be done. */
export interface Plan {
    action: Action;
    /** The keys whose change makes it necessary. */
    because: string[];
    /** Contents of the file, one after another. The last one stays. */
    steps: Step[];
    /** What has to be loaded to take the steps' reloads back; then the file is put back as it was. */
    undo: Content;
    /** The containers that a restart would stop. */
    stops: readonly Running[];
    /** For people: `"restart stops 7 containers"`. */
    text: string;
}

/** How a plan is made. */
export interface PlanOptions {
    /** Turn live-restore on by a reload before a restart that would stop containers. */
    liveRestoreFirst?: boolean;
}

/** What must happen so that `wanted` is in effect, if only the keys of `ours` count. */
export function makePlan(
    situation: Situation,
    wanted: Content,
    ours: readonly string[],
    options: PlanOptions = {},
): Plan {
    const { file, loaded, alive, liveRestore, containers, unitChanges } = situation;
    const changed = notInEffect(situation, wanted, ours).map((key) => ({
        key,
        action: actionFor(key, (loaded ?? file)[key], wanted[key]),
    }));
    const restarting = changed.filter(({ action }) => action === "restart").map(({ key }) => key);
    if (!alive || unitChanges || restarting.length > 0) {
        const because = restarting.length > 0 ? restarting : [unitChanges ? "the unit" : "the daemon does not run"];
        const staysOn = wanted["live-restore"] === true;
        // What the daemon has loaded is what it can surely load again.
        const before = loaded ?? file;
        const steps: Step[] = [];
        if (alive && liveRestore && !staysOn) {
            // A daemon that ends with live-restore and begins without stops the containers that it finds, as if by hand.
            steps.push({ content: { ...before, "live-restore": false }, action: "reload" });
        } else if (alive && !liveRestore && staysOn && options.liveRestoreFirst && containers.length > 0) {
            steps.push({ content: { ...before, "live-restore": true }, action: "reload" });
        }
        const kept = staysOn && (liveRestore || steps.length > 0);
        steps.push({ content: wanted, action: "restart" });
        return {
            action: "restart",
            because,
            steps,
            undo: withDefaults(before, ["live-restore"]),
            stops: alive && !kept ? containers : [],
            text: alive ? restartText(containers, kept) : "start",
        };
    }
    if (changed.length > 0) {
        const gone = changed.map(({ key }) => key).filter((key) => wanted[key] === undefined && isSticky(key));
        const steps: Step[] =
            gone.length === 0
                ? [{ content: wanted, action: "reload" }]
                : // What is not in the file keeps its value until the next restart, so the default is loaded first.
                  [
                      { content: withDefaults(wanted, gone), action: "reload" },
                      { content: wanted, action: "none" },
                  ];
        const keys = changed.map(({ key }) => key);
        return {
            action: "reload",
            because: keys,
            steps,
            undo: withDefaults(loaded ?? file, keys),
            stops: [],
            text: "reload",
        };
    }
    const steps: Step[] = sameContent(file, wanted) ? [] : [{ content: wanted, action: "none" }];
    return { action: "none", because: [], steps, undo: file, stops: [], text: "none" };
}

/** Those of `ours` that are not in effect as `wanted` has them. */
export function notInEffect(
    { file, loaded, effective, alive }: Pick<Situation, "file" | "loaded" | "effective" | "alive">,
    wanted: Content,
    ours: readonly string[],
): string[] {
    return ours.filter((key) => {
        // The daemon's own word counts most. What is not wanted may have its value from a flag.
        if (alive && wanted[key] !== undefined && key in effective) return !sameTold(key, wanted[key], effective[key]);
        return !sameContent((loaded ?? file)[key], wanted[key]);
    });
}

/** What a change of one key takes; undefined = the key is not there. */
export function actionFor(key: string, before: unknown, after: unknown): Action {
    const known = keyOf(key);
    // A key that we know nothing about is read when the daemon starts; whatever else it may do.
    if (known === undefined || known.change === "restart") return "restart";
    const inner = (value: unknown, name: string) => (value as Content | undefined)?.[name];
    if (known.atStart?.some((name) => inner(before, name) !== inner(after, name))) return "restart";
    if (after === undefined && isSticky(key) && known.default === undefined) return "restart";
    return "reload";
}

/** For people: what a restart does to the containers. */
export function restartText(containers: readonly Running[], kept: boolean): string {
    const count = (n: number) => `${n} ${n === 1 ? "container" : "containers"}`;
    const n = containers.length;
    if (n === 0) return "restart; no container is running";
    if (kept) return `restart; live-restore is on, ${count(n)} ${n === 1 ? "keeps" : "keep"} running`;
    const back = containers.filter(({ comesBack }) => comesBack).length;
    const again =
        back === 0
            ? "none starts"
            : back === n
              ? `${n === 1 ? "it starts" : "all start"}`
              : `${back} of them ${back === 1 ? "starts" : "start"}`;
    return `restart stops ${count(n)}; ${again} again by restart policy`;
}

function isSticky(key: string): boolean {
    return keyOf(key)?.change === "reload, sticky";
}

/** The content with the default written out for each of the keys that is missing and would keep its value otherwise. */
function withDefaults(content: Content, keys: readonly string[]): Content {
    const result = { ...content };
    for (const key of keys) {
        const value = keyOf(key)?.default;
        if (isSticky(key) && result[key] === undefined && value !== undefined) result[key] = value;
    }
    return result;
}

/** Labels come sorted from newer engines, and mirrors with a slash at their end. */
function sameTold(key: string, wanted: unknown, found: unknown): boolean {
    if (!Array.isArray(wanted) || !Array.isArray(found)) return sameContent(wanted, found);
    const plain = (values: unknown[]) => values.map((value) => String(value).replace(/\/$/, ""));
    return key === "labels"
        ? sameContent(plain(wanted).sort(), plain(found).sort())
        : sameContent(plain(wanted), plain(found));
}
