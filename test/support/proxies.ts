import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installPackages } from "./apt";
import { freePort } from "./ports";

const programs = { dante: "/usr/sbin/danted", tinyproxy: "/usr/bin/tinyproxy" };

/** Sees to it that real proxies are there. @returns why they are not, or undefined */
export function proxiesUnavailable(): string | undefined {
    const areThere = () => Object.values(programs).every((path) => existsSync(path));
    if (!areThere() && process.getuid?.() === 0 && existsSync("/usr/bin/apt-get")) {
        return installPackages(["dante-server", "tinyproxy"]);
    }
    return areThere() ? undefined : "there are no proxies (dante-server, tinyproxy)";
}

/** A real proxy on loopback. */
export class ProxyServer {
    private constructor(
        readonly port: number,
        readonly child: ChildProcess,
        readonly directory: string,
    ) {}

    /** A SOCKS5 proxy: Dante. With `login` it wants the name and password of a user of this machine. */
    static async socks(options: { login?: boolean; allowed?: string; external?: string } = {}): Promise<ProxyServer> {
        return ProxyServer.#start(
            (port, log) => `
                logoutput: ${log}
                internal: 127.0.0.1 port = ${port}
                external: ${options.external ?? "lo"}
                clientmethod: none
                socksmethod: ${options.login ? "username" : "none"}
                user.privileged: root
                user.unprivileged: nobody
                client pass { from: 0/0 to: 0/0 }
                socks pass { from: 0/0 to: ${options.allowed ?? "0/0"} log: connect disconnect error }
            `,
            (config) => [programs.dante, "-f", config],
        );
    }

    /** An HTTP proxy: tinyproxy. */
    static async http(options: { login?: string; connectPort?: number } = {}): Promise<ProxyServer> {
        return ProxyServer.#start(
            (port, log) => `
                Port ${port}
                Listen 127.0.0.1
                Timeout 600
                LogFile "${log}"
                LogLevel Connect
                MaxClients 100
                ${options.login ? `BasicAuth ${options.login}` : ""}
                ${options.connectPort ? `ConnectPort ${options.connectPort}` : ""}
            `,
            (config) => [programs.tinyproxy, "-d", "-c", config],
        );
    }

    static async #start(
        config: (port: number, log: string) => string,
        command: (config: string) => [string, ...string[]],
    ): Promise<ProxyServer> {
        const directory = mkdtempSync(join(tmpdir(), "fleet-proxy-"));
        const port = await freePort();
        const path = join(directory, "config");
        writeFileSync(join(directory, "log"), "", { mode: 0o666 });
        writeFileSync(path, config(port, join(directory, "log")).replace(/^ +/gm, ""));
        const [program, ...args] = command(path);
        const child = spawn(program, args, { stdio: "ignore" });
        const proxy = new ProxyServer(port, child, directory);
        for (const end = Date.now() + 15_000; !(await answers(port)); ) {
            if (Date.now() > end || child.exitCode !== null) {
                throw new Error(`${program} does not run: ${proxy.log}`);
            }
            await new Promise((resolve) => setTimeout(resolve, 50));
        }
        return proxy;
    }

    /** Everything it has logged so far. */
    get log(): string {
        return readFileSync(join(this.directory, "log"), "utf8");
    }

    async stop(): Promise<void> {
        if (this.child.exitCode === null && this.child.signalCode === null) {
            const ended = new Promise((resolve) => this.child.once("exit", resolve));
            this.child.kill("SIGTERM");
            await ended;
        }
        rmSync(this.directory, { recursive: true, force: true });
    }
}

function answers(port: number): Promise<boolean> {
    return new Promise((resolve) => {
        const socket = connect({ host: "127.0.0.1", port });
        socket.once("connect", () => {
            socket.destroy();
            resolve(true);
        });
        socket.once("error", () => resolve(false));
    });
}
