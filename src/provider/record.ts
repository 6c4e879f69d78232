import { FleetError } from "../errors";
import type { Definition, Recorded } from "./definition";
import { type Json, pick } from "./json";

/** The text from which the engine makes our provider object; without it in a record it can neither read nor delete. */
export const providerKey = "__provider";
/** The resource's URN, told by the resource class: the engine does not tell it, and live lines need it. */
export const urnKey = "__urn";
/** Keys that are no arguments: never compared, always passed on. */
export const engineKeys: readonly string[] = [providerKey, urnKey];

/** What the adapter itself keeps in each record. */
export interface Health {
    /** The schema version that the record was written with. */
    schemaVersion: number;
    /** False until an apply has succeeded: the next `pulumi up` repairs the resource. */
    converged: boolean;
    /** False when the machine could not be looked at by the last refresh: the record is then the last known one. */
    reachable: boolean;
}

const healthKeys = ["schemaVersion", "converged", "reachable"];

/** The engine's own keys of a record or of inputs. */
export function ownKeys(from: Json): Json {
    return pick(from, engineKeys);
}

/** The arguments in a record, and nothing else: an output among the inputs would be stored in clear text. */
export function inputsOf<I extends object, S extends object>(definition: Definition<I, S>, record: Json): I {
    return pick(record, Object.keys(definition.inputs.shape)) as I;
}

/** What is known beyond the arguments. */
export function stateOf<I extends object, S extends object>(definition: Definition<I, S>, record: Json): S {
    const others = [...Object.keys(definition.inputs.shape), ...engineKeys, ...healthKeys];
    return pick(
        record,
        Object.keys(record).filter((key) => !others.includes(key)),
    ) as S;
}

/** A record as the engine keeps it. Secrets are echoed under their own key only, so inputs win over state. */
export function recordOf<I extends object, S extends object>(
    definition: Definition<I, S>,
    parts: { inputs: I; state: object; converged: boolean; own: Json },
): Json {
    return {
        ...stateOf(definition, parts.state as Json),
        ...inputsOf(definition, parts.inputs as Json),
        ...({ schemaVersion: definition.schemaVersion, converged: parts.converged, reachable: true } satisfies Health),
        ...parts.own,
    };
}

/**
 * A record in the form that the current code understands. One without a version was not written by us (an import file, the
 * inputs of `get`) and is taken as current.
 *
 * @throws FleetError STATE_TOO_NEW when a newer version of the package has written it.
 */
export function current<I extends object, S extends object>(definition: Definition<I, S>, record: Json): Json {
    const version = record.schemaVersion;
    if (typeof version !== "number" || version === definition.schemaVersion) {
        return record;
    }
    if (version > definition.schemaVersion) {
        throw new FleetError({
            code: "STATE_TOO_NEW",
            message: `${definition.kind}: the state was written with schema version ${version}, this package knows ${definition.schemaVersion}.`,
            cure: "Install the version of pulumi-docker-fleet that was used last, or a newer one.",
        });
    }
    const { [providerKey]: provider, [urnKey]: urn, ...rest } = record;
    const migrated = definition.migrate?.(rest, version) ?? rest;
    return {
        ...migrated,
        ...ownKeys({ [providerKey]: provider, [urnKey]: urn }),
        schemaVersion: definition.schemaVersion,
    };
}

/** Arguments and state as one, for apply and remove. */
export function recorded<I extends object, S extends object>(
    definition: Definition<I, S>,
    record: Json,
): Recorded<I, S> {
    return { ...stateOf(definition, record), ...inputsOf(definition, record) };
}
