import { FleetError } from "../../errors";
import { hasOtherWay, type KeysFacts, otherWaysIn } from "../../host/authorized-keys";
import { type Machine, parsePublicKey, publicKeyOf } from "../../ssh";
import type { Recorded } from "../definition";
import { accountOf, loginOf, type SshKeyInputs } from "./inputs";
import type { Key, SshKeyState } from "./key";

/** Refuses a deletion after which nobody could log in any more. */
export async function requireOtherWay(
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
