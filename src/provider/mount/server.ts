import { changeKeys, lineOf, observeKeys } from "../../host/authorized-keys";
import { type KeyLine, listKeys } from "../../host/authorized-keys/file";
import { homeOf } from "../../host/mount";
import type { WantedFile } from "../../host/mount/units";
import { sha256 } from "../../sha256";
import { type Connection, knownHostsName } from "../../ssh";
import { generateKeyPair, parsePublicKey } from "../../ssh/key-pair";
import type { Context } from "../definition";
import { isUnreachable, messageOf } from "../errors";
import { type KnownMachine, openMachine, proxyHostKeysOf } from "../machine";

/** A directory of another machine, which is made to let this one in. */
export interface ServerSource {
    host: Connection;
    path: string;
    /** Under which address the machine reaches the server; undefined: the one in `host`. */
    address?: string;
}

/** What is known of the server of a mount: enough to look at the mount without it. */
export interface ServerState extends KnownMachine {
    /** As the mount table names it: `user@address:/path`. */
    source: string;
    /** The port of its SSH server. */
    port: number;
    user: string;
    /** The line for known_hosts. */
    knownHosts: string;
    /** The key that the server lets in, and the SHA-256 of the file with its private half. */
    publicKey: string;
    keySum: string;
}

/** Where the machine keeps what it logs in with. */
export function keyPaths(target: string): { identity: string; knownHosts: string } {
    return { identity: `${homeOf(target)}/id`, knownHosts: `${homeOf(target)}/known_hosts` };
}

/** The options with which sshfs uses them. */
export function serverOptions(target: string, port: number): string[] {
    const { identity, knownHosts } = keyPaths(target);
    return [
        ...(port === 22 ? [] : [`port=${port}`]),
        `IdentityFile=${identity}`,
        "IdentitiesOnly=yes",
        `UserKnownHostsFile=${knownHosts}`,
        "GlobalKnownHostsFile=/dev/null",
    ];
}

/** The server's part of a mount, done: {@link settle} or {@link undo} ends it. */
export interface Admission {
    state: ServerState;
    /** The private key's file, when it is a new one. */
    file: WantedFile | undefined;
    /** After the mount: keys that an earlier run has left go. */
    settle(): Promise<void>;
    /** When the mount has failed: a new key goes. */
    undo(): Promise<void>;
}

/**
 * Makes a server let a machine in, for files alone: by a key of this one mount, which nobody else has.
 *
 * @param mount whose key it is: the machine's id and the mount point
 * @param found the SHA-256 of the key's file on the machine
 * @param prior what is known from before
 */
export async function admit(
    source: ServerSource,
    mount: { machineId: string; target: string; isReadOnly: boolean },
    found: string | undefined,
    prior: ServerState | undefined,
    context: Context,
): Promise<Admission> {
    const server = await openMachine(source.host, prior, context);
    const { user } = server;
    const facts = await observeKeys(server, user, context);
    const comment = `pulumi-docker-fleet mount ${mount.machineId}:${mount.target}`;
    const options = `restrict,command="internal-sftp${mount.isReadOnly ? " -R" : ""}"`;
    const address = source.address ?? source.host.host;
    const port = source.host.port ?? 22;
    const isSame = prior !== undefined && prior.user === user && prior.hostKey === server.hostKey;
    const isKept = isSame && found === prior.keySum;
    const pair = isKept ? undefined : generateKeyPair(comment);
    const publicKey = pair?.publicKey ?? prior!.publicKey;
    const { type, base64 } = parsePublicKey(publicKey)!;
    const line: KeyLine = { options, type, base64, comment };
    const here = lineOf(facts, base64);
    if (here?.options !== options || here.comment !== comment) {
        context.progress(`${server.name}: letting in the mount ${mount.target}`);
        await changeKeys(server, user, { put: line }, context, context, facts);
    }
    const stale = facts.files
        .flatMap(({ content }) => listKeys(content))
        .filter((other) => other.comment === comment && other.base64 !== base64)
        .map((other) => other.base64);
    const drop = async (keys: string[]) => {
        if (keys.length > 0) await changeKeys(server, user, { drop: keys }, context, context);
    };
    const bracketed = address.includes(":") ? `[${address}]` : address;
    const file = pair && { path: keyPaths(mount.target).identity, mode: "0600", content: pair.privateKey };
    return {
        state: {
            source: `${user}@${bracketed}:${source.path}`,
            port,
            user,
            knownHosts: `${knownHostsName(address, port)} ${server.hostKey}\n`,
            publicKey,
            keySum: file === undefined ? prior!.keySum : sha256(file.content),
            hostKey: server.hostKey,
            endpoint: `ssh://${server.name}`,
            ...proxyHostKeysOf(server),
        },
        file,
        settle: () => drop(stale),
        undo: () => drop(here === undefined ? [base64] : []),
    };
}

/** Takes back what {@link admit} did. A server that is away is no reason to keep the mount: that is said, and left to people. */
export async function dismiss(host: Connection, state: ServerState, context: Context): Promise<void> {
    try {
        const server = await openMachine(host, state, context);
        const { base64 } = parsePublicKey(state.publicKey)!;
        await changeKeys(server, state.user, { drop: [base64] }, context, context);
    } catch (error) {
        if (!isUnreachable(error)) throw error;
        context.warn(
            `${messageOf(error)} The key of the mount could not be taken out of authorized_keys of ${state.user} there; ` +
                "its private half is gone, so nobody can use it.",
        );
    }
}
