import { FleetError } from "../../errors";
import {
    changeKeys,
    type KeysChange,
    type KeysFacts,
    type KeysFile,
    keysFileFor,
    lineOf,
    observeKeys,
    repairPermissions,
    restoreKeys,
    serverWords,
} from "../../host/authorized-keys";
import type { KeyLine } from "../../host/authorized-keys/file";
import { hasOption } from "../../host/authorized-keys/options";
import { connect, fingerprintOf, type Machine } from "../../ssh";
import { type Context, PartialFailure, type Recorded } from "../definition";
import { proxyHostKeysOf } from "../machine";
import type { SshKeyInputs } from "./inputs";
import type { Key, SshKeyState } from "./key";
import { keyConnection } from "./login";
import { clear, orphansOf } from "./orphans";
import { clientTexts } from "./texts";

/** A key on its way to a machine. */
export interface Work {
    inputs: SshKeyInputs;
    key: Key;
    machine: Machine;
    context: Context;
    account: string;
}

/** Brings the key's line where it belongs, and proves that it lets us in; where it does not, all is as it was before. */
export async function install(work: Work, seen: KeysFacts, prior: Recorded<SshKeyInputs, SshKeyState> | undefined) {
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
    const state = (proved: boolean) => stateOf(work, facts, file, line, proved);
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
        // In a rotation the old key stays the one in the state, with which the next run can log in for another try; it clears
        // away what this one has left. With the new key in its place, which may not be on the machine, it could not.
        if (prior === undefined && context.predecessor !== undefined) throw error;
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

function stateOf(work: Work, facts: KeysFacts, file: KeysFile, line: KeyLine, proved: boolean): SshKeyState {
    const { inputs, key, machine, account, context } = work;
    return {
        ...(key.isGenerated ? { generatedKey: key.privateKey } : {}),
        sshPublicKey: [key.type, key.base64, line.comment].filter(Boolean).join(" "),
        sshKeyFingerprint: fingerprintOf(key.base64),
        account,
        createdAt: key.createdAt,
        authorizedKeysFile: file.path,
        proved,
        ...clientTexts(inputs.connection, account, machine.hostKey, context.urn),
        machineId: facts.machineId,
        hostKey: machine.hostKey,
        ...proxyHostKeysOf(machine),
        instance: key.instance,
        lineage: key.lineage,
    };
}
