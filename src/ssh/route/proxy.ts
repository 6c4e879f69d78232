import type { Socket } from "node:net";
import type { ErrorCode } from "../../errors";
import { machineName, type ResolvedConnection } from "../connection";
import { capital, DialFailure, type Failure, type SocketError, socketErrorWords } from "../failure";
import { type ProxyServer, parseProxyUrl } from "../proxy-url";
import type { Stream } from "../stream";
import { connectThroughHttp } from "./http-connect";
import { ProxyRefusal } from "./refusal";
import { connectThroughSocks } from "./socks";
import { openTcp } from "./tcp";

/** Opens a stream through a SOCKS5 or HTTP proxy. The proxy looks up the machine's name. @throws DialFailure */
export async function openThroughProxy(
    url: string,
    connection: ResolvedConnection,
    signal: AbortSignal,
): Promise<Stream> {
    const server = parseProxyUrl(url) as ProxyServer;
    const { host, port, perDialTimeout } = connection;
    let socket: Socket;
    try {
        socket = await openTcp(server.host, server.port, perDialTimeout * 1000, signal);
    } catch (error) {
        throw unreachable(error as SocketError, server, connection);
    }
    const hangUp = () => socket.destroy();
    signal.addEventListener("abort", hangUp);
    try {
        await (server.kind === "socks5" ? connectThroughSocks : connectThroughHttp)(socket, server, host, port);
        return socket;
    } catch (error) {
        socket.destroy();
        throw refused(error as Error, server, connection);
    } finally {
        signal.removeEventListener("abort", hangUp);
    }
}

function unreachable(error: SocketError, server: ProxyServer, connection: ResolvedConnection): DialFailure {
    const isUnknown = error.code === "ENOTFOUND";
    return failure(connection, {
        code: isUnknown ? "HOST_NAME_UNKNOWN" : "HOST_UNREACHABLE",
        reason: `the proxy ${server.name} cannot be reached: ${socketErrorWords(error)}`,
        retry: isUnknown ? "briefly" : "as told",
        cure: "Check connection.proxyUrl, and that the proxy runs.",
    });
}

function refused(error: Error, server: ProxyServer, connection: ResolvedConnection): DialFailure {
    // A library's error may hold its options, and among them the password: nothing of it but the text goes on.
    const kind = error instanceof ProxyRefusal ? error.kind : "target";
    const cure = {
        login: "Check the user and the password in connection.proxyUrl.",
        forbidden: `Check that the proxy allows connections to port ${connection.port}, or set connection.port to one that it allows.`,
        target: "Check that the machine is up, and that connection.host and connection.port are right as seen from the proxy.",
        other: "Check that connection.proxyUrl names the right kind of proxy (socks5:// or http://) and its port.",
    }[kind];
    return failure(connection, {
        code: kind === "target" ? "HOST_UNREACHABLE" : "PROXY_FAILED",
        reason: `the proxy ${server.name} did not connect us: ${error.message}`,
        retry: kind === "target" ? "as told" : "never",
        cure,
    });
}

function failure(
    connection: ResolvedConnection,
    { code, reason, retry, cure }: { code: ErrorCode; reason: string; retry: Failure["retry"]; cure: string },
): DialFailure {
    const machine = machineName(connection);
    return new DialFailure({
        reason,
        retry,
        details: { code, machine, step: "connect", message: `${capital(reason)}.`, cure },
    });
}
