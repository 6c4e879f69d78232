import { readFileSync } from "node:fs";
import { createServer } from "node:net";

/**
 * A port of 127.0.0.1 on which nothing listens, outside the range that the kernel gives to who asks for any port: the
 * Pulumi engine and its plugins do so at every command, and one of them took a port that had been free a moment before.
 */
export async function freePort(): Promise<number> {
    for (;;) {
        const port = 10_000 + Math.floor(Math.random() * (firstEphemeral() - 10_000));
        if (await isFree(port)) return port;
    }
}

function firstEphemeral(): number {
    try {
        return Number(/\d+/.exec(readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8"))?.[0]);
    } catch {
        // Not Linux: the range of IANA, which macOS keeps to.
        return 49_152;
    }
}

function isFree(port: number): Promise<boolean> {
    return new Promise((resolve) => {
        const server = createServer();
        server.once("error", () => resolve(false));
        server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
    });
}
