/** A SOCKS5 or HTTP proxy. */
export interface ProxyServer {
    kind: "socks5" | "http";
    host: string;
    port: number;
    user: string;
    password: string;
    /** For messages: without user and password. */
    name: string;
}

const defaultPorts = { socks5: 1080, http: 80 };

/** RFC 1929 gives a user's name, and a password, one byte for its length. */
const longest = 255;

/** Takes `proxyUrl` apart. @returns the proxy, or what is wrong, as the rest of a sentence */
export function parseProxyUrl(text: string): ProxyServer | string {
    let url: URL;
    try {
        url = new URL(text);
    } catch {
        return 'must be a URL such as "socks5://proxy.example.org:1080" or "http://user:password@proxy.example.org:3128".';
    }
    const kind = ({ "socks5:": "socks5", "socks5h:": "socks5", "http:": "http" } as const)[url.protocol];
    if (kind === undefined) {
        return `must begin with socks5:// or http://, not with ${url.protocol}//.`;
    }
    if (url.hostname === "" || !/^\/?$/.test(url.pathname) || url.search !== "" || url.hash !== "") {
        return "must name a host, and nothing behind host and port.";
    }
    let user: string;
    let password: string;
    try {
        [user, password] = [decodeURIComponent(url.username), decodeURIComponent(url.password)];
    } catch {
        return "has a user or a password in which a % is not followed by two hexadecimal digits: a % itself is written %25.";
    }
    if (kind === "socks5" && [user, password].some((part) => Buffer.byteLength(part) > longest)) {
        return `has a user or a password of more than ${longest} bytes, which SOCKS5 cannot transmit.`;
    }
    const port = url.port === "" ? defaultPorts[kind] : Number(url.port);
    const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
    return { kind, host, port, user, password, name: `${kind}://${url.hostname}:${port}` };
}
