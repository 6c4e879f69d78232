import { randomUUID } from "node:crypto";
import { FleetError } from "../errors";
import { sha256 } from "../sha256";
import { type Connection, machineName, placeOf, type ResolvedConnection, resolveConnection } from "./connection";
import { agentSocket, collectCredentials } from "./credentials";
import { dial } from "./dial";
import { judgeHostKey } from "./host-keys";
import type { Link } from "./link";
import { LinkedMachine, type Machine } from "./machine";
import { mask } from "./mask";
import { forgetAllRefusals, recentRefusal, rememberRefusal } from "./refusals";
import { withSshConfig } from "./ssh-config";
import { aboutProxy, type KnownHostKeys, type Stop, stopsOf } from "./stops";
import { TranscribedMachine } from "./transcribed-machine";
import { isTranscribing, transcribe } from "./transcript";

/** What a caller of {@link connect} adds to the connection. */
export interface ConnectOptions extends KnownHostKeys {
    /** Gets a line for each try while waiting: `"waiting for 203.0.113.10: connection refused (try 3)"`. */
    onProgress?: (line: string) => void;
    /** Milliseconds for all tries together. Default: as many tries as `dialErrorLimit` allows. */
    timeout?: number;
    /** Log in anew, on a connection that nobody else gets: to find out whether a login works. The caller closes it. */
    fresh?: boolean;
    /**
     * Not the connection of this machine but one that is logged in later, for all who connect from now on: a login has the groups
     * that its user had when it began.
     */
    newerThan?: Machine;
}

/** How somebody waits for a connection. */
interface Waiting {
    onProgress?: (line: string) => void;
    timeout?: number;
    fresh?: boolean;
    /** Called off: he waits no more. */
    signal?: AbortSignal;
}

interface Entry {
    /** Where it is in the pool. */
    key: string;
    link: Promise<Link>;
    /** Set once it is up. */
    live?: Link;
    /** Calls off the dialing when nobody waits any more. */
    abort: AbortController;
    /** Takes it out of the pool. */
    forget: () => void;
    waiting: Set<(line: string) => void>;
    lastLine?: string;
}

const pool = new Map<string, Entry>();

/**
 * Logs in to a machine, or hands out the connection that this process already has to it. Callers at the same time share
 * one dial; every caller's own idea of the host key is enforced.
 *
 * @throws FleetError INVALID_ARGUMENT, SSH_CONFIG_INVALID, PRIVATE_KEY_INVALID, NO_AUTHENTICATION_METHOD, HOST_UNREACHABLE, HOST_NAME_UNKNOWN,
 * PROXY_FAILED, AUTHENTICATION_FAILED, HOST_KEY_MISMATCH, HOST_KEY_UNKNOWN, HOST_KEY_REVOKED, TIMEOUT,
 * TRANSCRIPT_UNWRITABLE; those of a jump host name it
 */
export async function connect(connection: Connection, options: ConnectOptions = {}): Promise<Machine> {
    const resolved = resolveConnection(await withSshConfig(connection));
    if (options.newerThan !== undefined) {
        setAside(links.get(options.newerThan));
    }
    const link = await reach(stopsOf(resolved, options), options);
    const another = () => connect(connection, { ...options, newerThan: undefined, fresh: true, timeout: 15_000 });
    const linked = new LinkedMachine(link, resolved, another);
    const machine = isTranscribing() ? new TranscribedMachine(linked, (text) => mask(text, resolved)) : linked;
    links.set(machine, link);
    return machine;
}

const links = new WeakMap<Machine, Link>();

/** Hands a connection to nobody any more; who has it keeps it. */
function setAside(link: Link | undefined): void {
    for (const entry of pool.values()) {
        if (link !== undefined && entry.live === link) {
            entry.forget();
            // It is still to be closed with all others.
            entry.key = `${entry.key} ${randomUUID()}`;
            pool.set(entry.key, entry);
            return;
        }
    }
}

/** Closes every connection of this process, also those that are just being opened. */
export async function closeAllConnections(): Promise<void> {
    const entries = [...pool.values()];
    pool.clear();
    forgetAllRefusals();
    for (const entry of entries) {
        entry.abort.abort();
    }
    await Promise.all(entries.map(async (entry) => entry.link.then((link) => link.close()).catch(() => {})));
}

/** Connects to the last of the stops, over those before it. */
async function reach(stops: Stop[], wait: Waiting): Promise<Link> {
    const identity = wait.fresh ? randomUUID() : identityOf(stops.at(-1)!.connection);
    const link = await obtain(identity, stops, wait);
    const isTrusted = ({ connection, policy }: Stop, index: number) =>
        judgeHostKey(link.hostKeys[index]!, policy, connection) === undefined;
    if (stops.every(isTrusted)) {
        return link;
    }
    // A machine has several host keys. The one this connection was opened with is not the one this caller knows, so
    // the server has to prove the other one: on a connection of its own, which fails when it cannot.
    const known = stops.map(({ policy }) => policy.accepted.join(",")).join(" ");
    return obtain(`${identity} ${known}`, stops, wait);
}

async function obtain(key: string, stops: Stop[], wait: Waiting): Promise<Link> {
    const refusal = recentRefusal(key);
    if (refusal !== undefined) {
        throw refusal;
    }
    let entry = pool.get(key);
    if (entry === undefined || entry.live?.isLost) {
        entry = open(key, stops);
    }
    return entry.live ?? waitFor(entry, stops.at(-1)!.connection, wait);
}

function open(key: string, stops: Stop[]): Entry {
    const { connection, policy } = stops.at(-1)!;
    const before = stops.slice(0, -1);
    const abort = new AbortController();
    const waiting: Entry["waiting"] = new Set();
    const progress = (line: string) => {
        entry.lastLine = line;
        for (const tell of waiting) {
            tell(line);
        }
    };
    const forget = () => {
        if (pool.get(entry.key) === entry) {
            pool.delete(entry.key);
        }
    };
    const reachHop =
        before.length === 0
            ? undefined
            : () =>
                  reach(before, { onProgress: progress, signal: abort.signal }).catch((error) => {
                      throw aboutProxy(error, machineName(connection));
                  });
    const action = { machine: machineName(connection), action: "connect", step: "connect" } as const;
    const link = transcribe(
        action,
        (text) => text,
        async () => dial(connection, policy, await collectCredentials(connection), reachHop, progress, abort.signal),
    );
    const entry: Entry = { key, link, abort, forget, waiting };
    pool.set(key, entry);
    link.then(
        (up) => {
            entry.live = up;
            up.onLost(forget);
        },
        (error) => {
            forget();
            // Not that of a jump host, which is remembered as its own.
            if (error.code === "AUTHENTICATION_FAILED" && error.machine === machineName(connection)) {
                rememberRefusal(key, placeOf(connection), error);
            }
        },
    );
    return entry;
}

function waitFor(entry: Entry, connection: ResolvedConnection, options: Waiting): Promise<Link> {
    const tell = (line: string) => options.onProgress?.(line);
    entry.waiting.add(tell);
    return new Promise<Link>((resolve, reject) => {
        const timer =
            options.timeout === undefined
                ? undefined
                : setTimeout(() => {
                      const last = entry.lastLine === undefined ? "" : ` Last: ${entry.lastLine}.`;
                      leave();
                      reject(
                          new FleetError({
                              code: "TIMEOUT",
                              machine: machineName(connection),
                              step: "connect",
                              message: `No connection within ${options.timeout! / 1000} s.${last}`,
                              cure: "Check that the machine is up and that connection.host and connection.port are right.",
                          }),
                      );
                  }, options.timeout);
        const abort = () => {
            leave();
            reject(
                new FleetError({
                    code: "HOST_UNREACHABLE",
                    machine: machineName(connection),
                    step: "connect",
                    message: "Nobody waits any more.",
                }),
            );
        };
        const leave = () => {
            clearTimeout(timer);
            options.signal?.removeEventListener("abort", abort);
            entry.waiting.delete(tell);
            if (entry.waiting.size === 0 && entry.live === undefined) {
                entry.forget();
                entry.abort.abort();
            }
        };
        options.signal?.addEventListener("abort", abort);
        entry.link.then(
            (link) => {
                leave();
                resolve(link);
            },
            (error) => {
                leave();
                reject(error);
            },
        );
    });
}

/** Everything that decides who we are at which machine, and how we get there. Hashed, so that no secret lies in a key. */
function identityOf(connection: ResolvedConnection): string {
    const { host, port, user, password, privateKey, privateKeyPassword, identityFile, configured } = connection;
    const { proxy, proxyCommand, proxyUrl } = connection;
    const way = [proxy && identityOf(proxy), proxyCommand, proxyUrl];
    const keys = [privateKey, privateKeyPassword, identityFile, configured?.identityFiles, configured?.identitiesOnly];
    const parts = [host, port, user, password, ...keys, agentSocket(connection), way];
    return sha256(JSON.stringify(parts));
}
