import type { Socket } from "node:net";
import type { ProxyServer } from "../proxy-url";
import { ProxyRefusal } from "./refusal";

/** Far more than any dial may take: whoever calls keeps the clock, and hangs up. */
const never = 2 ** 31 - 1;

/** Has a SOCKS5 proxy connect a socket to a machine. @throws ProxyRefusal */
export async function connectThroughSocks(
    socket: Socket,
    { user, password, port: proxyPort, host: proxyHost }: ProxyServer,
    host: string,
    port: number,
): Promise<void> {
    const { SocksClient } = require("socks") as typeof import("socks");
    const login = user === "" && password === "" ? {} : { userId: user, password };
    try {
        await SocksClient.createConnection({
            proxy: { host: proxyHost, port: proxyPort, type: 5, ...login },
            destination: { host, port },
            command: "connect",
            existing_socket: socket,
            timeout: never,
        });
    } catch (error) {
        throw explain((error as Error).message);
    }
}

const loginNeeded = "it lets nobody in without user and password, or not with these";

/** The library tells everything in its messages; the codes in them are the names of RFC 1928. */
function explain(message: string): ProxyRefusal {
    const [, code] = /rejected connection - (\w+)/.exec(message) ?? [];
    if (code !== undefined) {
        return code === "NotAllowed"
            ? new ProxyRefusal("forbidden", "connections to this machine are not allowed")
            : new ProxyRefusal("target", words[code] ?? "it could not reach the machine");
    }
    if (/authentication failed|no accepted authentication|unknown authentication/i.test(message)) {
        return new ProxyRefusal("login", loginNeeded);
    }
    return /socket closed|ECONNRESET|EPIPE/i.test(message)
        ? new ProxyRefusal("target", "it closed the connection")
        : new ProxyRefusal("other", "it does not speak SOCKS5");
}

const words: Record<string, string> = {
    NetworkUnreachable: "network unreachable",
    HostUnreachable: "host unreachable",
    ConnectionRefused: "connection refused",
    TTLExpired: "no answer",
    AddressNotSupported: "it does not support this kind of address",
};
