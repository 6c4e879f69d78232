import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { FleetError } from "../errors";
import { type Connection, type ResolvedConnection, resolveConnection } from "./connection";
import { agentSocket, collectCredentials, type LoginKey } from "./credentials";
import { expandHome } from "./identity";
import type { Machine } from "./machine";
import { mask } from "./mask";
import { isPlainPath, type OpenSshStop, openSshConfig } from "./openssh-config";
import { convertPemKey } from "./pem-key";
import { readPrivateKey } from "./private-key";
import { expandCommand } from "./route/command";
import { loadScript } from "./script";
import { withSshConfig } from "./ssh-config";
import { hopsOf, proxyHostKeys } from "./stops";

/** A file that OpenSSH's client needs. */
export interface OpenSshFile {
    /** Its name in the directory. */
    name: string;
    content: string;
    /** Of a directory that nobody else can enter. */
    mode: 0o600 | 0o700;
}

/** What makes OpenSSH's client go where a connection leads, without asking anybody and without trusting anybody else. */
export interface OpenSshClient {
    /** Login and address as the client takes them. */
    user: string;
    host: string;
    /** What has to lie in the directory. */
    files: OpenSshFile[];
    /** Path of the configuration: the client's argument behind -F. */
    config: string;
    /** What the client has to find in its environment; undefined: what it must not find there. */
    environment: Record<string, string | undefined>;
    /** Takes the secrets of the connection out of a text. */
    mask(text: string): string;
}

const askpassScript = loadScript(__dirname, "askpass.sh");

/**
 * Checks whether OpenSSH's client can go the way of a connection.
 *
 * @throws FleetError INVALID_ARGUMENT
 */
export async function checkOpenSshWay(connection: Connection): Promise<void> {
    const resolved = resolveConnection(await withSshConfig(connection));
    [...hopsOf(resolved), resolved].forEach(checkWay);
}

/**
 * Prepares OpenSSH's client to log in as we did: with the key that let us in, or the password, to the host keys that were shown
 * to us.
 *
 * @param connection one that {@link checkOpenSshWay} lets pass
 * @param machine where it led
 * @param directory where the files will lie; its path may hold neither quotes nor backslashes
 * @throws FleetError PRIVATE_KEY_INVALID and the errors of a connection's check
 */
export async function openSshClient(
    connection: Connection,
    machine: Machine,
    directory: string,
): Promise<OpenSshClient> {
    const resolved = resolveConnection(await withSshConfig(connection));
    const hops = hopsOf(resolved);
    const all = [...hops, resolved];
    const keys = [...hopKeys(resolved, hops, machine), machine.hostKey];
    const passwords = all.filter(({ password }) => password !== undefined);
    const files: OpenSshFile[] = [];
    const stops: OpenSshStop[] = [];
    for (const [index, stop] of all.entries()) {
        const isMachine = stop === resolved;
        const name = isMachine ? "machine.pulumi-docker-fleet" : `hop-${index + 1}.pulumi-docker-fleet`;
        const { host, port, user, password, proxyCommand, perDialTimeout } = stop;
        const { keys: offered } = await collectCredentials(stop);
        // Of the machine itself it is known which key it was.
        const useful = isMachine
            ? offered.filter(({ blob }) => machine.loginKeys.includes(blob.toString("base64")))
            : offered;
        const identities: string[] = [];
        for (const [number, key] of useful.entries()) {
            const identity = await identityOf(key, `key-${index + 1}-${number + 1}`);
            if (typeof identity !== "string") files.push(identity);
            identities.push(typeof identity === "string" ? identity : join(directory, identity.name));
        }
        if (password !== undefined) files.push({ name: `password-${name}`, content: `${password}\n`, mode: 0o600 });
        stops.push({
            name,
            host,
            port,
            user,
            agent: useful.some(({ way }) => "agent" in way) ? agentSocket(stop) : undefined,
            identities,
            hasPassword: password !== undefined,
            // A server that words the question itself could ask for another one's password.
            maySpeak: passwords.length === 1,
            proxyCommand: proxyCommand === undefined ? undefined : expandCommand(proxyCommand, stop),
            connectTimeout: perDialTimeout,
        });
    }
    const knownHosts = stops.map(({ name }, index) => `${name} ${keys[index]}\n`).join("");
    files.push({ name: "known_hosts", content: knownHosts, mode: 0o600 });
    files.push({ name: "config", content: openSshConfig(stops, join(directory, "known_hosts")), mode: 0o600 });
    const environment: OpenSshClient["environment"] = { SSH_ASKPASS: undefined, SSH_ASKPASS_REQUIRE: undefined };
    if (passwords.length > 0) {
        files.push({ name: "askpass", content: askpassScript.text, mode: 0o700 });
        environment.SSH_ASKPASS = join(directory, "askpass");
        environment.SSH_ASKPASS_REQUIRE = "force";
        // OpenSSH before 8.4 asks nobody without it.
        environment.DISPLAY = process.env.DISPLAY || ":0";
    }
    return {
        user: resolved.user,
        host: resolved.host,
        files,
        config: join(directory, "config"),
        environment,
        mask: (text) => mask(text, resolved),
    };
}

/** Refuses what OpenSSH's client has no way to do. */
function checkWay(
    { user, proxyUrl, proxyCommand }: ResolvedConnection,
    index: number,
    all: ResolvedConnection[],
): void {
    const path = ["connection", ...all.slice(index + 1).map(() => "proxy")].join(".");
    const bad = (message: string, cure: string) => new FleetError({ code: "INVALID_ARGUMENT", message, cure });
    // A word of its command line and of its configuration.
    if (/^-|["'\\#$%]/.test(user)) {
        throw bad(
            `${path}.user ${JSON.stringify(user)} is not for OpenSSH's client, which has to make this connection.`,
            "Log in with another name: one without a dash at its beginning, quotes, backslashes, #, $ and %.",
        );
    }
    if (proxyUrl !== undefined) {
        throw bad(
            `${path}.proxyUrl is not for OpenSSH's client, which has to make this connection.`,
            `Use ${path}.proxyCommand, e.g. "nc -X 5 -x proxy.example.com:1080 %h %p".`,
        );
    }
    if (/[\r\n]/.test(proxyCommand ?? "")) {
        throw bad(`${path}.proxyCommand must be a single line.`, "Put the commands into a script.");
    }
}

/** The host keys of the hops, the outermost first. */
function hopKeys(connection: ResolvedConnection, hops: ResolvedConnection[], machine: Machine): string[] {
    const names = Object.keys(
        proxyHostKeys(
            connection,
            hops.map(() => ""),
        ),
    );
    return names.map((name) => machine.proxyHostKeys[name]!);
}

/** A key for OpenSSH's client: the path of one that it can use as it is, or a file to be made. */
async function identityOf(key: LoginKey, name: string): Promise<OpenSshFile | string> {
    if ("agent" in key.way) {
        const type = key.blob.toString("latin1", 4, 4 + key.blob.readUInt32BE(0));
        return { name: `${name}.pub`, content: `${type} ${key.blob.toString("base64")}\n`, mode: 0o600 };
    }
    if (key.path !== undefined && (await isUsable(expandHome(key.path)))) return expandHome(key.path);
    // What ssh2 writes of an ed25519 key is not for every OpenSSH.
    const text = convertPemKey(key.way.key.getPrivatePEM(), undefined);
    if (typeof text !== "string") throw new Error(`a key that was read cannot be written: ${text.reason}`);
    return { name, content: text, mode: 0o600 };
}

/** Whether ssh takes a file as it is: in its own form, not encrypted, and for nobody else. */
async function isUsable(file: string): Promise<boolean> {
    if (!isPlainPath(file)) return false;
    const [text, { mode }] = await Promise.all([readFile(file, "utf8"), stat(file)]);
    return (
        (mode & 0o077) === 0 &&
        text.startsWith("-----BEGIN OPENSSH") &&
        !("reason" in (await readPrivateKey(text, undefined)))
    );
}
