import { request } from "node:http";
import type { Socket } from "node:net";
import type { ProxyServer } from "../proxy-url";
import { ProxyRefusal } from "./refusal";

/** Has an HTTP proxy connect a socket to a machine (RFC 9110, CONNECT). @throws ProxyRefusal */
export function connectThroughHttp(
    socket: Socket,
    { user, password }: ProxyServer,
    host: string,
    port: number,
): Promise<void> {
    const target = `${host.includes(":") ? `[${host}]` : host}:${port}`;
    const login = Buffer.from(`${user}:${password}`).toString("base64");
    return new Promise((resolve, reject) => {
        const asking = request({
            method: "CONNECT",
            path: target,
            headers: {
                host: target,
                ...(user === "" && password === "" ? {} : { "proxy-authorization": `Basic ${login}` }),
            },
            createConnection: () => socket,
        });
        asking.once("connect", (response, _socket, head) => {
            const { statusCode = 0, statusMessage = "" } = response;
            if (statusCode >= 200 && statusCode < 300) {
                // What the server has said already belongs to whoever reads next.
                socket.unshift(head);
                resolve();
            } else {
                reject(explain(statusCode, statusMessage));
            }
        });
        asking.once("response", ({ statusCode = 0, statusMessage = "" }) => reject(explain(statusCode, statusMessage)));
        asking.once("error", (error: Error & { code?: string }) =>
            reject(
                /^HPE_/.test(error.code ?? "")
                    ? new ProxyRefusal("other", "it does not speak HTTP")
                    : new ProxyRefusal("target", "it closed the connection"),
            ),
        );
        asking.end();
    });
}

function explain(status: number, words: string): ProxyRefusal {
    const text = `${status} ${words.replace(/[^\x20-\x7e]/g, "").slice(0, 100)}`.trim();
    // tinyproxy says 401 for a wrong password.
    if (status === 407 || status === 401) {
        return new ProxyRefusal("login", text);
    }
    // Bad gateway, unavailable, timeout: the machine's fault, or a passing one.
    return new ProxyRefusal(status >= 500 && status !== 501 ? "target" : "forbidden", text);
}
