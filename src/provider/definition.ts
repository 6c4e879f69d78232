import type { z } from "zod";
import type { Problem } from "./validate";

/** What observe, apply and remove get besides their data. */
export interface Context {
    /**
     * Shows one live line on the resource's own row while it is worked on. It does not stay in the diagnostics.
     * Call it once per phase, the machine's name first: without a terminal the CLI prints every line. Never throws, never waits.
     */
    progress(line: string): void;
    /** A warning that stays in the diagnostics of the resource. Never throws. */
    warn(line: string): void;
    /** The resource's URN: who acts, in locks and records on the machine. Empty where no engine is. */
    readonly urn: string;
    /**
     * For a create: the resource of the same URN that is in the state already and will be removed afterwards; undefined where
     * there is none. Its record is missing when the engine did not show it to this process (`pulumi up --replace`).
     */
    readonly predecessor?: { record?: Record<string, unknown> };
    /**
     * For a remove: the record of the resource of the same URN that this process has seen last, which may be the one that has
     * taken the place of the removed one, or the removed one itself. Undefined where it has seen none.
     */
    readonly successor?: Record<string, unknown>;
    /** Aborted when the engine asks the process to end (second Ctrl-C): start no further remote work then. */
    readonly signal: AbortSignal;
}

/** Inputs and state as one record, as the engine keeps them. */
export type Recorded<I, S> = I & S;

/**
 * Everything that is particular to one kind of resource. {@link define} turns it into what the engine calls.
 *
 * `I`: the inputs after the check, in canonical form. `S`: what is known beyond the inputs. Both are plain JSON. A key of
 * `S` that is also an input is ignored.
 */
export interface Definition<I extends object, S extends object> {
    /** The class the user knows, e.g. `"DockerHost"`; for messages. */
    kind: string;
    /** Raised by one whenever {@link migrate} learns a new step. Starts at 1. */
    schemaVersion: number;
    /** The schema of the inputs, with defaults; arguments it does not know are refused. Refinements of whole objects do not run while a part of them is unknown. */
    inputs: z.ZodObject;
    /** Inputs that hold secrets, anywhere inside them, or such parts of inputs: their values are never part of a message. */
    secrets: ((keyof I & string) | `${keyof I & string}.${string}`)[];
    /** What the schema cannot say about arguments that fit it: names, combinations. Parts of them may not be known yet. */
    problems?(inputs: I): Problem[];
    /** What is allowed and still worth a warning at each preview and update. Parts of them may not be known yet. */
    remarks?(inputs: I): string[];
    /**
     * Tells in a preview what an update will do, as far as the record and the arguments tell. Pure, as a diff is. Parts
     * of the arguments may not be known yet.
     */
    foresee?(prior: Recorded<I, S>, inputs: I, context: Context): void;
    /** Inputs whose change makes a new resource; the old one is removed first, unless {@link createFirst}. */
    replaceOn?: (keyof I & string)[];
    /** A replacement is created, and what depends on the resource moved to it, before the old one is removed. */
    createFirst?: boolean;
    /**
     * Further reasons for a replacement, named by the inputs from which they follow: e.g. something has become too old. Pure,
     * and called with inputs of which parts may not be known yet.
     */
    outdated?(prior: Recorded<I, S>, inputs: I): (keyof I & string)[];
    /** Whether time alone has made an update necessary; a preview shows it without looking anywhere. Pure. */
    due?(prior: Recorded<I, S>): boolean;
    /** Receives the stack's configuration (`"key"` = `<project>:key`, or `"namespace:key"`) before anything else is called. */
    configure?(get: (key: string) => string | undefined): void | Promise<void>;
    /**
     * Looks at the machine without changing it: the inputs as they really are there, and the state. `undefined` = the
     * resource is gone. May throw: the last known state is kept then, marked `reachable: false`, with a warning.
     */
    observe(inputs: I, prior: S | undefined, context: Context): Promise<{ inputs: I; state: S } | undefined>;
    /**
     * Makes it so, on a create and on an update alike: observes, changes what differs, verifies, returns the new state.
     * `prior` is what the engine had recorded, undefined on a create. The id of an update is ignored.
     *
     * @throws PartialFailure when the machine was changed and is not what was asked for; anything else when it was not.
     */
    apply(inputs: I, prior: Recorded<I, S> | undefined, context: Context): Promise<{ id: string; state: S }>;
    /** Undoes what we did. Doing it twice, or for something that is gone already, is fine. */
    remove(state: Recorded<I, S>, context: Context): Promise<void>;
    /** Run once when the provider process is asked to end, e.g. to close connections; it has four seconds. */
    shutdown?(): void | Promise<void>;
    /** Brings a record written with an older schema version (`from`) to the current one: pure, and complete in one call. */
    migrate?(state: Record<string, unknown>, from: number): Record<string, unknown>;
}

/**
 * Thrown by apply when the machine was changed but is not what was asked for: the resource is recorded with
 * `converged: false`, and the next `pulumi up` repairs it by calling apply again.
 */
export class PartialFailure extends Error {
    /** @param id the id of the resource @param state what is known so far @param error what went wrong */
    constructor(
        readonly id: string,
        readonly state: object,
        readonly error: unknown,
    ) {
        super("the resource is not what was asked for", { cause: error });
        this.name = "PartialFailure";
    }
}
