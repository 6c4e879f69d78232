import { isIP } from "node:net";
import { sha256 } from "../../sha256";
import type { Content } from "./merge";
import { sameContent } from "./merge";

/** Certificate, key and trust of a server, each in PEM. */
export interface ApiTls {
    ca: string;
    cert: string;
    key: string;
}

/** How the API is to be reached besides the machine's own socket. */
export interface ApiWish {
    tcp?: {
        /** Default: all addresses. */
        address?: string;
        port?: number;
        tls?: ApiTls;
        allowUnprotected?: boolean;
    };
}

/** Where our certificates lie on a machine. */
export const tlsDirectory = "/etc/docker/docker-fleet-tls";

/** A file of certificates, or with a key. */
export interface TlsFile {
    path: string;
    content: string;
}

/**
 * The files of a server's TLS. Their names come from their content: another certificate is another file, so the change of a
 * certificate is a change of daemon.json, with all that belongs to one: it is never half done, and can be taken back.
 */
export function tlsFiles({ tcp }: ApiWish): Record<keyof ApiTls, TlsFile> | undefined {
    if (tcp?.tls === undefined) return undefined;
    const { ca, cert, key } = tcp.tls;
    const file = (name: string, pem: string) => {
        const content = `${pem.trim()}\n`;
        return { path: `${tlsDirectory}/${name}-${sha256(content).slice(0, 16)}.pem`, content };
    };
    return { ca: file("ca", ca), cert: file("cert", cert), key: file("key", key) };
}

/** The port of the API, Docker's own numbers where none is given. */
export function tcpPort({ port, tls }: { port?: number; tls?: unknown }): number {
    return port ?? (tls === undefined ? 2375 : 2376);
}

/** Where the API listens on TCP. */
export function tcpAddress({ address = "0.0.0.0", port, tls }: NonNullable<ApiWish["tcp"]>): string {
    return `tcp://${isIP(address) === 6 ? `[${address}]` : address}:${tcpPort({ port, tls })}`;
}

/** Address and port of the first of Docker's `hosts` that is a TCP one. */
export function readTcpAddress(hosts: readonly string[]): { address: string; port: number } | undefined {
    for (const host of hosts) {
        const [, six, four = six, port] = /^tcp:\/\/(?:\[(.*)\]|([^:]*)):(\d+)$/.exec(host) ?? [];
        if (four !== undefined) return { address: four, port: Number(port) };
    }
    return undefined;
}

/**
 * The settings that an API wish stands for. The addresses are the program's own business where `settings` has `hosts`.
 *
 * @param socket how the unit gives the daemon the machine's own socket
 */
export function apiSettings(api: ApiWish | undefined, settings: Content, socket: string): Content {
    if (api?.tcp === undefined) return {};
    const files = tlsFiles(api);
    const hosts = settings.hosts === undefined ? { hosts: [socket, tcpAddress(api.tcp)] } : {};
    if (files === undefined) {
        // Said outright, or newer daemons sleep 15 s at each start to make people think.
        return settings.tls === undefined ? { ...hosts, tls: false } : hosts;
    }
    return {
        ...hosts,
        // Implied by the next one; said, so that nobody else's false stands beside it.
        tls: true,
        tlsverify: true,
        tlscacert: files.ca.path,
        tlscert: files.cert.path,
        tlskey: files.key.path,
    };
}

/** What of the wish is there, by the file: where that differs from the wish, a refresh shows it. */
export function apiAsFound(api: ApiWish, file: Content, wanted: Content): ApiWish | undefined {
    if (Object.entries(wanted).every(([key, value]) => sameContent(file[key], value))) return api;
    const { tcp } = api;
    const hosts = Array.isArray(file.hosts) ? file.hosts.filter((host) => typeof host === "string") : [];
    const found = readTcpAddress(hosts);
    if (tcp === undefined || !found) return undefined;
    const secured = ["tls", "tlsverify", "tlscacert", "tlscert", "tlskey"].every((key) =>
        sameContent(file[key], wanted[key]),
    );
    return {
        tcp: {
            ...found,
            ...(tcp.tls !== undefined && secured ? { tls: tcp.tls } : {}),
            ...(file.tlsverify === true ? {} : { allowUnprotected: true }),
        },
    };
}
