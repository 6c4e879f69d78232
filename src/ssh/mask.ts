import type { Connection } from "./connection";
import { parseProxyUrl } from "./proxy-url";

const secretKeys = ["password", "sudoPassword", "rootPassword", "privateKeyPassword", "privateKey"] as const;

/**
 * Takes every secret of a connection, and of those it goes through, out of a text that comes from a machine or from a library, so that it may stand in a
 * message. Of a private key every line is masked.
 */
export function mask(text: string, connection: Connection): string {
    const secrets = secretsOf(connection)
        // A secret that contains another one must go first, or its rest would stay readable.
        .sort((a, b) => b.length - a.length);
    return secrets.reduce((masked, secret) => masked.replaceAll(secret, "[secret]"), text);
}

function secretsOf(connection: Connection): string[] {
    const own = secretKeys
        .flatMap((key) => (key === "privateKey" ? lines(connection[key]) : [connection[key]]))
        .filter((secret): secret is string => secret !== undefined && secret !== "");
    const { proxy, proxyUrl } = connection;
    return [...own, ...secretsOfUrl(proxyUrl), ...(proxy === undefined ? [] : secretsOf(proxy))];
}

function secretsOfUrl(url: string | undefined): string[] {
    const server = url === undefined ? "" : parseProxyUrl(url);
    if (typeof server === "string" || server.password === "") {
        return [];
    }
    const basic = Buffer.from(`${server.user}:${server.password}`).toString("base64");
    return [url!, server.password, new URL(url!).password, basic];
}

function lines(key: string | undefined): string[] {
    return (key ?? "")
        .split(/[\r\n]+/)
        .map((line) => line.trim())
        .filter((line) => line.length > 15 && !line.startsWith("-----"));
}
