import { isDeepStrictEqual } from "node:util";
import * as pulumi from "@pulumi/pulumi";
import { FleetError } from "../errors";
import { nearest } from "../provider/nearest";
import type { Connection } from "../ssh";
import { startTranscript } from "../ssh/transcript";
import { type ConnectionArgs, secretConnectionKeys } from "./connection";

/** The namespace of our settings in a stack's configuration. */
export const namespace = "dockerfleet";

/** The arguments of a connection that make sense for a whole stack: all but those that tell one machine from another. */
export type DefaultKey = Exclude<keyof ConnectionArgs & keyof Connection, "host" | "hostKey" | "proxy">;

/** Makes an argument out of the text in the configuration; undefined when the text is not of that kind. */
type Read<T> = (text: string) => T | undefined;

const text: Read<string> = (given) => (given === "" ? undefined : given);
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
    identityFile: { read: text, expected: "a path" },
    agentSocketPath: { read: text, expected: "a path" },
    strictHostKeyChecking: {
        read: (given) => (given === "yes" || given === "accept-new" ? given : undefined),
        expected: '"yes" or "accept-new"',
    },
    userKnownHostsFile: { read: text, expected: "a path" },
    sudoPassword: { read: text, expected: "a password" },
    dialErrorLimit: { read: number, expected: "a number" },
    perDialTimeout: { read: number, expected: "a number of seconds" },
};

/** The settings that are no arguments of a connection. */
const otherSettings = ["transcript"];

/** The names of all arguments that have a default in the configuration. */
export const defaultKeys = Object.keys(readers) as DefaultKey[];

/** What belongs together: a connection that gives one of a group itself gets nothing of that group from the configuration. */
const groups: DefaultKey[][] = [["password", "privateKey", "privateKeyPassword", "identityFile", "agentSocketPath"]];

/** They belong to one user: a connection of another user than the configuration's gets none of them from there. */
const ofTheUser: DefaultKey[] = ["password", "sudoPassword"];

/** What a stack's configuration gives, by argument. */
export type Defaults = Partial<Record<DefaultKey, Default>>;

interface Default {
    value: unknown;
    /** Whether it was set with `--secret`. */
    secret: boolean;
}

/** Fills what a connection does not give. Doing it twice changes nothing. */
export function withDefaults(connection: ConnectionArgs, defaults: Defaults): ConnectionArgs {
    const gives = (key: DefaultKey) => connection[key] !== undefined && connection[key] !== null;
    const isTaken = (key: DefaultKey) =>
        !gives(key) &&
        !groups.some((group) => group.includes(key) && group.some(gives)) &&
        // What sudo asks for is the password of the login, unless the connection says otherwise.
        !(key === "sudoPassword" && gives("password"));
    const result: Record<string, unknown> = { ...connection };
    for (const key of Object.keys(defaults) as DefaultKey[]) {
        const { value, secret } = defaults[key]!;
        if (isTaken(key)) {
            const given = ofTheUser.includes(key)
                ? onlyFor(defaults.user?.value, connection.user, value)
                : (value as pulumi.Input<unknown>);
            result[key] = secret && given !== undefined ? pulumi.secret(given) : given;
        } else if (secret && isDeepStrictEqual(result[key], value)) {
            // It came from here, through the output of another resource, where all of a connection is secret or nothing.
            result[key] = pulumi.secret(value);
        }
    }
    return result as unknown as ConnectionArgs;
}

/** A value that is given away only when the two users are the same, or there are not two. */
function onlyFor(ours: unknown, theirs: pulumi.Input<string> | undefined, value: unknown): pulumi.Input<unknown> {
    if (ours === undefined || theirs === undefined) {
        return value as pulumi.Input<unknown>;
    }
    return typeof theirs === "string"
        ? theirs === ours
            ? (value as pulumi.Input<unknown>)
            : undefined
        : pulumi.output(theirs).apply((known) => (known === ours ? value : undefined));
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
            warnOfClearText(key, fullKey);
        } else if (!otherSettings.includes(key)) {
            throw refusal(`${fullKey}: there is no such setting; ${hint(key)}`);
        }
    }
    return defaults;
}

function hint(key: string): string {
    if (key === "host" || key === "hostKey" || key === "proxy") {
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

const warned = new Set<string>();

function warnOfClearText(key: string, fullKey: string): void {
    if ((secretConnectionKeys as readonly string[]).includes(key) && !isSecret(fullKey) && !warned.has(fullKey)) {
        warned.add(fullKey);
        void pulumi.log.warn(
            `${fullKey} is in clear text in the stack's configuration file. Set it with: pulumi config set --secret ${fullKey}`,
        );
    }
}
