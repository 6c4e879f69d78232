import { readTcpAddress } from "../../docker/daemon/api";
import { type Claim, type Content, everything, keysOf, parse } from "../../docker/daemon/merge";
import { notInEffect, type Running, type Situation } from "../../docker/daemon/plan";
import { expand, givenFlags, readEnvironmentFile, readUnit, type Word } from "../../docker/daemon/unit";
import { type DaemonFacts, dropInDirectory } from "../daemon";

/** The drop-in that takes `-H` out of the unit, so that the file can say `hosts`. */
export const hostsPath = `${dropInDirectory}/docker-fleet-hosts.conf`;
/** The drop-in that gives the daemon its environment. */
export const environmentConf = `${dropInDirectory}/docker-fleet-environment.conf`;
/** What {@link environmentConf} names: only root can read it. */
export const environmentPath = `${dropInDirectory}/docker-fleet-environment.env`;
const ourDropIns = [hostsPath, environmentConf];

/** The file's content; `otherwise` for one that cannot be read. */
export function parseOr<T>(text: string, otherwise: T): Content | T {
    try {
        return parse(text);
    } catch {
        return otherwise;
    }
}

/** How the unit starts the daemon without our drop-ins. */
export function unitOf(facts: DaemonFacts): {
    command: string;
    path: string;
    words: Word[];
    sources: Map<string, string>;
} {
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

/** What {@link unitOf} finds. */
export type Unit = ReturnType<typeof unitOf>;

/** What the daemon has read: what we brought it to read in this life of it, else the file, if that is older. */
export function situationOf(facts: DaemonFacts, file: Content, unitChanges: boolean): Situation {
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

/** The containers that run, as a plan counts them. */
export function runningOf({ containers }: DaemonFacts): Running[] {
    return containers.map(({ name, policy }) => ({
        name,
        comesBack: policy === "always" || policy === "unless-stopped",
    }));
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
