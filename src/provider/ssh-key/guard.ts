import { FleetError } from "../../errors";
import { hasOtherWay, type KeysFacts, otherWaysIn, type RecordedKey } from "../../host/authorized-keys";
import { type Machine, offeredKeys } from "../../ssh";
import type { Context, Recorded } from "../definition";
import { accountOf, loginOf, type SshKeyInputs } from "./inputs";
import type { Key, SshKeyState } from "./key";
import { login } from "./login";

/**
 * Refuses a deletion after which nobody could log in any more, or which would take from `connection` its own way in.
 *
 * @param orphans lines whose private halves nobody has
 */
export async function requireOtherWay(
    state: Recorded<SshKeyInputs, SshKeyState>,
    key: Key,
    facts: KeysFacts,
    orphans: RecordedKey[],
    machine: Machine,
    context: Context,
): Promise<void> {
    if (accountOf(state) !== loginOf(state.connection)) return;
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
    if (await letsIn(key, state, context)) {
        refuse("SSH_KEY_IN_USE", "It is the key with which the argument connection itself logs in.");
    }
    if (!leavesWayIn(key, facts, orphans)) {
        refuse(
            "SSH_LAST_WAY_IN",
            `It is the last way in for ${accountOf(state)}: there is no other key and no password login.`,
        );
    }
}

/** Whether somebody can still log in without a key and such lines. */
export function leavesWayIn(key: Key, facts: KeysFacts, orphans: RecordedKey[]): boolean {
    const others = otherWaysIn(facts, key.base64).filter(
        (line) => !orphans.some(({ base64 }) => base64 === line.base64),
    );
    return others.length > 0 || hasOtherWay(facts);
}

/** Whether it is with this key, from wherever, that the argument `connection` logs in. */
async function letsIn(key: Key, state: Recorded<SshKeyInputs, SshKeyState>, context: Context): Promise<boolean> {
    // What cannot log in at all, now that a file or an agent is gone, does not do so with this key.
    const offered = await offeredKeys(state.connection).catch((): string[] => []);
    if (!offered.includes(key.base64)) return false;
    try {
        const machine = await login([state.connection], state, context);
        return machine.loginKeys.includes(key.base64);
    } catch (error) {
        if (error instanceof FleetError && error.code === "AUTHENTICATION_FAILED") return false;
        throw error;
    }
}
