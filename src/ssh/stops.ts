import { FleetError } from "../errors";
import { machineName, type ResolvedConnection } from "./connection";
import { type HostKeyPolicy, hostKeyPolicy } from "./host-keys";
import { knownHostsName } from "./known-hosts";

/** The host keys that a caller saw first. Another one is refused, unless the connection's `hostKey` says otherwise. */
export interface KnownHostKeys {
    /** That of the machine. */
    knownHostKey?: string;
    /** Those of the jump hosts, by the names under which known_hosts lists them. */
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
    const { proxy } = connection;
    const before = proxy === undefined ? [] : hopsOf(proxy, known, machineName(connection));
    return [...before, { connection, policy: hostKeyPolicy(connection, known.knownHostKey) }];
}

function hopsOf(proxy: ResolvedConnection, { knownProxyHostKeys }: KnownHostKeys, machine: string): Stop[] {
    const knownHostKey = knownProxyHostKeys?.[knownHostsName(proxy.host, proxy.port)];
    try {
        return stopsOf(proxy, { knownHostKey, knownProxyHostKeys });
    } catch (error) {
        throw aboutProxy(error, machine);
    }
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
