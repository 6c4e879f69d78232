import { FleetError } from "../errors";
import { changeKeys, type KeysFacts, type KeysFile, lineOf, observeKeys } from "../host/authorized-keys";
import type { KeyLine } from "../host/authorized-keys/file";
import { splitOptions } from "../host/authorized-keys/options";
import type { Machine } from "../ssh";
import { define } from "./define";
import type { Context } from "./definition";
import { containsUnknown } from "./json";
import { isSameMachine, proxyHostKeysOf } from "./machine";
import { leavesWayIn, requireOtherWay } from "./ssh-key/guard";
import { accountOf, installed, type SshKeyInputs, secondsOf, sshKeyInputs } from "./ssh-key/inputs";
import { install } from "./ssh-key/install";
import { knownKey, newKey, type SshKeyState } from "./ssh-key/key";
import {
    configured,
    formerConnections,
    keepConnection,
    login,
    ownConnection,
    siblingsConnection,
} from "./ssh-key/login";
import { clear, orphansOf } from "./ssh-key/orphans";

/** A key that a user of a machine logs in with. */
export const sshKey = define<SshKeyInputs, SshKeyState>({
    kind: "SshKey",
    schemaVersion: 1,
    inputs: sshKeyInputs,
    secrets: ["connection", "privateKey", "privateKeyPassword"],
    replaceOn: ["user", "privateKey", "publicKey", "rotate"],
    createFirst: true,

    outdated(prior, news) {
        const age = (Date.now() - Date.parse(prior.createdAt ?? "")) / 1000;
        const isOld = typeof news.maxAge === "string" && secondsOf(news.maxAge) <= age;
        const moved = !containsUnknown([news.user, news.connection]) && accountOf(news) !== prior.account;
        return [...(isOld ? ["maxAge" as const] : []), ...(moved ? ["connection" as const] : [])];
    },

    async observe(asked, prior, context) {
        if (prior === undefined) return undefined;
        const inputs = await configured(asked);
        const account = accountOf(inputs);
        const key = knownKey({ ...inputs, ...prior });
        const machine = await login([ownConnection(inputs, key), inputs.connection], prior, context);
        const facts = await observeIfThere(machine, account, context);
        if (facts === undefined) {
            return { inputs: { ...asked, status: `there is no user ${account}` }, state: prior };
        }
        const orphans = orphansOf(facts, key, undefined).length;
        const file = facts.files.find(({ content }) => content.includes(key.base64)) ?? facts.files[0];
        return {
            inputs: asFound(asked, lineOf(facts, key.base64), file, orphans),
            state: { ...prior, machineId: facts.machineId, hostKey: machine.hostKey, ...proxyHostKeysOf(machine) },
        };
    },

    async apply(asked, prior, context) {
        const inputs = await configured(asked);
        const account = accountOf(inputs);
        const key = prior === undefined ? await newKey(inputs, context) : knownKey({ ...prior, ...inputs });
        const own = ownConnection(inputs, key);
        const machine = await login(
            prior === undefined
                ? // A predecessor's key may be the only one that still gets in; our own does if it was there before us.
                  [
                      await siblingsConnection(inputs, context.predecessor?.record),
                      inputs.connection,
                      key.isGenerated ? undefined : own,
                  ]
                : [own, inputs.connection],
            prior,
            context,
            inputs.connection,
        );
        const facts = await observeKeys(machine, account, context);
        isSameMachine(prior, facts.machineId, machine, context);
        return install({ inputs, key, machine, context, account }, facts, prior);
    },

    async remove(record, context) {
        const state = await configured(record);
        const key = knownKey(state);
        const { account } = state;
        // Our own line may be gone already, by a run that died before the state was saved, or with a sibling in this one.
        const successor = await siblingsConnection(state, context.successor);
        const own = ownConnection(state, key);
        const machine = await login(
            [own, successor, ...formerConnections(key, state.connection), state.connection],
            state,
            context,
        );
        const facts = await observeIfThere(machine, account, context);
        if (facts === undefined) return;
        // What has taken the key's place is known to be in the state, unless it is destroyed together with it: a run that was
        // killed at the very end of a rotation leaves both there. Then the one takes away the line of the other, too.
        const orphans = orphansOf(facts, key, context.successor && { record: context.successor });
        const isShared = facts.recorded.some(
            (entry) =>
                entry.instance !== key.instance &&
                entry.user === account &&
                entry.base64 === key.base64 &&
                !orphans.includes(entry),
        );
        const isThere = lineOf(facts, key.base64) !== undefined;
        if (isThere && !isShared) await requireOtherWay(state, key, facts, orphans, machine, context);
        if (account !== machine.user || leavesWayIn(key, facts, orphans)) {
            await clear(machine, orphans, facts, key, context);
        }
        const drop = isThere && !isShared ? [key.base64] : [];
        await changeKeys(machine, account, { drop, forget: [key.instance] }, context, context);
        keepConnection(key, own);
    },
});

/** The keys of a user; undefined when the machine has no such user. */
async function observeIfThere(machine: Machine, user: string, context: Context): Promise<KeysFacts | undefined> {
    try {
        return await observeKeys(machine, user, context);
    } catch (error) {
        if (error instanceof FleetError && error.code === "SSH_USER_MISSING") return undefined;
        throw error;
    }
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
        line === undefined ? "not installed" : installed,
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
