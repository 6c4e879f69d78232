import { FleetError } from "../../errors";
import { hasOption } from "../../host/authorized-keys/options";
import { type Connection, type Machine, withSshConfig } from "../../ssh";
import type { Context, Recorded } from "../definition";
import type { Json } from "../json";
import { openMachine } from "../machine";
import { accountOf, loginOf, type SshKeyInputs } from "./inputs";
import { type Key, knownKey, type SshKeyState } from "./key";

/** The arguments with what OpenSSH's configuration says about the connection, where it is asked. */
export async function configured<T extends SshKeyInputs>(inputs: T): Promise<T> {
    return { ...inputs, connection: await withSshConfig(inputs.connection) };
}

/** Logs in with the first connection that the machine accepts. */
export async function login(
    candidates: (Connection | undefined)[],
    known: SshKeyState | undefined,
    context: Context,
    speaker?: Connection,
): Promise<Machine> {
    let failure: unknown;
    for (const candidate of candidates) {
        if (candidate === undefined) continue;
        try {
            return await openMachine(candidate, known, context);
        } catch (error) {
            const codes = ["AUTHENTICATION_FAILED", "NO_AUTHENTICATION_METHOD"];
            if (!(error instanceof FleetError) || !codes.includes(error.code)) throw error;
            // What counts for the user is why the connection that the program gave was refused.
            if (failure === undefined || speaker === undefined || candidate === speaker) failure = error;
        }
    }
    throw failure;
}

/** The connection with the key in place of everything else that can log in; undefined where that cannot work. */
export function keyConnection(inputs: SshKeyInputs, key: Key, user: string): Connection | undefined {
    if (key.privateKey === undefined) return undefined;
    const { password, agentSocketPath, identityFile, ...rest } = inputs.connection;
    return {
        ...rest,
        user,
        privateKey: key.privateKey,
        privateKeyPassword: key.privateKeyPassword,
        sudoPassword: rest.sudoPassword ?? password,
    };
}

/** How the resource itself logs in with its key: where the key is the login user's and may run our scripts. */
export function ownConnection(inputs: SshKeyInputs, key: Key): Connection | undefined {
    const isForLogin = accountOf(inputs) === loginOf(inputs.connection);
    const isFree = !hasOption((inputs.options ?? []).join(","), "command");
    return isForLogin && isFree ? keyConnection(inputs, key, loginOf(inputs.connection)) : undefined;
}

/**
 * How another resource of the same URN logs in, the one that is replaced or the one that has taken the place: undefined unless
 * it is for the same login of the same machine.
 */
export async function siblingsConnection(
    inputs: SshKeyInputs,
    sibling: Json | undefined,
): Promise<Connection | undefined> {
    const shown = sibling as Recorded<SshKeyInputs, SshKeyState> | undefined;
    if (shown?.sshPublicKey === undefined) return undefined;
    const record = await configured(shown);
    return leadTogether(record.connection, inputs.connection) &&
        loginOf(record.connection) === loginOf(inputs.connection)
        ? ownConnection({ ...record, connection: { ...inputs.connection } }, knownKey(record))
        : undefined;
}

/** How the keys logged in that this process has removed, by their resource. Their connections are still open. */
const former = new Map<string, Connection[]>();

/** Remembers how a key logged in that is removed now. */
export function keepConnection({ lineage }: Key, own: Connection | undefined): void {
    if (own !== undefined) former.set(lineage, [...(former.get(lineage) ?? []), own]);
}

/** How removed keys of the same resource have logged in to the same machine. */
export function formerConnections({ lineage }: Key, connection: Connection): Connection[] {
    return (former.get(lineage) ?? []).filter((own) => leadTogether(own, connection));
}

/** Whether two connections lead to the same address. */
function leadTogether(one: Connection, other: Connection): boolean {
    return (["host", "port"] as const).every((part) => one[part] === other[part]);
}
