import { randomUUID } from "node:crypto";
import { z } from "zod";
import { FleetError } from "../errors";
import {
    applyHardening,
    becomeRoot,
    type HardeningFacts,
    type HardeningOwner,
    observeHardening,
    removeHardening,
    timing,
} from "../host/sshd/hardening";
import type { Hardening } from "../host/sshd/settings";
import { type Connection, connect, type Machine } from "../ssh";
import { connectionSchema } from "./connection";
import { define } from "./define";
import { type Context, PartialFailure } from "./definition";
import { hardeningSchema } from "./hardening-schema";
import { isSameMachine, openMachine, proxyHostKeysOf } from "./machine";

/** The state of our settings that this resource wants; anything else is drift, in words. */
const wanted = "in place";

const inputs = z.strictObject({
    connection: connectionSchema,
    hardening: hardeningSchema,
    // Not an argument of the class: the place where a refresh shows that the settings are not as they should be.
    status: z.string().default(wanted),
});

/** The arguments of an SshHardening after the check. */
export interface SshHardeningInputs {
    connection: Connection;
    hardening: Hardening;
    status: string;
}

/** What is known of an SshHardening beyond its arguments. */
export interface SshHardeningState {
    machineId: string;
    hostKey: string;
    /** The keys of the jump hosts on the way, by the names that known_hosts has for them. */
    proxyHostKeys?: Record<string, string>;
    endpoint: string;
    /** See {@link HardeningOwner}. */
    instance: string;
}

/**
 * The hardening of an SshKey: the settings of the machine's SSH server. A resource of its own, below the SshKey: it is made
 * when the key is in the state already, and is gone before the key goes. A key that exists only in a process which is killed
 * must not be the only one that a machine lets in.
 */
export const sshHardening = define<SshHardeningInputs, SshHardeningState>({
    kind: "SshHardening",
    schemaVersion: 1,
    inputs,
    secrets: ["connection"],

    async observe(inputs, prior, context) {
        const machine = await openMachine(inputs.connection, prior, context);
        const facts = await observeHardening(machine, inputs.hardening, machine.user, context);
        const state = stateOf(machine, facts, prior?.instance ?? facts.owner?.instance ?? "");
        return { inputs: asFound(inputs, facts), state };
    },

    async apply(inputs, prior, context) {
        const machine = await openMachine(inputs.connection, prior, context);
        const { user } = machine;
        const facts = await observeHardening(machine, inputs.hardening, user, context);
        isSameMachine(prior, facts.machineId, machine, context);
        const owner: HardeningOwner = { resource: context.urn, instance: prior?.instance ?? randomUUID() };
        const state = stateOf(machine, facts, owner.instance);
        const prove = () => proveLogin(inputs.connection, machine, context);
        try {
            await applyHardening(machine, { wanted: inputs.hardening, user, owner, prove }, facts, context);
        } catch (error) {
            if (error instanceof FleetError && ["HARDENING_REFUSED", "HARDENING_OWNED"].includes(error.code)) {
                throw error;
            }
            // Undone, or about to be; but where a connection was lost at the last moment, it may have been confirmed.
            throw new PartialFailure(facts.machineId, state, error);
        }
        return { id: facts.machineId, state };
    },

    async remove(state, context) {
        const machine = await openMachine(state.connection, state, context);
        await removeHardening(machine, { resource: context.urn, instance: state.instance }, context);
    },
});

/** Logs in anew without the password, which the settings may be about to refuse, and becomes root. */
async function proveLogin(connection: Connection, machine: Machine, context: Context): Promise<void> {
    const { password, ...rest } = connection;
    const proof = await connect(
        { ...rest, sudoPassword: rest.sudoPassword ?? password },
        {
            knownHostKey: machine.hostKey,
            knownProxyHostKeys: machine.proxyHostKeys,
            fresh: true,
            timeout: timing.proof,
            onProgress: context.progress,
        },
    );
    try {
        await becomeRoot(proof, context);
    } finally {
        await proof.close();
    }
}

/** The inputs as they are on the machine: where they differ from what was asked for, the engine shows drift. */
function asFound(inputs: SshHardeningInputs, { state, found, override }: HardeningFacts): SshHardeningInputs {
    const { kbdInteractiveAuthentication: questions, ...others } = found;
    const hardening =
        inputs.hardening.kbdInteractiveAuthentication === undefined && questions !== true ? others : found;
    return { ...inputs, hardening, status: state === "overridden" ? `${state}: ${override}` : state };
}

function stateOf(machine: Machine, { machineId }: HardeningFacts, instance: string): SshHardeningState {
    return {
        machineId,
        hostKey: machine.hostKey,
        ...proxyHostKeysOf(machine),
        endpoint: `ssh://${machine.name}`,
        instance,
    };
}
