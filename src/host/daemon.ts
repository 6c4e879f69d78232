import { sha256 } from "../sha256";
import type { Machine } from "../ssh";
import { exclusiveFor } from "./exclusive";
import { type Listener, type Report, runReporting } from "./report";
import { hostScript } from "./script";

/** The file that holds the daemon's configuration. */
export const daemonFile = "/etc/docker/daemon.json";
/** Where our drop-ins for docker.service lie; their names begin with `docker-fleet-`. */
export const dropInDirectory = "/etc/systemd/system/docker.service.d";

/** A file on the machine. */
export interface FoundFile {
    path: string;
    /** SHA-256 of its content, in hex; `absent` for a file that is not there. */
    sum: string;
    content: string;
}

/** The record of a resource on the machine: whose it is, and what belongs to it. */
export interface OwnerRecord {
    /** The resource's URN. */
    owner: string;
    /** The settings that it claims. */
    claims: string[];
    /** True when there was no daemon.json before. */
    created?: boolean;
}

/** What the daemon says of itself. */
export interface DaemonInfo {
    version: string;
    liveRestore: boolean;
    debug: boolean;
    labels: string[];
    logDriver: string;
    /** All that there are. */
    logDrivers: string[];
    runtime: string;
    mirrors: string[];
    storage: string;
    root: string;
    images: number;
    containers: number;
    swarm: string;
}

/** A machine's Docker daemon and its configuration, as found. */
export interface DaemonFacts {
    machineId: string;
    os: string;
    systemd: boolean;
    /** Path of dockerd; undefined where there is no engine. */
    dockerd: string | undefined;
    file: FoundFile;
    /** When the file was changed last, in seconds. */
    fileChanged: number;
    /** Our drop-ins and what belongs to them. */
    dropIns: FoundFile[];
    /** The certificates and keys for TLS that are ours. */
    certificates: { path: string; sum: string; mode: string; owner: string }[];
    /** All records, by their names. */
    owners: Map<string, OwnerRecord>;
    /** What we last brought the daemon to read, and in which of its lives. */
    loaded: { invocation: string; content: string } | undefined;
    /** True when a change was killed in the middle of its work. */
    unfinished: boolean;
    /** docker.service, active or not. */
    active: boolean;
    /** What `systemctl cat docker.service` prints. */
    unit: string;
    environmentFiles: FoundFile[];
    /** The life of the daemon, and when it began, in seconds. */
    process: { invocation: string; since: number } | undefined;
    /** The engine's version, as far as it can be told. */
    version: string | undefined;
    /** Undefined when the daemon does not answer. */
    info: DaemonInfo | undefined;
    volumes: number;
    /** The IPv4 networks that the machine has a way to, each with the interface; not the default route. */
    routes: { network: string; device: string }[];
    containers: { name: string; policy: string }[];
}

/** A file to be written, or to be taken away. */
export interface FileChange {
    path: string;
    /** Undefined: no such file. */
    content: string | undefined;
    /** Octal. A file that is there keeps its own mode, unless this begins with `+`. */
    mode: string;
}

/** One step of a change. */
export interface ChangeStep {
    files: FileChange[];
    /** `sockets` is a restart together with docker.socket. */
    action: "none" | "reload" | "restart" | "sockets";
    /** True when all containers have to run through it. */
    keep: boolean;
    /** What the daemon has to say that it has loaded, as its reload event says it. */
    expect: Record<string, string>;
}

/** A change of the daemon's configuration. */
export interface DaemonChange {
    owner: { id: string; begin: OwnerRecord; end: OwnerRecord | undefined };
    /** What the daemon will have read afterwards. */
    loaded: string;
    /** The files that the change was computed from; another content means that it has to be computed again. */
    guards: Pick<FoundFile, "path" | "sum">[];
    /** How dockerd is started, without `--validate`; undefined for one that cannot validate a file. */
    validate: { content: string; command: string[] } | undefined;
    steps: ChangeStep[];
    /** What takes the reloads back. */
    undo: string;
}

const libraries = ["report", "facts", "services/systemd", "daemon/daemon"] as const;

/** How long we wait for another change of the same machine, in milliseconds. Nobody sets this through arguments; tests shorten it. */
export const daemonTiming = { machineLock: 10 * 60_000 };

/** Looks at the daemon and its configuration. One execution; changes nothing, and does not wake a stopped daemon. */
export async function observeDaemon(machine: Machine, listener: Listener): Promise<DaemonFacts> {
    const script = hostScript("daemon/observe", libraries);
    const step = "look at the Docker daemon";
    return readFacts(await runReporting(machine, { step, script, timeout: 120_000 }, listener));
}

/**
 * Changes the configuration in one transaction, under the machine's lock: it is in effect afterwards, or everything is as
 * it was and the error says why. One execution, which needs nobody to watch it.
 *
 * @returns what is there then; undefined when the files were changed by others meanwhile, and nothing was done
 */
export async function applyDaemon(
    machine: Machine,
    change: DaemonChange,
    listener: Listener,
): Promise<DaemonFacts | undefined> {
    const { owner, validate } = change;
    const encode = (text: string) => Buffer.from(text).toString("base64");
    const record = (value: OwnerRecord | undefined) =>
        value === undefined ? "" : encode(`${JSON.stringify(value)}\n`);
    const args = [
        ...["owner", owner.id, record(owner.begin), record(owner.end)],
        ...["loaded", encode(change.loaded)],
        ...change.guards.flatMap(({ path, sum }) => ["guard", path, sum]),
        ...(validate === undefined
            ? []
            : ["validate", encode(validate.content), String(validate.command.length), ...validate.command]),
        ...change.steps.flatMap(({ action, keep, files, expect }) => [
            ...["step", action, keep ? "yes" : "no"],
            ...files.flatMap(({ path, content, mode }) =>
                content === undefined ? ["drop", path] : ["put", path, mode, encode(content)],
            ),
            ...Object.entries(expect).flatMap(([key, value]) => ["expect", key, value]),
        ]),
        ...["undo", encode(change.undo)],
    ];
    const report = await runReporting(
        machine,
        {
            step: "configure the Docker daemon",
            script: hostScript("daemon/apply", libraries),
            args,
            timeout: 30 * 60_000,
            exclusive: exclusiveFor(owner.begin.owner, daemonTiming.machineLock),
        },
        listener,
    );
    return report.facts.some(({ key }) => key === "changed") ? undefined : readFacts(report);
}

/** The name of a resource's record on the machine. */
export function ownerId(urn: string): string {
    return sha256(urn).slice(0, 16);
}

function readFacts({ facts }: Report): DaemonFacts {
    const all = (key: string) => facts.filter((fact) => fact.key === key).map(({ values }) => values);
    const first = (key: string) => all(key)[0];
    const decode = (text: string | undefined) => Buffer.from(text ?? "", "base64").toString("utf8");
    const loaded = first("loaded");
    const process = first("process");
    const said = first("info")?.[0];
    const info = said === undefined ? undefined : (JSON.parse(decode(said)) as DaemonInfo);
    return {
        machineId: first("machine-id")?.[0] ?? "",
        os: first("os")?.[0] ?? "",
        systemd: first("init")?.[0] === "systemd",
        dockerd: first("dockerd")?.[0],
        file: { path: daemonFile, sum: first("file")?.[0] ?? "absent", content: decode(first("file-content")?.[0]) },
        fileChanged: Number(first("file-changed")?.[0] ?? 0),
        dropIns: all("drop-in").map(([path = "", sum = "", content]) => ({ path, sum, content: decode(content) })),
        certificates: all("certificate").map(([path = "", sum = "", mode = "", owner = ""]) => ({
            path,
            sum,
            mode,
            owner,
        })),
        owners: new Map(all("owner").map(([id = "", content]) => [id, readRecord(decode(content))])),
        loaded: loaded && { invocation: loaded[0] ?? "", content: decode(loaded[1]) },
        unfinished: first("unfinished") !== undefined,
        active: all("unit").some(([name, , active]) => name === "docker.service" && active === "active"),
        unit: decode(first("unit-text")?.[0]),
        environmentFiles: all("environment-file").map(([path = "", content]) => ({
            path,
            sum: "",
            content: decode(content),
        })),
        process: process && { invocation: process[0] ?? "", since: Number(process[1] ?? 0) },
        version: info?.version ?? (first("dockerd-version")?.[0] || undefined),
        info,
        volumes: Number(first("volumes")?.[0] ?? 0),
        routes: all("route").map(([network = "", device = ""]) => ({ network, device })),
        containers: all("container").map(([name = "", policy = ""]) => ({ name, policy })),
    };
}

/** A record that a power failure has left empty claims nothing. */
function readRecord(text: string): OwnerRecord {
    try {
        return JSON.parse(text) as OwnerRecord;
    } catch {
        return { owner: "unknown", claims: [] };
    }
}
