import { lookup } from "node:dns/promises";
import { isIP, connect as openSocket, type Socket } from "node:net";

/** So long an address may be silent before the next one is tried, in ms. */
const patience = 2_500;

/**
 * Opens a TCP connection. Of a name with several addresses one after the other is tried, so that none that is dead uses up
 * the whole time.
 *
 * @param time how long all of it may take, in ms; whoever calls keeps the clock
 * @param signal calls it off
 * @throws the error of the socket or of the name server
 */
export async function openTcp(host: string, port: number, time: number, signal: AbortSignal): Promise<Socket> {
    const addresses = isIP(host) ? [{ address: host, family: isIP(host) }] : await lookup(host, { all: true });
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
        const socket = openSocket({
            host,
            port,
            noDelay: true,
            signal,
            autoSelectFamily: true,
            // A little is left for the login over the last of them.
            autoSelectFamilyAttemptTimeout: Math.ceil(Math.min(patience, (0.8 * time) / addresses.length)),
            lookup: (_host, _options, found) => found(null, addresses),
        });
        socket.once("error", reject);
        socket.once("connect", () => {
            socket.off("error", reject);
            resolve(socket);
        });
    });
}
