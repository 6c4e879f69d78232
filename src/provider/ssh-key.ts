import { createHash, randomUUID } from "node:crypto";
import { hostname, userInfo } from "node:os";
import { z } from "zod";
import { FleetError } from "../errors";
import {
    changeKeys,
    hasOtherWay,
    type KeysChange,
    type KeysFacts,
    type KeysFile,
    keysFileFor,
    lineOf,
    observeKeys,
    otherWaysIn,
    type RecordedKey,
    repairPermissions,
    restoreKeys,
    serverWords,
} from "../host/authorized-keys";
import type { KeyLine } from "../host/authorized-keys/file";
import { formatOption, hasOption, optionMistake, parseOption, splitOptions } from "../host/authorized-keys/options";
import {
    type Connection,
    connect,
    fingerprintOf,
    generateKeyPair,
    type Machine,
    parsePublicKey,
    publicKeyOf,
    withSshConfig,
} from "../ssh";
import { connectionSchema } from "./connection";
import { define } from "./define";
import { type Context, PartialFailure, type Recorded } from "./definition";
import { containsUnknown } from "./json";
import { openMachine, proxyHostKeysOf } from "./machine";
import { clientTexts } from "./ssh-key-texts";

/** The state of the line that this resource wants; anything else is drift, in words. */
const wanted = "installed";

const oneLine = (what: string) => z.string(what).regex(/^[^\r\n\0]*$/, `${what}, in one line`);

const option = z.string('an option such as "restrict" or "from=10.0.0.0/8"').transform((text, context) => {
    const parsed = parseOption(text);
    const mistake = optionMistake(parsed, new Date());
    if (mistake === undefined) return formatOption(parsed);
    context.addIssue({ code: "custom", message: mistake });
    return z.NEVER;
});

const units = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 };

const inputs = z
    .strictObject({
        connection: connectionSchema,
        user: connectionSchema.shape.user.unwrap().optional(),
        privateKey: connectionSchema.shape.privateKey,
        privateKeyPassword: connectionSchema.shape.privateKeyPassword,
        publicKey: z
            .string("a public key")
            .refine((text) => parsePublicKey(text) !== undefined, {
                error: 'a public key in one line, such as "ssh-ed25519 AAAA… comment"',
            })
            .optional(),
        comment: oneLine("a comment").trim().optional(),
        options: z.array(option, "a list of options").optional(),
        rotate: z.json("any JSON value").optional(),
        maxAge: z
            .string("an age")
            .regex(/^[1-9]\d{0,5}[smhdw]$/, 'an age such as "90d"; the units are s, m, h, d and w')
            .optional(),
        repairPermissions: z.boolean("true or false").default(false),
        // Not an argument of the class: the place where a refresh shows that the key is not as it should be.
        status: z.string().default(wanted),
    })
    .superRefine((value, context) => {
        const refuse = (path: string, message: string) => context.addIssue({ code: "custom", path: [path], message });
        if (value.privateKey !== undefined && value.publicKey !== undefined) {
            refuse("publicKey", "is not needed beside privateKey, which contains it: give one of the two");
        }
        const isGiven = value.privateKey !== undefined || value.publicKey !== undefined;
        for (const key of ["rotate", "maxAge"] as const) {
            if (isGiven && value[key] !== undefined) {
                refuse(
                    key,
                    "makes a new key, which needs one that is made here: a given key changes by giving another",
                );
            }
        }
        const { sshConfig, user } = value.connection;
        if (sshConfig !== undefined && sshConfig !== false && user === undefined) {
            const message = "is needed beside sshConfig: whose key it is must be known before anything is read";
            context.addIssue({ code: "custom", path: ["connection", "user"], message });
        }
        if (value.privateKeyPassword !== undefined && value.privateKey === undefined) {
            refuse("privateKeyPassword", "there is no privateKey that it could belong to");
        }
    });

/** The arguments of an SshKey after the check. */
export interface SshKeyInputs {
    connection: Connection;
    user?: string;
    privateKey?: string;
    privateKeyPassword?: string;
    publicKey?: string;
    comment?: string;
    options?: string[];
    rotate?: unknown;
    maxAge?: string;
    repairPermissions: boolean;
    status: string;
}

/** What is known of an SshKey beyond its arguments. */
export interface SshKeyState {
    /** The private key that was made here; secret. */
    generatedKey?: string;
    /** `"ssh-ed25519 AAAA… comment"`. */
    sshPublicKey: string;
    /** `"SHA256:…"`. */
    sshKeyFingerprint: string;
    /** Whose key it is on the machine. */
    account: string;
    /** When this key was made or taken, in ISO form. */
    createdAt: string;
    /** The file that the key is in. */
    authorizedKeysFile: string;
    /** Whether a login with the key alone has worked. */
    proved: boolean;
    knownHosts: string;
    sshConfig: string;
    machineId: string;
    hostKey: string;
    /** The keys of the jump hosts on the way, by the names that known_hosts has for them. */
    proxyHostKeys?: Record<string, string>;
    endpoint: string;
    /** See {@link KeyOwner}. */
    instance: string;
    lineage: string;
}

/** A key as apply works with it. */
interface Key {
    type: string;
    base64: string;
    /** The comment that its text came with, or the one of a key made here. */
    comment: string;
    /** Undefined where only the public key is known. */
    privateKey: string | undefined;
    privateKeyPassword: string | undefined;
    /** True when it was made here. */
    isGenerated: boolean;
    createdAt: string;
    instance: string;
    lineage: string;
}

/** A key that a user of a machine logs in with. */
export const sshKey = define<SshKeyInputs, SshKeyState>({
    kind: "SshKey",
    schemaVersion: 1,
    inputs,
    secrets: ["connection", "privateKey", "privateKeyPassword"],
    replaceOn: ["user", "privateKey", "publicKey", "rotate"],
    createFirst: true,

    outdated(prior, news) {
        const age = (Date.now() - Date.parse(prior.createdAt ?? "")) / 1000;
        const isOld = typeof news.maxAge === "string" && secondsOf(news.maxAge) <= age;
        const moved = !containsUnknown([news.user, news.connection]) && accountOf(news) !== prior.account;
        return [...(isOld ? ["maxAge" as const] : []), ...(moved ? ["connection" as const] : [])];
    },

    async observe(inputs, prior, context) {
        const account = accountOf(inputs);
        if (prior === undefined) return undefined;
        const key = knownKey({ ...inputs, ...prior });
        const machine = await login([ownConnection(inputs, key), inputs.connection], prior, context);
        const facts = await observeKeys(machine, account, context).catch((error) => {
            if (error instanceof FleetError && error.code === "SSH_USER_MISSING") return undefined;
            throw error;
        });
        if (facts === undefined) {
            return { inputs: { ...inputs, status: `there is no user ${account}` }, state: prior };
        }
        const orphans = orphansOf(facts, key, undefined).length;
        const file = facts.files.find(({ content }) => content.includes(key.base64)) ?? facts.files[0];
        return {
            inputs: asFound(inputs, lineOf(facts, key.base64), file, orphans),
            state: { ...prior, machineId: facts.machineId, hostKey: machine.hostKey, ...proxyHostKeysOf(machine) },
        };
    },

    async apply(inputs, prior, context) {
        const account = accountOf(inputs);
        const key = prior === undefined ? await newKey(inputs, context) : knownKey({ ...prior, ...inputs });
        const own = ownConnection(inputs, key);
        const machine = await login(
            prior === undefined
                ? // A predecessor's key may be the only one that still gets in; our own does if it was there before us.
                  [predecessorsConnection(inputs, context), inputs.connection, key.isGenerated ? undefined : own]
                : [own, inputs.connection],
            prior,
            context,
            inputs.connection,
        );
        const facts = await observeKeys(machine, account, context);
        if (prior !== undefined && prior.machineId !== facts.machineId) {
            context.warn(
                `${machine.name} is another machine (machine-id ${facts.machineId}) than the one the key was on ` +
                    `(${prior.endpoint}, machine-id ${prior.machineId}). There the key is left as it is.`,
            );
        }
        return install({ inputs, key, machine, context, account }, facts, prior);
    },

    async remove(state, context) {
        const key = knownKey(state);
        const account = accountOf(state);
        const machine = await login([ownConnection(state, key), state.connection], state, context);
        const facts = await observeKeys(machine, account, context).catch((error) => {
            if (error instanceof FleetError && error.code === "SSH_USER_MISSING") return undefined;
            throw error;
        });
        if (facts === undefined) return;
        const isShared = facts.recorded.some(
            ({ instance, user, base64 }) => instance !== key.instance && user === account && base64 === key.base64,
        );
        const isThere = lineOf(facts, key.base64) !== undefined;
        if (isThere && !isShared) await requireOtherWay(state, key, facts, machine);
        // Older ones of ours are left from killed runs. Newer ones are not: the one that replaces this one is among them.
        const index = facts.recorded.findIndex(({ instance }) => instance === key.instance);
        const older = orphansOf(facts, key, undefined).filter((entry) => facts.recorded.indexOf(entry) < index);
        await clear(machine, older, facts, key, context);
        const drop = isThere && !isShared ? [key.base64] : [];
        await changeKeys(machine, account, { drop, forget: [key.instance] }, context, context);
    },
});

interface Work {
    inputs: SshKeyInputs;
    key: Key;
    machine: Machine;
    context: Context;
    account: string;
}

/** Brings the key's line where it belongs, and proves that it lets us in; where it does not, all is as it was before. */
async function install(work: Work, seen: KeysFacts, prior: Recorded<SshKeyInputs, SshKeyState> | undefined) {
    const { inputs, key, machine, context, account } = work;
    let facts = seen;
    const here = lineOf(facts, key.base64);
    const line: KeyLine = {
        options: (inputs.options ?? []).join(","),
        type: key.type,
        base64: key.base64,
        comment: inputs.comment ?? here?.comment ?? key.comment,
    };
    let file = keysFileFor(facts, key.base64, machine.name);
    if (file.problems.length > 0) {
        if (!inputs.repairPermissions) throw permissionsError(file, machine);
        context.progress(`${machine.name}: repairing the permissions of ${file.path}`);
        await repairPermissions(machine, facts, file, context, context);
        facts = await observeKeys(machine, account, context);
        file = keysFileFor(facts, key.base64, machine.name);
        if (file.problems.length > 0) throw permissionsError(file, machine);
    }
    const isRecorded = facts.recorded.some(({ instance }) => instance === key.instance);
    const { instance, lineage, type, base64 } = key;
    const change: KeysChange = {
        put: line,
        ...(isRecorded ? {} : { record: { lineage, instance, user: account, type, base64 } }),
    };
    const reached = await withSshConfig(inputs.connection);
    const state = (proved: boolean) => stateOf(work, reached, facts, file, line, proved);
    const id = `${account}@${facts.machineId} ${fingerprintOf(base64)}`;
    context.progress(`${machine.name}: installing the key of ${account}`);
    try {
        const { before } = await changeKeys(machine, account, change, context, context, facts);
        let proved = false;
        try {
            proved = await prove(work, line, facts);
        } catch (error) {
            await restoreKeys(machine, account, before, change, context, context);
            throw new Restored(error);
        }
        const orphans = orphansOf(facts, key, prior === undefined ? context.predecessor : undefined);
        await clear(machine, orphans, facts, key, context);
        return { id, state: state(proved) };
    } catch (error) {
        if (error instanceof Restored) throw error.cause;
        // The line may be in the file by now. With its key in the state, the next run goes on from there.
        throw new PartialFailure(id, state(false), error);
    }
}

/** Nothing of ours is left on the machine: an error, but no partial failure. */
class Restored extends Error {
    constructor(cause: unknown) {
        super("the old state was restored", { cause });
    }
}

/**
 * Logs in with the key alone, on a connection of its own.
 *
 * @returns whether that was possible; false where only the public key is known, and where `from=` names other addresses
 * @throws FleetError SSH_KEY_REFUSED with what the server's log says
 */
async function prove({ inputs, key, machine, context, account }: Work, line: KeyLine, facts: KeysFacts) {
    const own = keyConnection(inputs, key, account);
    if (own === undefined) return false;
    context.progress(`${machine.name}: logging in with the key alone`);
    try {
        const proof = await connect(own, {
            knownHostKey: machine.hostKey,
            knownProxyHostKeys: machine.proxyHostKeys,
            fresh: true,
            onProgress: context.progress,
        });
        await proof.close();
        return true;
    } catch (error) {
        if (!(error instanceof FleetError) || error.code !== "AUTHENTICATION_FAILED") throw error;
        const words = await serverWords(machine, facts.now);
        if (hasOption(line.options, "from") && /not from a permitted host/.test(words)) {
            context.warn(
                `${machine.name}: from= lets the key of ${account} in from other addresses only, so it could not be tried from here.`,
            );
            return false;
        }
        throw refusedError(words, facts, account, machine);
    }
}

function refusedError(words: string, facts: KeysFacts, account: string, machine: Machine): FleetError {
    const methods = facts.settings.get("authenticationmethods") ?? "any";
    const isEnough = methods === "any" || methods.split(" ").includes("publickey");
    const cure = isEnough
        ? "Correct what it names on the machine, and run pulumi up again."
        : `sshd asks ${account} for more than a key (AuthenticationMethods ${methods}): allow "publickey" alone.`;
    return new FleetError({
        code: "SSH_KEY_REFUSED",
        machine: machine.name,
        step: `log in as ${account} with the new key alone`,
        message: `The machine refused it; its keys are again what they were before. ${
            words === "" ? "The SSH server's log says nothing about it." : `The SSH server's log says:\n${words}\n`
        }`,
        cure,
    });
}

function permissionsError(file: KeysFile, machine: Machine): FleetError {
    return new FleetError({
        code: "AUTHORIZED_KEYS_PERMISSIONS",
        machine: machine.name,
        step: "find authorized_keys",
        message: `sshd would ignore ${file.path}: ${file.problems.map(({ text }) => text).join("; ")}.`,
        cure: "Set repairPermissions to true, or correct it on the machine (chmod go-w, chown).",
    });
}

/** Refuses a deletion after which nobody could log in any more. */
async function requireOtherWay(
    state: Recorded<SshKeyInputs, SshKeyState>,
    key: Key,
    facts: KeysFacts,
    machine: Machine,
): Promise<void> {
    const { connection } = state;
    if (accountOf(state) !== loginOf(connection)) return;
    const refuse = (code: "SSH_KEY_IN_USE" | "SSH_LAST_WAY_IN", message: string) => {
        throw new FleetError({
            code,
            machine: machine.name,
            step: "remove the key",
            message,
            cure:
                "Give the resource a connection that logs in otherwise and run pulumi up; or, if the key may stay on the machine, " +
                "set the resource option retainOnDelete, run pulumi up, and then remove it.",
        });
    };
    const argument = "connection.privateKey";
    const used =
        connection.privateKey === undefined
            ? undefined
            : parsePublicKey(await publicKeyOf(argument, connection.privateKey, connection.privateKeyPassword))?.base64;
    if (used === key.base64) {
        refuse("SSH_KEY_IN_USE", "It is the key with which the argument connection itself logs in.");
    }
    if (otherWaysIn(facts, key.base64).length === 0 && !hasOtherWay(facts)) {
        refuse(
            "SSH_LAST_WAY_IN",
            `It is the last way in for ${accountOf(state)}: there is no other key and no password login.`,
        );
    }
}

/** Keys of ours that killed runs have left: recorded on the machine, but in no state. */
function orphansOf(facts: KeysFacts, key: Key, predecessor: Context["predecessor"]): RecordedKey[] {
    // There is one in the state, but we do not know which.
    if (predecessor !== undefined && predecessor.record === undefined) return [];
    return facts.recorded.filter(
        ({ lineage, instance }) =>
            lineage === key.lineage && instance !== key.instance && instance !== predecessor?.record?.instance,
    );
}

/** Takes such keys off the machine, unless somebody else has the same one. */
async function clear(machine: Machine, orphans: RecordedKey[], facts: KeysFacts, key: Key, context: Context) {
    for (const user of new Set(orphans.map((orphan) => orphan.user))) {
        const theirs = orphans.filter((orphan) => orphan.user === user);
        const staying = facts.recorded.filter((entry) => entry.user === user && !orphans.includes(entry));
        const drop = theirs
            .map(({ base64 }) => base64)
            .filter((base64) => base64 !== key.base64 && !staying.some((entry) => entry.base64 === base64));
        const forget = theirs.map(({ instance }) => instance);
        context.progress(`${machine.name}: removing ${drop.length} keys of ${user} that interrupted runs have left`);
        await changeKeys(machine, user, { drop, forget }, context, context).catch((error) => {
            if (!(error instanceof FleetError) || error.code !== "SSH_USER_MISSING") throw error;
        });
    }
}

/** Logs in with the first connection that the machine accepts. */
async function login(
    candidates: (Connection | undefined)[],
    known: SshKeyState | undefined,
    context: Context,
    speaker?: Connection,
): Promise<Machine> {
    let failure: unknown;
    for (const candidate of candidates) {
        if (candidate === undefined) continue;
        try {
            return await openMachine(candidate, known, context);
        } catch (error) {
            const codes = ["AUTHENTICATION_FAILED", "NO_AUTHENTICATION_METHOD"];
            if (!(error instanceof FleetError) || !codes.includes(error.code)) throw error;
            // What counts for the user is why the connection that the program gave was refused.
            if (failure === undefined || speaker === undefined || candidate === speaker) failure = error;
        }
    }
    throw failure;
}

/** The connection with the key in place of everything else that can log in; undefined where that cannot work. */
function keyConnection(inputs: SshKeyInputs, key: Key, user: string): Connection | undefined {
    if (key.privateKey === undefined) return undefined;
    const { password, agentSocketPath, identityFile, ...rest } = inputs.connection;
    return {
        ...rest,
        user,
        privateKey: key.privateKey,
        privateKeyPassword: key.privateKeyPassword,
        sudoPassword: rest.sudoPassword ?? password,
    };
}

/** How the resource itself logs in with its key: where the key is the login user's and may run our scripts. */
function ownConnection(inputs: SshKeyInputs, key: Key): Connection | undefined {
    const isForLogin = accountOf(inputs) === loginOf(inputs.connection);
    const isFree = !hasOption((inputs.options ?? []).join(","), "command");
    return isForLogin && isFree ? keyConnection(inputs, key, loginOf(inputs.connection)) : undefined;
}

/** How the resource that is being replaced logs in, where that is the same login of the same machine. */
function predecessorsConnection(inputs: SshKeyInputs, context: Context): Connection | undefined {
    const record = context.predecessor?.record as Recorded<SshKeyInputs, SshKeyState> | undefined;
    if (record?.sshPublicKey === undefined) return undefined;
    const isSame = (["host", "port"] as const).every((part) => record.connection[part] === inputs.connection[part]);
    return isSame && loginOf(record.connection) === loginOf(inputs.connection)
        ? ownConnection({ ...record, connection: { ...inputs.connection } }, knownKey(record))
        : undefined;
}

/** A key that is not on the machine yet: made, or taken from the arguments. */
async function newKey(inputs: SshKeyInputs, context: Context): Promise<Key> {
    const comment = inputs.comment ?? defaultComment(context.urn);
    const isGenerated = inputs.privateKey === undefined && inputs.publicKey === undefined;
    const pair = isGenerated ? generateKeyPair(comment) : undefined;
    const publicKey =
        pair?.publicKey ??
        inputs.publicKey ??
        (await publicKeyOf("privateKey", inputs.privateKey!, inputs.privateKeyPassword));
    const parsed = parsePublicKey(publicKey)!;
    return {
        ...parsed,
        comment: parsed.comment || comment,
        privateKey: pair?.privateKey ?? inputs.privateKey,
        privateKeyPassword: inputs.privateKeyPassword,
        isGenerated,
        createdAt: new Date().toISOString(),
        instance: randomUUID(),
        lineage: lineageOf(context.urn),
    };
}

/** The key of a record. */
function knownKey(record: Recorded<SshKeyInputs, SshKeyState>): Key {
    return {
        ...parsePublicKey(record.sshPublicKey)!,
        privateKey: record.generatedKey ?? record.privateKey,
        privateKeyPassword: record.privateKeyPassword,
        isGenerated: record.generatedKey !== undefined,
        createdAt: record.createdAt,
        instance: record.instance,
        lineage: record.lineage,
    };
}

/**
 * The same for all runs of a stack from one place, and different for other stacks, even those of the same name that other
 * people have: nobody takes a key for abandoned that is in a state he cannot see.
 */
function lineageOf(urn: string): string {
    const place = [urn, userInfo().username, hostname(), process.cwd(), process.env.PULUMI_BACKEND_URL ?? ""];
    return createHash("sha256").update(JSON.stringify(place)).digest("hex").slice(0, 32);
}

/** `web-key (project/stack)`, from the resource's URN. */
function defaultComment(urn: string): string {
    const [, stack = "", project = "", , name = ""] = /^urn:pulumi:(.*?)::(.*?)::(.*?)::(.*)$/s.exec(urn) ?? [];
    return (name === "" ? "pulumi-docker-fleet" : `${name} (${project}/${stack})`).replace(/\s+/g, " ");
}

function secondsOf(age: string): number {
    return Number(age.slice(0, -1)) * units[age.at(-1) as keyof typeof units];
}

function accountOf(inputs: Pick<SshKeyInputs, "user" | "connection">): string {
    return inputs.user ?? loginOf(inputs.connection);
}

function loginOf(connection: Connection): string {
    return connection.user ?? "root";
}

/** The inputs as they are on the machine: where they differ from what was asked for, the engine shows drift. */
function asFound(
    inputs: SshKeyInputs,
    line: KeyLine | undefined,
    file: KeysFile | undefined,
    orphans: number,
): SshKeyInputs {
    const { options, comment, ...rest } = inputs;
    const asked = options ?? [];
    const found = line === undefined ? asked : splitOptions(line.options);
    const same = found.join(",") === asked.join(",");
    const problems = file?.problems.map(({ text }) => text) ?? [];
    const status = [
        line === undefined ? "not installed" : wanted,
        ...problems,
        ...(orphans === 0 ? [] : [`${orphans} keys of interrupted runs are there too`]),
    ].join("; ");
    const shown = same ? options : found;
    const words = comment === undefined || line === undefined ? comment : line.comment;
    return {
        ...rest,
        ...(shown === undefined ? {} : { options: shown }),
        ...(words === undefined ? {} : { comment: words }),
        status,
    };
}

function stateOf(
    work: Work,
    reached: Connection,
    facts: KeysFacts,
    file: KeysFile,
    line: KeyLine,
    proved: boolean,
): SshKeyState {
    const { key, machine, account, context } = work;
    return {
        ...(key.isGenerated ? { generatedKey: key.privateKey } : {}),
        sshPublicKey: [key.type, key.base64, line.comment].filter(Boolean).join(" "),
        sshKeyFingerprint: fingerprintOf(key.base64),
        account,
        createdAt: key.createdAt,
        authorizedKeysFile: file.path,
        proved,
        ...clientTexts(reached, account, machine.hostKey, context.urn),
        machineId: facts.machineId,
        hostKey: machine.hostKey,
        ...proxyHostKeysOf(machine),
        instance: key.instance,
        lineage: key.lineage,
    };
}
