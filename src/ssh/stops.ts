import { FleetError } from "../errors";
import { machineName, type ResolvedConnection } from "./connection";
import { type HostKeyPolicy, hostKeyPolicy } from "./host-keys";
import { knownHostsName } from "./known-hosts";

/** The host keys that a caller saw first. Another one is refused, unless the connection's `hostKey` says otherwise. */
export interface KnownHostKeys {
    /** That of the machine. */
    knownHostKey?: string;
    /** Those of the jump hosts, as {@link proxyHostKeys} writes them. */
    knownProxyHostKeys?: Readonly<Record<string, string>>;
}

/** One machine on the way to another one, or that one itself. */
export interface Stop {
    connection: ResolvedConnection;
    policy: HostKeyPolicy;
}

/**
 * The machines on the way: the outermost jump host first, the one to be reached last.
 *
 * @throws FleetError INVALID_ARGUMENT
 */
export function stopsOf(connection: ResolvedConnection, known: KnownHostKeys): Stop[] {
    const hops = hopsOf(connection);
    const keys = rememberedKeys(hops, known.knownProxyHostKeys ?? {});
    return stopsWith(connection, [...keys, known.knownHostKey]);
}

/** @param keys what is remembered of each stop, the machine itself last */
function stopsWith(connection: ResolvedConnection, keys: (string | undefined)[]): Stop[] {
    const { proxy } = connection;
    const before = proxy === undefined ? [] : hopStops(proxy, keys.slice(0, -1), machineName(connection));
    return [...before, { connection, policy: hostKeyPolicy(connection, keys.at(-1)) }];
}

function hopStops(proxy: ResolvedConnection, keys: (string | undefined)[], machine: string): Stop[] {
    try {
        return stopsWith(proxy, keys);
    } catch (error) {
        throw aboutProxy(error, machine);
    }
}

/** The jump hosts of a connection, the outermost first. */
export function hopsOf({ proxy }: ResolvedConnection): ResolvedConnection[] {
    return proxy === undefined ? [] : [...hopsOf(proxy), proxy];
}

/**
 * The keys of jump hosts in the form in which a resource keeps them: by their names in known_hosts. In different networks two
 * may have the same name; the second one from outside then is `NAME (2)`, and so on.
 *
 * @param keys those that the hops of the connection have shown, the outermost first
 */
export function proxyHostKeys(connection: ResolvedConnection, keys: readonly string[]): Record<string, string> {
    const names = uniqueNames(hopsOf(connection));
    return Object.fromEntries(keys.map((key, index) => [names[index]!, key]));
}

/** What is remembered of each hop, the outermost first. */
function rememberedKeys(hops: ResolvedConnection[], known: Readonly<Record<string, string>>): (string | undefined)[] {
    const names = uniqueNames(hops);
    return hops.map((hop, index) => {
        const name = nameOf(hop);
        const isNumbered = known[numbered(name, 2)] !== undefined;
        const isLast = !hops.slice(index + 1).some((other) => nameOf(other) === name);
        // Earlier versions knew no numbers: of several hops with one name the last one's key was kept.
        return isNumbered ? known[names[index]!] : isLast ? known[name] : undefined;
    });
}

function uniqueNames(hops: ResolvedConnection[]): string[] {
    const seen = new Map<string, number>();
    return hops.map((hop) => {
        const name = nameOf(hop);
        const count = (seen.get(name) ?? 0) + 1;
        seen.set(name, count);
        return numbered(name, count);
    });
}

function numbered(name: string, count: number): string {
    return count === 1 ? name : `${name} (${count})`;
}

function nameOf({ host, port }: ResolvedConnection): string {
    return knownHostsName(host, port);
}

/** An error of a jump host, as those have to hear it who want to get to the machine behind it. */
export function aboutProxy(error: unknown, machine: string): unknown {
    if (!(error instanceof FleetError)) {
        return error;
    }
    const fromHere = (text: string) => text.replace(/\bconnection\.(?=[a-z])/g, "connection.proxy.");
    return error.retold(({ step, message, cure }) => ({
        message: fromHere(message),
        ...(cure === undefined ? {} : { cure: fromHere(cure) }),
        step: step?.includes("jump host of") ? step : `${step ?? "connect"} (jump host of ${machine})`,
    }));
}
