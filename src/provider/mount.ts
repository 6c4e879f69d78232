import { z } from "zod";
import { FleetError } from "../errors";
import {
    applyMount,
    homeOf,
    isOnFstab,
    type MountFacts,
    type MountTarget,
    observeMount,
    removeMount,
    requireInit,
} from "../host/mount";
import { fstabOf } from "../host/mount/fstab";
import { type MountType, mountTypes, optionMistake } from "../host/mount/options";
import { isChangedInPlace } from "../host/mount/remount";
import { sourceMistake, targetMistake } from "../host/mount/source";
import { asWanted, judge } from "../host/mount/state";
import { unitsOf, type WantedFile, whatOf } from "../host/mount/units";
import type { Connection, Machine } from "../ssh";
import { connectionSchema } from "./connection";
import { define } from "./define";
import { type Context, PartialFailure } from "./definition";
import { isUnreachable } from "./errors";
import { containsUnknown } from "./json";
import { isSameMachine, openMachine, proxyHostKeysOf } from "./machine";
import {
    type Admission,
    admit,
    dismiss,
    keyPaths,
    type ServerSource,
    type ServerState,
    serverOptions,
} from "./mount/server";
import type { Problem } from "./validate";

const line = (what: string) => z.string(what).regex(/^[^\r\n\0]+$/, `${what}, in one line`);

const inputs = z.strictObject({
    connection: connectionSchema,
    type: z.enum(mountTypes, mountTypes.map((type) => `"${type}"`).join(", ")),
    source: z
        .union([
            z.string("a text"),
            z.strictObject({
                host: connectionSchema,
                path: z
                    .string("an absolute path")
                    .regex(/^\/[^\0-\x1f\x7f\\]*$/, "an absolute path without control characters and backslashes"),
                address: z
                    .string("an address")
                    .regex(/^[A-Za-z0-9][\w.-]*$|^[0-9A-Fa-f:]+$/, "a host name or address alone")
                    .optional(),
            }),
        ])
        .optional(),
    target: z.string("an absolute path"),
    options: z.array(z.string('an option, such as "ro"'), "a list of options").default([]),
    fsType: z
        .string("the name of a file system")
        .regex(/^[a-z0-9][a-z0-9._-]*$/, 'the name of a file system, such as "xfs"')
        .optional(),
    format: z.enum(["ext4"], '"ext4"').optional(),
    owner: z
        .string("an owner")
        .regex(
            /^[A-Za-z0-9_][\w.-]*(?::[A-Za-z0-9_][\w.-]*)?$/,
            'a user, or user and group, such as "1000:1000" or "www-data"',
        )
        .optional(),
    mode: z
        .string("a mode")
        .regex(/^[0-7]{3,4}$/, 'an octal number such as "0750"')
        .optional(),
    automount: z.boolean("true or false").default(false),
    requiredByDocker: z.boolean("true or false").default(false),
    guard: z.boolean("true or false").default(false),
    credentials: z
        .strictObject({
            username: line("a user name"),
            password: line("a password"),
            domain: line("a domain").optional(),
        })
        .optional(),
    force: z.enum(["lazy"], '"lazy"').optional(),
    // Not an argument of the class: the place where a refresh shows that the mount is not as it should be.
    mount: z.string().default(asWanted),
});

/** The arguments of a Mount after the check. */
export interface MountInputs {
    connection: Connection;
    type: MountType;
    source?: string | ServerSource;
    target: string;
    options: string[];
    fsType?: string;
    format?: "ext4";
    owner?: string;
    mode?: string;
    automount: boolean;
    requiredByDocker: boolean;
    guard: boolean;
    credentials?: { username: string; password: string; domain?: string };
    force?: "lazy";
    mount: string;
}

/** What is known of a Mount beyond its arguments. */
export interface MountState {
    /** The systemd unit; undefined on a machine without systemd. */
    unit?: string;
    /** The other machine, where the source is one. */
    server?: ServerState;
    machineId: string;
    hostKey: string;
    proxyHostKeys?: Record<string, string>;
    endpoint: string;
}

/** Storage that is mounted on a machine. */
export const mount = define<MountInputs, MountState>({
    kind: "Mount",
    schemaVersion: 1,
    inputs,
    secrets: ["connection", "credentials", "source.host"],
    replaceOn: ["target"],

    problems: (inputs) => problemsOf(inputs),

    foresee(prior, news, context) {
        const name = news.connection.host;
        context.progress(`${name}: ${foreseen(prior, news)}`);
    },

    async observe(inputs, prior, context) {
        const machine = await openMachine(inputs.connection, prior, context);
        const wanted = wantedOf(inputs, context.urn, prior?.server);
        const facts = await observeMount(machine, wanted, context);
        return { inputs: asFound(inputs, wanted, facts), state: stateOf(machine, facts, wanted, prior?.server) };
    },

    async apply(inputs, prior, context) {
        const machine = await openMachine(inputs.connection, prior, context);
        let wanted = wantedOf(inputs, context.urn, prior?.server);
        let facts = await observeMount(machine, wanted, context);
        requireInit(facts, wanted, machine.name);
        const isSame = isSameMachine(prior, facts.machineId, machine, context);
        const id = `${facts.machineId}:${inputs.target}`;
        const known = isSame ? prior?.server : undefined;
        const admission = await admissionOf(inputs, facts, known, context);
        wanted = wantedOf(inputs, context.urn, admission?.state, admission?.file);
        const state = () => stateOf(machine, facts, wanted, admission?.state);
        try {
            const { repair, remount } = judge(wanted, facts);
            if (repair === "wait") throw silent(machine, wanted);
            const isOurs = facts.owner === context.urn;
            if (repair !== "none" || !isOurs || !isOwnedRight(inputs, facts)) {
                const isManaged = isSame && prior !== undefined;
                const action = repair === "mount" || !isOurs ? "mount" : (remount ?? "none");
                facts = await applyMount(
                    machine,
                    wanted,
                    { action, isManaged, owner: context.urn, seen: facts },
                    context,
                );
                warnOf(machine, wanted, facts, context);
            }
        } catch (error) {
            // The script goes on to its end without us: the key may be in use.
            if (isUnreachable(error)) throw new PartialFailure(id, state(), error);
            await admission?.undo();
            throw error;
        }
        await admission?.settle();
        if (
            known !== undefined &&
            typeof prior?.source === "object" &&
            known.publicKey !== admission?.state.publicKey
        ) {
            await dismiss(prior.source.host, known, context);
        }
        return { id, state: state() };
    },

    async remove(state, context) {
        const machine = await openMachine(state.connection, state, context);
        const { target, force } = state;
        const keepers = await removeMount(machine, { target, owner: context.urn, force }, context);
        if (keepers.length > 0) {
            context.warn(
                `${machine.name}: ${target} was unmounted. Containers that were started before go on using what was mounted: ` +
                    `${keepers.join(", ")}. Restart or remove them.`,
            );
        }
        if (typeof state.source === "object" && state.server !== undefined) {
            await dismiss(state.source.host, state.server, context);
        }
    },
});

/** What an update does to the mount, as far as the record and the arguments tell. */
function foreseen(prior: MountInputs, news: MountInputs): string {
    const { target } = news;
    const place = ({ type, source, automount }: MountInputs) => JSON.stringify([type, source, automount]);
    const found = prior.mount;
    const isLost =
        found !== asWanted &&
        !/^(?:mounted with|unit changed|not in |line of |not enabled|not guarded|guarded|Docker is down|changed:|a change was)/.test(
            found,
        );
    if (isLost || place(prior) !== place(news)) return `unmount ${target} and mount it anew`;
    const options = (inputs: MountInputs) => JSON.stringify(inputs.options);
    if (options(prior) === options(news) && !found.startsWith("mounted with")) return `${target} stays mounted`;
    const fsType = news.type === "block" ? (news.fsType ?? news.format) : news.type;
    return isChangedInPlace(news.type, fsType, prior.options, news.options)
        ? `remount ${target} in place`
        : `unmount ${target} and mount it anew`;
}

/** Makes the other machine let this one in, where the source is another machine. */
async function admissionOf(
    { source, target, options }: MountInputs,
    facts: MountFacts,
    prior: ServerState | undefined,
    context: Context,
): Promise<Admission | undefined> {
    if (typeof source !== "object") return undefined;
    const mount = { machineId: facts.machineId, target, isReadOnly: options.includes("ro") };
    return admit(source, mount, facts.files.get(keyPaths(target).identity), prior, context);
}

function problemsOf(inputs: MountInputs): Problem[] {
    const isKnown = (value: unknown) => !containsUnknown(value);
    const { type, source, target, options, fsType, format, owner, mode, credentials } = inputs;
    const problems: Problem[] = [];
    const say = (path: PropertyKey[], problem: string | undefined, value?: unknown) => {
        if (problem !== undefined) problems.push({ path, problem, value });
    };
    if (isKnown(target)) say(["target"], targetMistake(target), target);
    if (!isKnown(type)) return problems;
    if (typeof source === "object") {
        if (type !== "sshfs") say(["source"], "another machine is a source for the type sshfs only");
    } else if (isKnown(source) && isKnown(target)) {
        say(["source"], sourceMistake(type, source, target), source);
    }
    if (Array.isArray(options)) {
        options.forEach((option, index) => {
            if (isKnown(option)) say(["options", index], optionMistake(type, option));
        });
    }
    const only = (name: string, value: unknown, types: MountType[], hint = "") => {
        if (value === undefined || types.includes(type)) return;
        say([name], `it is for the type${types.length > 1 ? "s" : ""} ${types.join(", ")} only${hint}`);
    };
    only("fsType", fsType, ["block"]);
    only("format", format, ["block"]);
    only("credentials", credentials, ["cifs"]);
    const local: MountType[] = ["bind", "tmpfs", "block"];
    const hint = type === "nfs" || type === "nfs4" ? ": it is the server's business" : ": use the options uid and gid";
    only("owner", owner, local, hint);
    only("mode", mode, local, hint);
    if (format !== undefined && type === "block") {
        if (typeof source === "string" && isKnown(source) && !source.startsWith("/dev/")) {
            say(
                ["format"],
                "a device that is to be formatted is named by its path: an empty one has neither UUID nor LABEL",
            );
        }
        if (isKnown(fsType) && isKnown(format) && fsType !== undefined && fsType !== format) {
            say(["fsType"], "it is not what format makes");
        }
    }
    return problems;
}

/** @param server what is known of the other machine @param keyFile the private key, if it is a new one */
function wantedOf(inputs: MountInputs, urn: string, server?: ServerState, keyFile?: WantedFile): MountTarget {
    const { type, target, credentials, owner, mode, format, requiredByDocker, automount } = inputs;
    const source = sourceOf(inputs, server);
    const fsType = inputs.fsType ?? format;
    const files: WantedFile[] = [];
    const kept: MountTarget["kept"][number][] = [];
    const options = [...inputs.options];
    if (credentials !== undefined) {
        const path = `${homeOf(target)}/credentials`;
        options.push(`credentials=${path}`);
        files.push({ path, mode: "0600", content: credentialsFile(credentials) });
    }
    if (typeof inputs.source === "object") {
        const { identity, knownHosts } = keyPaths(target);
        options.push(...serverOptions(target, server?.port ?? 22));
        files.push({ path: knownHosts, mode: "0600", content: server?.knownHosts ?? "" });
        if (keyFile === undefined) kept.push({ path: identity, sum: server?.keySum ?? "" });
        else files.push(keyFile);
    }
    const wish = { type, source, target, options, fsType, automount, requiredByDocker, owner: urn };
    return {
        type,
        source,
        device: type === "block" ? whatOf(type, source) : undefined,
        target,
        options,
        fsType,
        units: unitsOf(wish),
        fstab: fstabOf(wish),
        files,
        kept,
        format,
        owner,
        mode,
        requiredByDocker,
        guard: inputs.guard,
        force: inputs.force,
    };
}

function sourceOf({ source }: MountInputs, server: ServerState | undefined): string {
    if (typeof source !== "object") return source ?? "tmpfs";
    return server?.source ?? `${source.address ?? source.host.host}:${source.path}`;
}

/** As mount.cifs reads it. */
function credentialsFile({ username, password, domain }: NonNullable<MountInputs["credentials"]>): string {
    const lines = [
        `username=${username}`,
        `password=${password}`,
        ...(domain === undefined ? [] : [`domain=${domain}`]),
    ];
    return `${lines.join("\n")}\n`;
}

/** The inputs as they are on the machine: where they differ from what was asked for, the engine shows drift. */
function asFound(inputs: MountInputs, wanted: MountTarget, facts: MountFacts): MountInputs {
    const { root } = facts;
    return {
        ...inputs,
        ...(root === undefined || isOwner(inputs.owner, root) ? {} : { owner: `${root.user}:${root.group}` }),
        ...(root === undefined || isMode(inputs.mode, root) ? {} : { mode: root.mode.padStart(4, "0") }),
        mount: judge(wanted, facts).word,
    };
}

function isOwnedRight({ owner, mode }: MountInputs, { root }: MountFacts): boolean {
    return root === undefined || (isOwner(owner, root) && isMode(mode, root));
}

type Root = NonNullable<MountFacts["root"]>;

function isOwner(owner: string | undefined, { uid, gid, user, group }: Root): boolean {
    if (owner === undefined) return true;
    const [wantedUser, wantedGroup] = owner.split(":");
    return [uid, user].includes(wantedUser!) && (wantedGroup === undefined || [gid, group].includes(wantedGroup));
}

function isMode(mode: string | undefined, root: Root): boolean {
    return mode === undefined || Number.parseInt(mode, 8) === Number.parseInt(root.mode, 8);
}

function warnOf(machine: Machine, { target }: MountTarget, facts: MountFacts, context: Context): void {
    if (facts.hidden !== undefined) {
        context.warn(
            `${machine.name}: while nothing was mounted at ${target}, something was written there, which the mount hides now ` +
                `(${facts.hidden}). \`mount --bind / /mnt\` shows it below /mnt.`,
        );
    }
    if (facts.strangers.length > 0) {
        context.warn(
            `${machine.name}: ${target} was mounted anew. Containers that were started before still see what was there then: ` +
                `${facts.strangers.join(", ")}. Restart them.`,
        );
    }
    if (facts.outdated.length > 0) {
        context.warn(
            `${machine.name}: ${target} has got other options in place. Containers that were started before have the old ones on ` +
                `their copy of it: ${facts.outdated.join(", ")}. Restart them.`,
        );
    }
    if (facts.dockerDown) {
        context.warn(`${machine.name}: ${target} is mounted, and Docker does not start all the same.`);
    }
}

function silent(machine: Machine, { source, target }: MountTarget): FleetError {
    return new FleetError({
        code: "MOUNT_SERVER_SILENT",
        machine: machine.name,
        step: `mount ${target}`,
        message: `${source} is mounted, and does not answer. It was left as it is: it goes on by itself when the server is back.`,
        cure: "Bring the server or the way to it back; or change source, where it is gone for good.",
    });
}

function stateOf(
    machine: Machine,
    facts: MountFacts,
    { units }: MountTarget,
    server: ServerState | undefined,
): MountState {
    return {
        ...(isOnFstab(facts) ? {} : { unit: units.start }),
        ...(server === undefined ? {} : { server }),
        machineId: facts.machineId,
        hostKey: machine.hostKey,
        ...proxyHostKeysOf(machine),
        endpoint: `ssh://${machine.name}`,
    };
}
