/** A record of plain JSON values, as inputs and state travel between the engine and us. */
export type Json = Record<string, unknown>;

/** What the engine sends in place of a value that is not known yet; the same text for ever (`pulumi.runtime.unknownValue`). */
export const unknownValue = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** True for null-prototype and literal objects alike, false for arrays and null. */
export function isRecord(value: unknown): value is Json {
    return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** True when the value is not known yet, or any part of it is not. */
export function containsUnknown(value: unknown): boolean {
    if (value === unknownValue) {
        return true;
    }
    return typeof value === "object" && value !== null && Object.values(value).some(containsUnknown);
}

/** The same text for the same JSON, whatever the order of its keys; keys without a value do not count. */
export function canonical(value: unknown): string {
    return (
        JSON.stringify(value, (_, part) =>
            isRecord(part) ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1))) : part,
        ) ?? "undefined"
    );
}

/**
 * A copy with nothing in it that the engine's server cannot encode: an undefined or a bigint in an answer makes it fail,
 * or never answer at all. A bigint becomes its decimal text.
 */
export function plain<T>(value: T): T {
    return JSON.parse(JSON.stringify(value, (_, part) => (typeof part === "bigint" ? part.toString() : part)));
}

/** The entries of `record` under `keys`, without those that are missing. */
export function pick(record: Json, keys: Iterable<string>): Json {
    const picked: Json = {};
    for (const key of keys) {
        if (record[key] !== undefined) {
            picked[key] = record[key];
        }
    }
    return picked;
}
