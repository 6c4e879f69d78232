import { z } from "zod";
import { type ApiWish, apiAsFound, apiSettings } from "../docker/daemon/api";
import { wrongCombinations, wrongExtras, wrongNames, wrongVersions } from "../docker/daemon/check";
import { daemonKeys, keyOf } from "../docker/daemon/keys";
import { asFound, type Claim, type Content, keysOf, sameContent } from "../docker/daemon/merge";
import { makePlan, type Running } from "../docker/daemon/plan";
import { FleetError } from "../errors";
import { applyDaemon, type DaemonFacts, observeDaemon } from "../host/daemon";
import { type Owner, prepare } from "../host/daemon/change";
import { certificatesAreRight, foundEnvironment, hostsAreRight } from "../host/daemon/files";
import { parseOr, pending, runningOf, tcpListeners, told } from "../host/daemon/found";
import { requireDaemon } from "../host/daemon/refusals";
import { apiSettingsFor, claimsOfWish, type DaemonWish } from "../host/daemon/wish";
import type { Connection, Machine } from "../ssh";
import { apiProblems, apiRemarks, apiSchema, certificateEnd, certificateStatus, lookFromOutside } from "./api";
import { connectionSchema } from "./connection";
import { define } from "./define";
import { type Context, PartialFailure, type Recorded } from "./definition";
import { isUnreachable } from "./errors";
import { containsUnknown, isRecord, unknownValue } from "./json";
import { isSameMachine, openMachine, proxyHostKeysOf } from "./machine";
import type { Problem } from "./validate";

/** The state of the daemon that this resource wants; anything else is drift, in words. */
const wanted = "as configured";
/** Those words for what is wrong that a preview understands. */
const words = {
    notRunning: "not running",
    notAnswering: "not answering",
    otherHosts: "the drop-in for hosts was changed",
} as const;
/** How often a change is computed again when others change the same files at the same time. */
const attempts = 3;

const inputs = z.strictObject({
    connection: connectionSchema,
    settings: z
        .looseObject(
            Object.fromEntries(Object.entries(daemonKeys).map(([name, { schema }]) => [name, schema.optional()])),
            "settings, by the keys of daemon.json",
        )
        .default({}),
    extra: z.record(z.string(), z.json("any JSON value"), "settings by name").default({}),
    exclusive: z.boolean("true or false").default(false),
    applyMode: z
        .enum(["auto", "reloadOnly", "ifNoContainers", "staged"], '"auto", "reloadOnly", "ifNoContainers" or "staged"')
        .default("auto"),
    enableLiveRestoreFirst: z.boolean("true or false").default(false),
    allowDestructive: z.boolean("true or false").default(false),
    environment: z
        .record(
            z.string().regex(/^[A-Za-z_]\w*$/, 'a variable\'s name, such as "HTTP_PROXY"'),
            z.string("a text").regex(/^[^\r\n\0]*$/, "a text in one line"),
            "variables by name",
        )
        .optional(),
    api: apiSchema.optional(),
    // Not an argument of the class: the place where a refresh shows that the daemon is not as it should be.
    daemon: z.string().default(wanted),
});

/** The arguments of a DaemonConfig after the check. */
export interface DaemonInputs {
    connection: Connection;
    settings: Content;
    extra: Content;
    exclusive: boolean;
    applyMode: DaemonWish["applyMode"];
    enableLiveRestoreFirst: boolean;
    allowDestructive: boolean;
    environment?: Record<string, string>;
    api?: ApiWish;
    daemon: string;
}

/** What is known of a DaemonConfig beyond its arguments. */
export interface DaemonState {
    /** What the last change did: `"restart stops 7 containers"`. */
    plan: string;
    /** Keys that are written and not in effect yet. */
    pending: string[];
    engineVersion?: string;
    /** When the certificate of the API ends. */
    certificateExpiresAt?: string;
    machineId: string;
    hostKey: string;
    proxyHostKeys?: Record<string, string>;
    endpoint: string;
    /** What belongs to this resource on its machine. */
    claims: Claim[];
    /** What a preview needs to tell what an update will do. */
    seen: {
        liveRestore: boolean;
        containers: Running[];
        /** What the daemon tells of the pending keys. */
        loaded: Content;
    };
}

/** The configuration of a machine's Docker daemon. */
export const daemonConfig = define<DaemonInputs, DaemonState>({
    kind: "DaemonConfig",
    schemaVersion: 1,
    inputs,
    secrets: ["connection", "environment", "settings.proxies", "api.tcp.tls.key"],

    remarks: ({ api }) => apiRemarks(api),

    problems({ settings, extra, enableLiveRestoreFirst, api }) {
        const known = (value: unknown) => !containsUnknown(value);
        const at = (argument: string, { path, problem }: { path: string[]; problem: string }): Problem => ({
            path: [argument, ...path],
            problem,
        });
        const problems = [
            ...(isRecord(settings)
                ? [...wrongNames(settings), ...wrongCombinations(settings, false, known, api?.tcp !== undefined)]
                : []
            ).map((mistake) => at("settings", mistake)),
            ...apiProblems(api, settings),
            ...(isRecord(extra) ? wrongExtras(extra) : []).map((mistake) => at("extra", mistake)),
        ];
        if (enableLiveRestoreFirst === true && isRecord(settings) && known(settings["live-restore"])) {
            if (settings["live-restore"] !== true) {
                const problem =
                    'it needs settings["live-restore"]: true: the new daemon would stop what the old one has left running';
                problems.push({ path: ["enableLiveRestoreFirst"], problem });
            }
        }
        return problems;
    },

    foresee(prior, news, context) {
        const { settings, extra, environment, api } = news;
        // Of what is not known at all nothing can be told.
        if ([settings, extra, environment, api].some((part) => part === (unknownValue as unknown))) return;
        // What is not known yet counts as changed: so a certificate that is about to be renewed.
        const condition = containsUnknown([settings, extra, environment, api])
            ? ", if what is not known yet changes"
            : "";
        const text = foreseen(prior, news);
        const name = (containsUnknown(news.connection) ? prior : news).connection.host;
        if (text.startsWith("restart")) context.warn(`${name}: ${text}, as last seen${condition}.`);
        else context.progress(`${name}: ${text}${text === "none" ? "" : condition}`);
        const mistakes = prior.engineVersion === undefined ? [] : wrongVersions(news.settings, prior.engineVersion);
        for (const { path, problem } of mistakes) context.warn(`${name}: settings.${path.join(".")}: ${problem}.`);
    },

    async observe(inputs, prior, context) {
        const machine = await openMachine(inputs.connection, prior, context);
        const facts = await observeDaemon(machine, context);
        const claims = prior?.claims ?? claimsOfWish(wishOf(inputs));
        const open = await lookFromOutside(inputs.api, tcpListeners(facts), inputs.connection, context);
        return {
            inputs: inputsAsFound(inputs, facts, claims, open),
            state: stateOf(machine, facts, claims, inputs.api, prior?.plan ?? "none"),
        };
    },

    async apply(inputs, prior, context) {
        const machine = await openMachine(inputs.connection, prior, context);
        let facts = await observeDaemon(machine, context);
        requireDaemon(facts, machine.name);
        const wish = wishOf(inputs);
        const isSame = isSameMachine(prior, facts.machineId, machine, context);
        const owner = { urn: context.urn, claims: (isSame ? prior?.claims : undefined) ?? [] };
        const state = (plan: string) => stateOf(machine, facts, claimsOfWish(wish), inputs.api, plan);
        let plan = "none";
        try {
            ({ facts, plan } = await bring(machine, facts, wish, owner, context));
        } catch (error) {
            if (!isHalfDone(error)) throw error;
            throw new PartialFailure(
                facts.machineId,
                { ...state("none"), claims: union(owner.claims, claimsOfWish(wish)) },
                error,
            );
        }
        await lookFromOutside(inputs.api, tcpListeners(facts), inputs.connection, context);
        return { id: facts.machineId, state: state(plan) };
    },

    async remove(state, context) {
        const machine = await openMachine(state.connection, state, context);
        const facts = await observeDaemon(machine, context);
        if (!isSameMachine(state, facts.machineId, machine, context)) return;
        const wish: DaemonWish = {
            settings: {},
            exclusive: false,
            applyMode: facts.info === undefined ? "staged" : state.applyMode,
            liveRestoreFirst: false,
            allowDestructive: state.allowDestructive,
        };
        const owner = { urn: context.urn, claims: state.claims };
        try {
            await bring(machine, facts, wish, owner, context);
        } catch (error) {
            if (!(error instanceof FleetError) || error.code !== "RESTART_NOT_ALLOWED") throw error;
            // Nobody can be asked any more: what goes is taken out of the file, and the restart is left to the machine's owner.
            context.warn(
                `${machine.name}: the settings are taken out of the file, and stay in effect until the daemon restarts.`,
            );
            await bring(machine, facts, { ...wish, applyMode: "staged" }, owner, context);
        }
    },
});

/** Makes a machine's daemon what is wished. Computed again when somebody else has changed the files meanwhile. */
async function bring(
    machine: Machine,
    found: DaemonFacts,
    wish: DaemonWish,
    owner: Owner,
    context: Context,
): Promise<{ facts: DaemonFacts; plan: string }> {
    let facts = found;
    for (let attempt = 0; attempt < attempts; attempt++) {
        const { change, plan } = prepare(facts, wish, owner, machine.name);
        if (change === undefined) return { facts, plan };
        if (plan !== "none") context.progress(`${machine.name}: ${plan}`);
        const after = await applyDaemon(machine, change, context);
        if (after !== undefined) return { facts: after, plan };
        facts = await observeDaemon(machine, context);
    }
    throw new FleetError({
        code: "DAEMON_CONFIG_FAILED",
        machine: machine.name,
        step: "configure the Docker daemon",
        message: `somebody else changed the daemon's configuration each of the ${attempts} times that we were about to.`,
        cure: "Nothing was changed by us. Find out who it is, and run pulumi up again.",
    });
}

function wishOf(inputs: DaemonInputs): DaemonWish {
    const { settings, extra, exclusive, environment, api, applyMode, enableLiveRestoreFirst, allowDestructive } =
        inputs;
    return {
        settings: { ...settings, ...extra },
        exclusive,
        ...(environment === undefined ? {} : { environment }),
        ...(api === undefined ? {} : { api }),
        applyMode,
        liveRestoreFirst: enableLiveRestoreFirst,
        allowDestructive,
    };
}

/** What an update would do, by what was last seen of the machine. */
function foreseen(prior: Recorded<DaemonInputs, DaemonState>, news: DaemonInputs): string {
    const { liveRestore, containers } = prior.seen;
    const mayBeOurs = [prior, news].some(({ settings, exclusive }) => "live-restore" in settings || exclusive);
    const withApi = ({ settings, extra, api }: DaemonInputs): Content => ({
        // What others have set stays.
        ...(liveRestore && !mayBeOurs ? { "live-restore": true } : {}),
        ...settings,
        ...extra,
        ...apiSettings(api, settings, "fd://"),
    });
    const [file, after] = [withApi(prior), withApi(news)];
    const loaded = { ...without(file, prior.pending), ...prior.seen.loaded };
    const alive = prior.daemon !== words.notRunning && prior.daemon !== words.notAnswering;
    const situation = { file, loaded, effective: {}, alive, liveRestore, containers };
    const unitChanges =
        prior.daemon === words.otherHosts || JSON.stringify(prior.environment) !== JSON.stringify(news.environment);
    const ours = [...new Set([...Object.keys(file), ...Object.keys(after), ...keysOf(prior.claims)])];
    const options = { liveRestoreFirst: news.enableLiveRestoreFirst };
    const { text } = makePlan({ ...situation, unitChanges }, after, ours, options);
    return news.applyMode === "staged" ? "staged" : text;
}

/** The inputs as they are on the machine: where they differ from what was asked for, the engine shows drift. */
function inputsAsFound(
    inputs: DaemonInputs,
    facts: DaemonFacts,
    claims: readonly Claim[],
    open: boolean,
): DaemonInputs {
    const file = parseOr(facts.file.content, undefined);
    const { environment: asked, api: wish, ...rest } = inputs;
    // What the argument api has set shows there, and not among the settings.
    const byApi = apiSettingsFor(facts, wishOf(inputs));
    const api = wish && apiAsFound(wish, file ?? {}, byApi);
    const environment = asked === undefined ? undefined : foundEnvironment(facts);
    const found = file === undefined ? { ...inputs.settings, ...inputs.extra } : asFound(file, claims);
    const part = (isKnown: boolean) =>
        Object.fromEntries(
            Object.entries(found).filter(([key]) => !(key in byApi) && (keyOf(key) !== undefined) === isKnown),
        );
    return {
        ...rest,
        settings: part(true),
        extra: part(false),
        ...(environment === undefined ? {} : { environment }),
        ...(api === undefined ? {} : { api }),
        daemon: open ? "open to everybody, without TLS" : daemonWord(inputs, facts, claims, file),
    };
}

/** Some words for the state of the daemon and its configuration. */
function daemonWord(
    inputs: DaemonInputs,
    facts: DaemonFacts,
    claims: readonly Claim[],
    file: Content | undefined,
): string {
    if (facts.dockerd === undefined) return "not installed";
    if (file === undefined) return "daemon.json is damaged";
    if (!facts.active) return words.notRunning;
    if (facts.info === undefined) return words.notAnswering;
    if (facts.unfinished) return "a change was interrupted";
    if (!certificatesAreRight(facts, inputs.api)) return "the files of the certificates were changed";
    if (!hostsAreRight(facts, claims)) return words.otherHosts;
    // What is not as asked for in the file either shows there.
    const { applyMode, settings, extra } = inputs;
    const asked: Content = { ...settings, ...extra, ...apiSettingsFor(facts, wishOf(inputs)) };
    const found = asFound(file, claims);
    const waiting =
        applyMode === "staged" ? [] : pending(facts, claims).filter((key) => sameContent(asked[key], found[key]));
    if (waiting.length > 0) return `written, but not applied: ${waiting.join(", ")}`;
    return certificateStatus(inputs.api) ?? wanted;
}

function without(content: Content, keys: readonly string[]): Content {
    return Object.fromEntries(Object.entries(content).filter(([key]) => !keys.includes(key)));
}

/** True when the machine may have been changed although it failed. */
function isHalfDone(error: unknown): boolean {
    const codes = ["DAEMON_NOT_RUNNING", "REMOTE_COMMAND_FAILED", "TIMEOUT"];
    return isUnreachable(error) || (error instanceof FleetError && codes.includes(error.code));
}

function union(a: readonly Claim[], b: readonly Claim[]): Claim[] {
    return [...new Set([...a, ...b])];
}

function stateOf(
    machine: Machine,
    facts: DaemonFacts,
    claims: readonly Claim[],
    api: ApiWish | undefined,
    plan: string,
): DaemonState {
    const end = certificateEnd(api);
    return {
        plan,
        pending: pending(facts, claims),
        ...(facts.version === undefined ? {} : { engineVersion: facts.version }),
        ...(end === undefined ? {} : { certificateExpiresAt: end.toISOString() }),
        machineId: facts.machineId,
        hostKey: machine.hostKey,
        ...proxyHostKeysOf(machine),
        endpoint: `ssh://${machine.name}`,
        claims: [...claims],
        seen: {
            liveRestore: facts.info?.liveRestore ?? false,
            containers: runningOf(facts),
            loaded: told(facts, pending(facts, claims)),
        },
    };
}
