import { type Connection, closeAllConnections, connect, connectionName, type Machine, withSshConfig } from "../ssh";
import type { Context } from "./definition";
import { onShutdown } from "./lifecycle";

/** What a resource remembers of the machine that it was last on. */
export interface KnownMachine {
    /** The key that it showed, e.g. `ssh-ed25519 AAAA…`. */
    hostKey: string;
    /** Where it was: `ssh://user@host`, with `:port` unless it is 22. */
    endpoint: string;
    /** The keys of the jump hosts on the way to it, by the names under which known_hosts lists them. */
    proxyHostKeys?: Record<string, string>;
}

let registered = false;

/**
 * The machine of a resource, over the connection that all resources share. The key that it showed first is enforced for as
 * long as it is at the same address; at another address there is another machine, or the same one under a new name, and the
 * connection's own rules about unknown keys hold.
 *
 * @throws FleetError the errors of every connection
 */
export async function openMachine(
    connection: Connection,
    known: KnownMachine | undefined,
    context: Pick<Context, "progress">,
): Promise<Machine> {
    if (!registered) {
        registered = true;
        onShutdown(closeAllConnections);
    }
    const configured = await withSshConfig(connection);
    const sameAddress = known !== undefined && addressOf(known.endpoint) === addressOf(connectionName(configured));
    return connect(configured, {
        knownHostKey: sameAddress ? known.hostKey : undefined,
        knownProxyHostKeys: known?.proxyHostKeys,
        onProgress: context.progress,
    });
}

/** The part of a resource's state that tells the keys of the jump hosts, where there are any. */
export function proxyHostKeysOf(machine: Machine): Pick<KnownMachine, "proxyHostKeys"> {
    return Object.keys(machine.proxyHostKeys).length === 0 ? {} : { proxyHostKeys: { ...machine.proxyHostKeys } };
}

/**
 * Whether a resource is still on the machine that it was on. Where its connection leads to another one, that is said: what is
 * on the old one is left alone.
 *
 * @param prior undefined for a resource that was on no machine yet
 */
export function isSameMachine(
    prior: (KnownMachine & { machineId: string }) | undefined,
    machineId: string,
    machine: Machine,
    context: Pick<Context, "warn">,
): boolean {
    if (prior === undefined || prior.machineId === machineId) return true;
    context.warn(
        `${machine.name} is another machine (machine-id ${machineId}) than the one managed so far ` +
            `(${prior.endpoint}, machine-id ${prior.machineId}). That one is left as it is.`,
    );
    return false;
}

/** `host` or `host:port` of a name or a URL with a user in it. */
function addressOf(name: string): string {
    return name.slice(name.lastIndexOf("@") + 1);
}
