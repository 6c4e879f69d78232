import type { Connection } from "./connection";
import { parseProxyUrl } from "./proxy-url";

/** What is wrong with the way that a connection takes: the argument, and the rest of a sentence. */
export interface ProxyMistake {
    argument: "host" | "user" | "proxyCommand" | "proxyUrl";
    message: string;
}

/** Checks `proxy`, `proxyCommand` and `proxyUrl`, and what goes into them. */
export function proxyMistake(connection: Connection): ProxyMistake | undefined {
    const { host, user, proxy, proxyCommand, proxyUrl } = connection;
    if (proxyUrl !== undefined) {
        if (proxy !== undefined || proxyCommand !== undefined) {
            return { argument: "proxyUrl", message: onlyOne };
        }
        const server = parseProxyUrl(proxyUrl);
        if (typeof server === "string") {
            return { argument: "proxyUrl", message: server };
        }
        if (host.includes("%")) {
            return { argument: "host", message: "must not name an interface (%) when a proxy is to connect to it." };
        }
    }
    if (proxyCommand !== undefined) {
        if (proxy !== undefined) {
            return { argument: "proxyCommand", message: onlyOne };
        }
        const unknown = proxyCommand.match(/%(?:.|$)/gs)?.find((token) => !/^%[%hnpr]$/.test(token));
        if (unknown !== undefined) {
            return {
                argument: "proxyCommand",
                message: `has the unknown token ${unknown}: there are %h, %n, %p, %r, and %% for a percent sign.`,
            };
        }
        // They come from elsewhere, and go to a shell.
        for (const [argument, value] of [
            ["host", host],
            ["user", user],
        ] as const) {
            if (value !== undefined && !/^[\w.:%@+][\w.:%@+-]*$/.test(value)) {
                return { argument, message: "has characters in it that must not get into connection.proxyCommand." };
            }
        }
    }
    return undefined;
}

const onlyOne = "cannot be set together with another way: only one of proxy, proxyCommand and proxyUrl.";
