import { request } from "node:http";

/** What a port of a machine answers to a plain request: the API in the open, something else, or nothing. */
export type Exposure = "open" | "closed to plain requests" | "not reachable";

/**
 * Asks a port without TLS for the API, as anybody could. Never throws.
 *
 * @param ms how long it may take
 */
export function probeExposure(host: string, port: number, ms = 5_000): Promise<Exposure> {
    return new Promise((resolve) => {
        const asked = request({ host, port, path: "/_ping", timeout: ms, agent: false }, (response) => {
            // A daemon with TLS answers a plain request, too: with status 400 and a word about HTTPS.
            resolve(response.statusCode === 200 ? "open" : "closed to plain requests");
            response.destroy();
        });
        const end = setTimeout(() => asked.destroy(), ms);
        let connected = false;
        asked.on("socket", (socket) => socket.on("connect", () => (connected = true)));
        asked.on("timeout", () => asked.destroy());
        asked.on("error", () => resolve(connected ? "closed to plain requests" : "not reachable"));
        asked.on("close", () => {
            clearTimeout(end);
            resolve(connected ? "closed to plain requests" : "not reachable");
        });
        asked.end();
    });
}
