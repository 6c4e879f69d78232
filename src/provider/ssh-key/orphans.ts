import { FleetError } from "../../errors";
import { changeKeys, type KeysFacts, type RecordedKey } from "../../host/authorized-keys";
import type { Machine } from "../../ssh";
import type { Context } from "../definition";
import type { Key } from "./key";

/**
 * Keys of ours that killed runs have left: recorded on the machine, but in no state.
 *
 * @param other the other resource of the same URN that is in the state, with the key which it replaces or which replaces it
 */
export function orphansOf(facts: KeysFacts, key: Key, other: Context["predecessor"]): RecordedKey[] {
    // There is one in the state, but we do not know which.
    if (other !== undefined && other.record === undefined) return [];
    return facts.recorded.filter(
        ({ lineage, instance }) =>
            lineage === key.lineage && instance !== key.instance && instance !== other?.record?.instance,
    );
}

/** Takes such keys off the machine, unless somebody else has the same one. */
export async function clear(machine: Machine, orphans: RecordedKey[], facts: KeysFacts, key: Key, context: Context) {
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
