import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import {
    chmodSync,
    closeSync,
    existsSync,
    mkdirSync,
    mkdtempSync,
    openSync,
    readFileSync,
    rmSync,
    symlinkSync,
    writeFileSync,
} from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { installPackages } from "./apt";
import { freePort } from "./ports";

/** What a test wants of its SSH server. */
export interface SshdOptions {
    /** Lines for the top of sshd_config, where the first value wins. */
    config?: string[];
    /** Types of the host keys. Default: one ed25519 key. */
    hostKeys?: ("ed25519" | "ecdsa" | "rsa")[];
    /** Port; default: a free one. */
    port?: number;
    /** Name of its program and of its rules in /etc/pam.d: older servers take the rules by their own name. Default: sshd. */
    program?: string;
    /** Do not start it yet; {@link Sshd.start} does. */
    stopped?: boolean;
}

const sshdPath = "/usr/sbin/sshd";
const isRoot = process.getuid?.() === 0;
const packages = [
    ...["openssh-server", "openssh-client", "sudo", "fish", "tcsh", "busybox-static"],
    ...["openssl", "putty-tools", "libpam-oath"],
];
const programs = [
    ...[sshdPath, "/usr/bin/ssh-keygen", "/usr/bin/sudo", "/usr/bin/fish", "/usr/bin/tcsh", "/bin/busybox"],
    ...["/usr/bin/openssl", "/usr/bin/puttygen"],
];

/**
 * Sees to it that a real sshd (and, for root, the shells and the sudo that the tests use) is there.
 *
 * @returns why the SSH tests cannot run here, or undefined
 */
export function sshdUnavailable(): string | undefined {
    const isThere = (path: string) => existsSync(path);
    if (process.platform !== "linux") {
        return "an OpenSSH server can only be started on Linux";
    }
    if (!programs.every(isThere) && isRoot && existsSync("/usr/bin/apt-get")) {
        const failure = installPackages(packages);
        if (failure !== undefined) {
            return failure;
        }
    }
    return isThere(sshdPath) && isThere("/usr/bin/ssh-keygen")
        ? undefined
        : "there is no OpenSSH server (openssh-server)";
}

/** Whether this process may create users and file systems for a test. */
export const canCreateUsers = isRoot && process.platform === "linux";

/** A real OpenSSH server on loopback, with its own port, keys and configuration. */
export class Sshd {
    readonly host = "127.0.0.1";
    /** Directory of everything that belongs to it; users can read it. */
    readonly directory: string;
    /** A private key that every user may log in with. */
    readonly privateKey: string;
    #child: ChildProcess | undefined;
    readonly #logFile: string;
    #lastLog = "";

    private constructor(
        readonly port: number,
        readonly options: SshdOptions,
    ) {
        this.directory = mkdtempSync(join(tmpdir(), "fleet-sshd-"));
        chmodSync(this.directory, 0o755);
        this.#logFile = join(this.directory, "log");
        writeFileSync(this.#logFile, "", { mode: 0o600 });
        for (const type of options.hostKeys ?? ["ed25519"]) {
            this.makeKey(`host_${type}`, type);
        }
        this.privateKey = this.makeKey("login", "ed25519");
        this.#configure();
    }

    /** Makes one and, unless told otherwise, starts it. */
    static async create(options: SshdOptions = {}): Promise<Sshd> {
        const sshd = new Sshd(options.port ?? (await freePort()), options);
        if (!options.stopped) {
            await sshd.start();
        }
        return sshd;
    }

    /** What a connection to it needs at least: the login of whoever runs the tests, with the key. */
    get connection() {
        return {
            host: this.host,
            port: this.port,
            user: userInfo().username,
            privateKey: this.privateKey,
            userKnownHostsFile: join(this.directory, "known_hosts"),
            dialErrorLimit: 0,
        };
    }

    /** The home directory, as environment variable, of whoever runs the tests: empty. */
    get home(): string {
        return join(this.directory, "home");
    }

    /** Everything it has logged so far. From a file: what came through a pipe might be read after what it tells of. */
    get log(): string {
        return existsSync(this.#logFile) ? readFileSync(this.#logFile, "utf8") : this.#lastLog;
    }

    /** How many times a text occurs in the log. */
    count(text: string | RegExp): number {
        return this.log.split("\n").filter((line) => line.match(text)).length;
    }

    /** Its public host key as `type base64`. */
    hostKey(type: "ed25519" | "ecdsa" | "rsa" = "ed25519"): string {
        return this.publicKey(`host_${type}`);
    }

    /** A public key made by {@link makeKey}, as `type base64`. */
    publicKey(name: string): string {
        return readFileSync(join(this.directory, `${name}.pub`), "utf8")
            .split(" ")
            .slice(0, 2)
            .join(" ");
    }

    /** Makes a key pair in its directory. @returns the private key's text */
    makeKey(name: string, type: string, ...options: string[]): string {
        const path = join(this.directory, name);
        rmSync(path, { force: true });
        rmSync(`${path}.pub`, { force: true });
        const given = options.includes("-N") ? options : ["-N", "", ...options];
        execFileSync("ssh-keygen", ["-q", "-t", type, "-f", path, "-C", "test", ...given]);
        return readFileSync(path, "utf8");
    }

    /** Lets a public key (made by {@link makeKey}) in, beside the usual one; `options` go before it. */
    authorize(name: string, options = ""): void {
        const line = `${options}${options ? " " : ""}${this.publicKey(name)}\n`;
        writeFileSync(join(this.directory, "authorized_keys"), `${this.publicKey("login")}\n${line}`);
    }

    /** Starts it and waits until it listens. */
    async start(): Promise<void> {
        if (isRoot) {
            mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
        }
        const { program } = this.options;
        const path = program === undefined ? sshdPath : join(this.directory, program);
        if (program !== undefined && !existsSync(path)) {
            symlinkSync(sshdPath, path);
        }
        const before = this.log.length;
        const log = openSync(this.#logFile, "a");
        const child = spawn(path, ["-D", "-e", "-f", join(this.directory, "sshd_config")], {
            stdio: ["ignore", "ignore", log],
        });
        closeSync(log);
        this.#child = child;
        while (!this.log.slice(before).includes("Server listening")) {
            if (child.exitCode !== null || child.signalCode !== null) {
                throw new Error(`sshd ended with code ${child.exitCode}: ${this.log}`);
            }
            await new Promise((resolve) => setTimeout(resolve, 10));
        }
    }

    /** Sends a signal to the listening process. */
    kill(signal: NodeJS.Signals): void {
        this.#child?.kill(signal);
    }

    /** Processes that serve connections, and everything below them. */
    servers(): number[] {
        const found: number[] = [];
        const visit = (pid: number) => {
            let children = "";
            try {
                children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
            } catch {
                // It has ended while we looked.
            }
            for (const child of children === "" ? [] : children.split(" ").map(Number)) {
                found.push(child);
                visit(child);
            }
        };
        if (this.#child?.pid !== undefined && this.#child.exitCode === null) {
            visit(this.#child.pid);
        }
        return found;
    }

    /** Stops it, cuts its connections, and removes its directory. */
    async stop(): Promise<void> {
        const child = this.#child;
        if (child !== undefined && child.exitCode === null && child.signalCode === null) {
            const servers = this.servers();
            const ended = new Promise((resolve) => child.once("exit", resolve));
            child.kill("SIGKILL");
            await ended;
            for (const pid of servers) {
                try {
                    process.kill(pid, "SIGKILL");
                } catch {
                    // It has ended by itself.
                }
            }
        }
        this.#lastLog = this.log;
        rmSync(this.directory, { recursive: true, force: true });
    }

    #configure(): void {
        const { config = [], hostKeys = ["ed25519"], program } = this.options;
        writeFileSync(join(this.directory, "authorized_keys"), `${this.publicKey("login")}\n`);
        mkdirSync(this.home);
        const lines = [
            ...config,
            ...(program !== undefined && understands("PAMServiceName x") ? [`PAMServiceName ${program}`] : []),
            `Port ${this.port}`,
            `ListenAddress ${this.host}`,
            ...hostKeys.map((type) => `HostKey ${join(this.directory, `host_${type}`)}`),
            `AuthorizedKeysFile ${join(this.directory, "authorized_keys")}`,
            "PidFile none",
            "StrictModes no",
            "UsePAM no",
            "PermitRootLogin yes",
            "LogLevel VERBOSE",
            // A second definition would be an error.
            ...(config.some((line) => line.startsWith("Subsystem")) ? [] : ["Subsystem sftp internal-sftp"]),
            // The startup files of whoever runs the tests stay out of them: they may be slow, and being killed in the
            // middle may hurt them. Other users keep theirs.
            `Match User ${userInfo().username}`,
            `SetEnv HOME=${this.home}`,
        ];
        writeFileSync(join(this.directory, "sshd_config"), `${lines.join("\n")}\n`);
    }
}

/** Whether the installed sshd knows a line of sshd_config. */
function understands(line: string): boolean {
    const { stderr } = spawnSync(sshdPath, ["-t", "-f", "/dev/null", "-o", line], { encoding: "utf8" });
    return !/bad configuration option/i.test(stderr);
}
