import { FleetError } from "../errors";
import { type Json, plain } from "./json";

/**
 * An error in the only form that the engine's server can answer with. It may carry what was made of the resource: the
 * engine keeps that, and shows the reasons in place of the message.
 */
export class EngineError extends Error {
    declare readonly id?: string;
    declare readonly properties?: Json;
    declare readonly reasons?: string[];

    /**
     * @param doing the method and the kind, e.g. `"delete DockerHost"`
     * @param error whatever was thrown
     * @param half what is to be kept although it failed
     */
    constructor(doing: string, error: unknown, half?: { id: string; properties: Json }) {
        super(messageOf(error), { cause: error });
        this.name = doing;
        // The server prints name and stack of a failed check, diff or delete. The stack helps with our own mistakes only.
        this.stack = error instanceof Error && !(error instanceof FleetError) ? error.stack : this.message;
        if (half) {
            Object.assign(this, { id: half.id, properties: plain(half.properties), reasons: [this.message] });
        }
    }

    override toString(): string {
        return this.name;
    }
}

/** What there is to say about anything that was thrown. */
export function messageOf(thrown: unknown): string {
    if (thrown instanceof Error) {
        return thrown.message || thrown.name;
    }
    return typeof thrown === "string" ? thrown : (JSON.stringify(thrown) ?? String(thrown));
}

const unreachable = ["HOST_UNREACHABLE", "HOST_NAME_UNKNOWN", "CONNECTION_LOST", "TIMEOUT"];

/** True when the machine did not answer, or stopped answering; false when it answered and refused. */
export function isUnreachable(error: unknown): boolean {
    return error instanceof FleetError && unreachable.includes(error.code);
}
