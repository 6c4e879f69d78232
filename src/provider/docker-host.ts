import { z } from "zod";
import {
    type EngineFacts,
    installEngine,
    observeEngine,
    removeEngine,
    requireSupported,
    upstreamVersion,
    versionMatches,
} from "../host/engine";
import type { Connection, Machine } from "../ssh";
import { connectionSchema } from "./connection";
import { define } from "./define";
import { PartialFailure } from "./definition";
import { isSameMachine, openMachine, proxyHostKeysOf } from "./machine";

/** The state of the engine that this resource wants; anything else is drift, in words. */
const wanted = "running";

const inputs = z.strictObject({
    connection: connectionSchema,
    version: z
        .string("a version")
        .regex(/^[0-9][\w.:+~-]*$/, 'a version such as "28", "28.5", "28.5.2" or the package\'s full version')
        .optional(),
    hold: z.boolean("true or false").default(true),
    userInDockerGroup: z.boolean("true or false").default(false),
    onDelete: z.enum(["keep", "uninstall", "purge"], '"keep", "uninstall" or "purge"').optional(),
    // Not an argument of the class: the place where a refresh shows that the engine is not as it should be.
    engine: z.string().default(wanted),
});

/** The arguments of a DockerHost after the check. */
export interface DockerHostInputs {
    connection: Connection;
    version?: string;
    hold: boolean;
    userInDockerGroup: boolean;
    onDelete?: "keep" | "uninstall" | "purge";
    engine: string;
}

/** What is known of a DockerHost beyond its arguments. */
export interface DockerHostState {
    engineVersion?: string;
    apiVersion?: string;
    packageName?: string;
    packageVersion?: string;
    os: string;
    arch: string;
    machineId: string;
    hostKey: string;
    endpoint: string;
    /** The keys of the jump hosts on the way; left out where there are none. */
    proxyHostKeys?: Record<string, string>;
    /** True when the engine was there before us: then it stays when the resource is deleted, unless onDelete says otherwise. */
    adopted: boolean;
    /** True when the packages were held before us: then they stay held. */
    heldBefore: boolean;
}

/** A machine with a Docker Engine that runs, is enabled and held. */
export const dockerHost = define<DockerHostInputs, DockerHostState>({
    kind: "DockerHost",
    schemaVersion: 1,
    inputs,
    secrets: ["connection"],

    async observe(inputs, prior, context) {
        const machine = await openMachine(inputs.connection, prior, context);
        const facts = await observeEngine(machine, machine.user, context);
        const origin = originOf(facts, context.urn, prior);
        return { inputs: asFound(inputs, facts, prior), state: stateOf(machine, facts, origin) };
    },

    async apply(inputs, prior, context) {
        const machine = await openMachine(inputs.connection, prior, context);
        const { user } = machine;
        let facts = await observeEngine(machine, user, context);
        requireSupported(facts, machine.name);
        const isSame = isSameMachine(prior, facts.machineId, machine, context);
        const origin = originOf(facts, context.urn, isSame ? prior : undefined);
        if (!isWanted(inputs, facts)) {
            try {
                const target = {
                    version: inputs.version,
                    hold: inputs.hold,
                    userInDockerGroup: inputs.userInDockerGroup,
                    user,
                    owner: context.urn,
                };
                facts = await installEngine(machine, target, context);
            } catch (error) {
                throw new PartialFailure(facts.machineId, stateOf(machine, facts, origin), error);
            }
        }
        return { id: facts.machineId, state: stateOf(machine, facts, origin) };
    },

    async remove(state, context) {
        const mode = state.onDelete ?? (state.adopted ? "keep" : "uninstall");
        const machine = await openMachine(state.connection, state, context);
        await removeEngine(machine, { mode, keepHold: state.heldBefore, owner: context.urn }, context);
    },
});

function isWanted(inputs: DockerHostInputs, facts: EngineFacts): boolean {
    return (
        engineState(facts) === wanted &&
        (inputs.version === undefined || versionMatches(facts.engine?.version ?? "", inputs.version)) &&
        isHeld(facts) === inputs.hold &&
        (facts.inDockerGroup || !inputs.userInDockerGroup)
    );
}

/** The inputs as they are on the machine: where they differ from what was asked for, the engine shows drift. */
function asFound(inputs: DockerHostInputs, facts: EngineFacts, prior: DockerHostState | undefined): DockerHostInputs {
    const installed = facts.engine?.version;
    const drifted =
        installed !== undefined &&
        (inputs.version === undefined
            ? prior?.packageVersion !== undefined && prior.packageVersion !== installed
            : !versionMatches(installed, inputs.version));
    return {
        ...inputs,
        ...(drifted ? { version: upstreamVersion(installed) } : {}),
        hold: facts.engine === undefined ? inputs.hold : isHeld(facts),
        userInDockerGroup: inputs.userInDockerGroup && facts.inDockerGroup,
        engine: engineState(facts),
    };
}

function isHeld(facts: EngineFacts): boolean {
    return (facts.engine?.held ?? false) && (facts.client?.held ?? true);
}

/** One or two words for the state of the engine: `running`, `not installed`, `stopped`, `failed`, `stopped, not enabled`, … */
function engineState({ engine, service, api }: EngineFacts): string {
    if (engine === undefined || service === undefined) return "not installed";
    if (service.load === "masked") return "masked";
    if (service.load !== "loaded") return "unit missing";
    const activity =
        service.active === "active"
            ? api
                ? "running"
                : "not answering"
            : service.active === "failed"
              ? "failed"
              : "stopped";
    return service.file === "enabled" ? activity : `${activity}, not enabled`;
}

/** What was on the machine before us; found out once, when it becomes ours. */
function originOf(
    facts: EngineFacts,
    owner: string,
    prior: DockerHostState | undefined,
): Pick<DockerHostState, "adopted" | "heldBefore"> {
    if (prior !== undefined) return { adopted: prior.adopted, heldBefore: prior.heldBefore };
    // A run that died after its first change left our record behind: what it brought is ours, not adopted.
    const ours = facts.installedBy === owner;
    return { adopted: facts.engine !== undefined && !ours, heldBefore: isHeld(facts) && !ours };
}

function stateOf(
    machine: Machine,
    facts: EngineFacts,
    origin: Pick<DockerHostState, "adopted" | "heldBefore">,
): DockerHostState {
    return {
        engineVersion: facts.api?.engineVersion,
        apiVersion: facts.api?.apiVersion,
        packageName: facts.engine?.name,
        packageVersion: facts.engine?.version,
        os: facts.os,
        arch: facts.arch,
        machineId: facts.machineId,
        hostKey: machine.hostKey,
        endpoint: `ssh://${machine.name}`,
        ...proxyHostKeysOf(machine),
        ...origin,
    };
}
