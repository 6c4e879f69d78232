import { FleetError } from "../errors";
import type { Definition } from "./definition";
import { type Json, plain } from "./json";
import { engineKeys, ownKeys } from "./record";
import { type Problem, validate } from "./validate";

/** The engine's answer to a check: what it will keep as inputs, and what is wrong with them. */
export interface Checked {
    inputs: Json;
    failures: { property: string; reason: string }[];
}

/**
 * Validates the arguments of a resource. Pure: the engine checks the whole fleet one resource after another.
 *
 * A failure never carries the engine's `property`: the engine would print its value beside it, secrets too, and for a part
 * of an argument it prints `<nil>`. The reason names the argument and, unless it may be a secret, the value.
 */
export function check<I extends object, S extends object>(definition: Definition<I, S>, news: Json): Checked {
    const given = Object.fromEntries(Object.entries(news).filter(([key]) => !engineKeys.includes(key)));
    const { value, problems: misfits } = validate(definition.inputs, given);
    // About arguments that do not even fit the schema nothing more can be said.
    const problems = misfits.length > 0 ? misfits : (definition.problems?.(value as I) ?? []);
    return {
        inputs: { ...plain(value), ...ownKeys(news) },
        failures: problems.map((problem) => ({ property: "", reason: reason(definition, problem) })),
    };
}

function reason<I extends object, S extends object>(
    definition: Definition<I, S>,
    { path, problem, value }: Problem,
): string {
    const argument = path.reduce<string>(
        (text, key) => (typeof key === "number" ? `${text}[${key}]` : `${text}${text ? "." : ""}${String(key)}`),
        "",
    );
    const place = `${path.map(String).join(".")}.`;
    // What is a secret, is in one, or has one inside.
    const secret = (definition.secrets as string[]).some(
        (name) => place.startsWith(`${name}.`) || `${name}.`.startsWith(place),
    );
    const shown = secret || value === undefined ? "" : ` (got ${short(value)})`;
    return new FleetError({
        code: "INVALID_ARGUMENT",
        message: `${definition.kind}: ${argument ? `argument ${argument}: ` : ""}${problem}${shown}${/[.?]$/.test(problem + shown) ? "" : "."}`,
    }).message;
}

function short(value: unknown): string {
    const text = JSON.stringify(value);
    return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
