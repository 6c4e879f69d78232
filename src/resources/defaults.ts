import { isDeepStrictEqual } from "node:util";
import * as pulumi from "@pulumi/pulumi";
import { FleetError } from "../errors";
import { nearest } from "../nearest";
import type { Connection } from "../ssh";
import { startTranscript } from "../ssh/transcript";
import { type ConnectionArgs, secretConnectionKeys } from "./connection";

/** The namespace of our settings in a stack's configuration. */
export const namespace = "dockerfleet";

/** The arguments of a connection that make sense for a whole stack: all but those that tell one machine from another. */
export type DefaultKey = Exclude<keyof ConnectionArgs & keyof Connection, "host" | "hostKey">;

/** Makes an argument out of the text in the configuration; undefined when the text is not of that kind. */
type Read<T> = (text: string) => T | undefined;

const text: Read<string> = (given) => (given === "" ? undefined : given);
/** One text, or a JSON array of them. */
const texts: Read<string | string[]> = (given) => {
    if (!given.trimStart().startsWith("[")) {
        return text(given);
    }
    const list = json(given);
    return Array.isArray(list) && list.every((part) => typeof part === "string") ? list : undefined;
};
const object: Read<Connection> = (given) => {
    const value = json(given);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as Connection) : undefined;
};
const number: Read<number> = (given) => (/^-?\d+(\.\d+)?$/.test(given) ? Number(given) : undefined);

/**
 * Every argument that the configuration can give, and how it is read. A new argument of a connection does not pass the type
 * checker before it has its place here. Whether a value makes sense is judged later, with the whole connection.
 */
const readers: { [K in DefaultKey]-?: { read: Read<NonNullable<Connection[K]>>; expected: string } } = {
    port: { read: number, expected: "a number" },
    user: { read: text, expected: "a user name" },
    password: { read: text, expected: "a password" },
    privateKey: { read: text, expected: "the text of a private key" },
    privateKeyPassword: { read: text, expected: "a passphrase" },
    identityFile: { read: texts, expected: "a path, or a JSON array of paths" },
    agentSocketPath: { read: text, expected: "a path" },
    strictHostKeyChecking: {
        read: (given) => (given === "yes" || given === "accept-new" ? given : undefined),
        expected: '"yes" or "accept-new"',
    },
    userKnownHostsFile: { read: texts, expected: "a path, or a JSON array of paths" },
    sudoPassword: { read: text, expected: "a password" },
    rootPassword: { read: text, expected: "a password" },
    proxy: { read: object, expected: "a connection as a JSON object" },
    sshConfig: {
        read: (given) => (given === "true" || given === "false" ? given === "true" : text(given)),
        expected: "true, false or a path",
    },
    proxyCommand: { read: text, expected: "a command" },
    proxyUrl: { read: text, expected: "a URL" },
    dialErrorLimit: { read: number, expected: "a number" },
    perDialTimeout: { read: number, expected: "a number of seconds" },
};

/** The settings that are no arguments of a connection. */
const otherSettings = ["transcript"];

/** The names of all arguments that have a default in the configuration. */
export const defaultKeys = Object.keys(readers) as DefaultKey[];

/** What belongs together: a connection that gives one of a group itself gets nothing of that group from the configuration. */
const groups: DefaultKey[][] = [
    ["password", "privateKey", "privateKeyPassword", "identityFile", "agentSocketPath"],
    ["proxy", "proxyCommand", "proxyUrl"],
];

/** They belong to one user: a connection of another user than the configuration's gets none of them from there. */
const ofTheUser: DefaultKey[] = ["password", "sudoPassword"];

/** What a stack's configuration gives, by argument. */
export type Defaults = Partial<Record<DefaultKey, Default>>;

interface Default {
    value: unknown;
    /** Whether it was set with `--secret`. */
    secret: boolean;
}

/**
 * Fills what a connection does not give. Doing it twice changes nothing.
 *
 * @returns the connection, and the names of what is a secret because it is one in the configuration
 */
export function withDefaults(
    connection: ConnectionArgs,
    defaults: Defaults,
): { connection: ConnectionArgs; secrets: DefaultKey[] } {
    const gives = (key: DefaultKey) => connection[key] !== undefined && connection[key] !== null;
    const isTaken = (key: DefaultKey) =>
        !gives(key) &&
        !groups.some((group) => group.includes(key) && group.some(gives)) &&
        // What sudo asks for is the password of the login, unless the connection says otherwise.
        !(key === "sudoPassword" && gives("password"));
    const result: Record<string, unknown> = { ...connection };
    const secrets: DefaultKey[] = [];
    for (const key of Object.keys(defaults) as DefaultKey[]) {
        const { value, secret } = defaults[key]!;
        const fit = fitting(key, value, connection, defaults);
        // What is equal came from here, through the output of another resource, where all of a connection is secret or nothing.
        const cameBack = isDeepStrictEqual(result[key], fit);
        if (isTaken(key)) {
            result[key] = fit;
        }
        if (secret && result[key] !== undefined && (isTaken(key) || cameBack)) {
            secrets.push(key);
        }
    }
    return { connection: result as unknown as ConnectionArgs, secrets };
}

/** What of a default is good for this connection: nothing or, of the proxies, the rest of the way. */
function fitting(
    key: DefaultKey,
    value: unknown,
    connection: ConnectionArgs,
    defaults: Defaults,
): pulumi.Input<unknown> {
    const user = defaults.user?.value;
    if (ofTheUser.includes(key) && user !== undefined && connection.user !== undefined) {
        return whenKnown(connection.user, (theirs) => (theirs === user ? value : undefined));
    }
    if (key === "proxy") {
        return whenKnown(connection.host, (host) => wayTo(host, value as Connection));
    }
    return value as pulumi.Input<unknown>;
}

/** The way to a machine that may be one of the jump hosts itself. */
function wayTo(host: string, proxy: Connection): Connection | undefined {
    for (let hop: Connection | undefined = proxy; hop !== undefined; hop = hop.proxy) {
        if (hop.host === host) {
            return hop.proxy;
        }
    }
    return proxy;
}

/** At once for a plain text, so that the result is as plain. */
function whenKnown(value: pulumi.Input<string>, decide: (known: string) => unknown): pulumi.Input<unknown> {
    return typeof value === "string" ? (decide(value) as pulumi.Input<unknown>) : pulumi.output(value).apply(decide);
}

/**
 * The defaults in the stack's configuration: `dockerfleet:user` and so on. Those that were set with `--secret` are secrets.
 *
 * @throws pulumi.RunError naming the setting that does not exist or cannot be read
 */
export function readDefaults(): Defaults {
    const defaults: Defaults = {};
    for (const [fullKey, given] of Object.entries(pulumi.runtime.allConfig())) {
        if (!fullKey.startsWith(`${namespace}:`)) {
            continue;
        }
        const key = fullKey.slice(namespace.length + 1);
        if (key in readers) {
            const { read, expected } = readers[key as DefaultKey];
            const value = read(given);
            if (value === undefined) {
                throw refusal(`${fullKey}: expected ${expected}.`);
            }
            defaults[key as DefaultKey] = { value, secret: isSecret(fullKey) };
            if (!isSecret(fullKey) && holdsSecret(key, value)) {
                warnOfClearText(fullKey);
            }
        } else if (!otherSettings.includes(key)) {
            throw refusal(`${fullKey}: there is no such setting; ${hint(key)}`);
        }
    }
    return defaults;
}

function json(given: string): unknown {
    try {
        return JSON.parse(given);
    } catch {
        return undefined;
    }
}

function hint(key: string): string {
    if (key === "host" || key === "hostKey") {
        return "it belongs to one machine: give it in the program.";
    }
    const names = [...defaultKeys, ...otherSettings];
    const meant = nearest(key, names);
    return meant ? `did you mean ${namespace}:${meant}?` : `there are ${names.join(", ")}.`;
}

/**
 * Has what this process does on machines written down, where the configuration asks for it (`dockerfleet:transcript`): a
 * program may talk to Docker, too.
 *
 * @throws pulumi.RunError when the file cannot be written
 */
export function startProgramTranscript(): void {
    try {
        startTranscript(pulumi.runtime.getConfig(`${namespace}:transcript`));
    } catch (error) {
        throw new pulumi.RunError((error as Error).message);
    }
}

/** An error that the CLI shows without a stack trace: it is about the configuration, not about the program. */
function refusal(message: string): Error {
    return new pulumi.RunError(new FleetError({ code: "INVALID_ARGUMENT", message }).message);
}

function isSecret(fullKey: string): boolean {
    // Exported, but not declared by the SDK. Should it ever go, everything is a secret.
    const { isConfigSecret } = pulumi.runtime as { isConfigSecret?: (key: string) => boolean };
    return isConfigSecret?.(fullKey) ?? true;
}

/** Whether an argument is secret, or has one inside. */
function holdsSecret(key: string, value: unknown): boolean {
    return (
        (secretConnectionKeys as readonly string[]).includes(key) ||
        (key === "proxy" && Object.entries(value as Connection).some(([name, part]) => holdsSecret(name, part)))
    );
}

const warned = new Set<string>();

function warnOfClearText(fullKey: string): void {
    if (!warned.has(fullKey)) {
        warned.add(fullKey);
        void pulumi.log.warn(
            `${fullKey} is in clear text in the stack's configuration file. Set it with: pulumi config set --secret ${fullKey}`,
        );
    }
}
