import type { Definition } from "./definition";
import { canonical, containsUnknown, type Json } from "./json";
import { current, inputsOf, recorded } from "./record";

/** The engine's answer to a diff. Without `changes` the engine compares the inputs itself, and so shows nested differences. */
export interface Difference {
    changes?: boolean;
    replaces?: string[];
    deleteBeforeReplace?: boolean;
}

/**
 * Compares what is recorded with what is asked for. Pure, and never throws: a record that cannot be understood counts as
 * changed, so that the update says why.
 *
 * @param olds the recorded outputs; what a refresh saw on the machine is in there
 */
export function diff<I extends object, S extends object>(
    definition: Definition<I, S>,
    olds: Json,
    news: Json,
): Difference {
    let prior: Json;
    try {
        prior = current(definition, olds);
    } catch {
        return { changes: true };
    }
    const before = inputsOf(definition, prior) as Json;
    const after = inputsOf(definition, news) as Json;
    const differs = (key: string) => containsUnknown(after[key]) || canonical(before[key]) !== canonical(after[key]);
    const changed = Object.keys(definition.inputs.shape).some(differs);
    const outdated = definition.outdated?.(recorded(definition, prior), inputsOf(definition, news)) ?? [];
    const replaces = [...new Set([...(definition.replaceOn ?? []).filter(differs), ...outdated])];
    if (replaces.length > 0) {
        // Where no input differs the engine would see no change, and so no replacement.
        return { ...(changed ? {} : { changes: true }), replaces, deleteBeforeReplace: !definition.createFirst };
    }
    return changed ? {} : { changes: prior.converged !== true || isDue(definition, prior) };
}

function isDue<I extends object, S extends object>(definition: Definition<I, S>, prior: Json): boolean {
    try {
        return definition.due?.(recorded(definition, prior)) === true;
    } catch {
        // A record that cannot be understood: the update says why.
        return true;
    }
}
