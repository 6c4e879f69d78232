import { machineName, type ResolvedConnection } from "../connection";
import type { Link } from "../link";
import type { Stream } from "../stream";
import { startCommand } from "./command";
import { openThrough } from "./hop";
import { openThroughProxy } from "./proxy";
import { openTcp } from "./tcp";

/**
 * Opens what the SSH connection to a machine goes over.
 *
 * @param hop the jump host in front of the machine, if there is one
 * @param signal calls it off
 * @throws DialFailure, or the error of a socket
 */
export async function openStream(
    connection: ResolvedConnection,
    hop: Link | undefined,
    signal: AbortSignal,
): Promise<Stream> {
    const { host, port, perDialTimeout, proxyCommand, proxyUrl } = connection;
    if (hop !== undefined) {
        return openThrough(hop, host, port, machineName(connection));
    }
    if (proxyCommand !== undefined) {
        return startCommand(proxyCommand, connection);
    }
    if (proxyUrl !== undefined) {
        return openThroughProxy(proxyUrl, connection, signal);
    }
    return openTcp(host, port, perDialTimeout * 1000, signal);
}
