import { actingFor, startTranscript } from "../ssh";
import { type Checked, check } from "./check";
import { type Context, type Definition, PartialFailure } from "./definition";
import { type Difference, diff } from "./diff";
import { EngineError, isUnreachable, messageOf } from "./errors";
import { type Json, plain } from "./json";
import { followEngine, onShutdown, working } from "./lifecycle";
import { reporter } from "./progress";
import { current, inputsOf, ownKeys, recorded, recordOf, stateOf, urnKey } from "./record";

/** What the engine's server for Node calls (`pulumi.dynamic.ResourceProvider`, without the SDK). */
export interface EngineProvider {
    configure(request: { config: { get(key: string): string | undefined } }): Promise<void>;
    check(olds: Json, news: Json): Promise<Checked>;
    diff(id: string, olds: Json, news: Json): Promise<Difference>;
    create(inputs: Json): Promise<{ id: string; outs: Json }>;
    read(id: string, props: Json): Promise<{ id?: string; props?: Json; inputs?: Json }>;
    update(id: string, olds: Json, news: Json): Promise<{ outs: Json }>;
    delete(id: string, props: Json): Promise<void>;
}

/**
 * Turns the definition of a resource into what the engine calls. Everything the engine demands, forgets or gets wrong is
 * dealt with here, so that a definition only has to observe, apply and remove.
 */
export function define<I extends object, S extends object>(definition: Definition<I, S>): EngineProvider {
    // The server hands us out before configure has finished; so each method waits for it.
    let ready: Promise<void> = Promise.resolve();

    // What is known of the resource that is in the state, by URN. The engine does not tell a create what it replaces, nor a
    // delete what has taken the place of the deleted one.
    const inState = new Map<string, { record?: Json }>();
    const remember = (own: Json, record?: Json) => {
        const urn = own[urnKey];
        if (typeof urn === "string") {
            inState.set(urn, { ...inState.get(urn), ...(record ? { record } : {}) });
        }
    };

    /** Runs one method: configured, counted, and with an answer that the server can send, whatever happens. */
    const answer = <T>(
        method: string,
        own: Json,
        work: (context: Context, fail: (line: string) => void) => Promise<T> | T,
    ): Promise<T> =>
        working(async () => {
            const { context, fail, flush } = reporter(own[urnKey] as string | undefined);
            try {
                await ready;
                context.signal.throwIfAborted();
                const result = await actingFor(context.urn, async () => work(context, fail));
                return result === undefined ? result : plain(result);
            } catch (error) {
                throw error instanceof EngineError ? error : new EngineError(`${method} ${definition.kind}`, error);
            } finally {
                await flush();
            }
        });

    /** Create and update are the same: make it so. */
    const apply = async (method: string, news: Json, context: Context, olds?: { id: string; record: Json }) => {
        const inputs = inputsOf(definition, news);
        const own = ownKeys(news);
        const prior = olds && recorded(definition, current(definition, olds.record));
        try {
            const { id, state } = await definition.apply(inputs, prior, context);
            return { id: olds?.id ?? String(id), outs: recordOf(definition, { inputs, state, converged: true, own }) };
        } catch (error) {
            if (!(error instanceof PartialFailure)) {
                throw error;
            }
            const properties = recordOf(definition, { inputs, state: error.state, converged: false, own });
            throw new EngineError(`${method} ${definition.kind}`, error.error, {
                id: olds?.id ?? String(error.id),
                properties,
            });
        }
    };

    /** A record that cannot be understood counts as changed, and the update says why: nothing can be foreseen then. */
    const foresee = (olds: Json, news: Json, context: Context) => {
        try {
            const prior = recorded(definition, current(definition, olds));
            definition.foresee?.(prior, inputsOf(definition, news), context);
        } catch {
            return;
        }
    };

    return {
        configure(request) {
            followEngine();
            if (definition.shutdown) {
                onShutdown(definition.shutdown);
            }
            ready = (async () => {
                startTranscript(request.config.get("dockerfleet:transcript"));
                await definition.configure?.((key) => request.config.get(key));
            })();
            // What is wrong is told by every method: the server would tell it once, and then go on as if all were well.
            return ready.catch(() => {});
        },

        check: (olds, news) =>
            answer("check", news, (context) => {
                // Empty for a new resource, and for one that is going to replace another: that one was checked before.
                if (Object.keys(olds).length > 0) remember(news);
                const checked = check(definition, news);
                if (checked.failures.length === 0) {
                    const lines = definition.remarks?.(inputsOf(definition, checked.inputs)) ?? [];
                    lines.forEach(context.warn);
                }
                return checked;
            }),

        diff: (_id, olds, news) =>
            answer("diff", news, (context) => {
                remember(news, olds);
                const difference = diff(definition, olds, news);
                if (difference.changes !== false) {
                    foresee(olds, news, context);
                }
                return difference;
            }),

        create: (news) =>
            answer("create", news, async (context) => {
                const created = await apply("create", news, { ...context, predecessor: inState.get(context.urn) });
                remember(news, created.outs);
                return created;
            }),

        update: (id, olds, news) =>
            answer("update", news, async (context) => {
                const { outs } = await apply("update", news, context, { id, record: olds });
                remember(news, outs);
                return { outs };
            }),

        read: (id, props) =>
            answer("read", props, async (context, fail) => {
                const prior = current(definition, props);
                const own = ownKeys(props);
                const inputs = inputsOf(definition, prior);
                try {
                    const observed = await definition.observe(inputs, stateOf(definition, prior), context);
                    if (!observed) {
                        return {};
                    }
                    // Looking at a machine repairs nothing: what was not converged stays so.
                    const converged = prior.converged !== false;
                    return {
                        id,
                        props: recordOf(definition, { ...observed, converged, own }),
                        inputs: { ...inputsOf(definition, observed.inputs as Json), ...own },
                    };
                } catch (error) {
                    // One read that fails would end the refresh of the whole fleet. A machine that is off is a warning; one that
                    // answers and refuses us is an error: the CLI shows the resource as failed, and goes on with the others.
                    const report = isUnreachable(error) ? context.warn : fail;
                    report(`${messageOf(error)} The last known state is kept: this machine was NOT checked for drift.`);
                    return { id, props: { ...prior, ...own, reachable: false }, inputs: { ...inputs, ...own } };
                }
            }),

        delete: (_id, props) =>
            answer("delete", props, async (context) => {
                try {
                    const successor = inState.get(context.urn)?.record;
                    const state = recorded(definition, current(definition, props));
                    await definition.remove(state, { ...context, successor });
                } catch (error) {
                    if (!isUnreachable(error)) {
                        throw error;
                    }
                    throw new EngineError(`delete ${definition.kind}`, `${messageOf(error)} ${deleteAdvice}`);
                }
            }),
    };
}

const deleteAdvice =
    "If the machine is gone for good, run `pulumi state delete <urn>` to forget it, or set the resource option " +
    "retainOnDelete (or deletedWith the machine's own resource) and run `pulumi up` before you remove it.";
