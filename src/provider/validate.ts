import type { z } from "zod";
import { nearest } from "../nearest";
import { containsUnknown, isRecord, type Json, unknownValue } from "./json";

/** One thing wrong with the arguments. */
export interface Problem {
    path: PropertyKey[];
    /** What is wrong and what would be right. */
    problem: string;
    /** What was given; left out for an argument that does not exist: a misspelled name says nothing about secrecy. */
    value?: unknown;
}

/** The arguments in canonical form (defaults filled in; parts that are not known yet stay as they are), and what is wrong with them. */
export interface Validated {
    value: Json;
    problems: Problem[];
}

/**
 * Validates arguments of which parts may not be known yet. With everything known it is the schema's own parse; otherwise
 * the shapes are walked and each known part is parsed alone. Absent and null are the same: a secret that is undefined
 * in the program arrives as null.
 */
export function validate(schema: z.ZodObject, input: Json): Validated {
    const problems: Problem[] = [];
    const value = walk(schema, withoutNulls(schema, input), [], problems);
    return { value: isRecord(value) ? value : {}, problems };
}

type Schema = z.core.$ZodType;

function walk(schema: Schema, value: unknown, path: PropertyKey[], problems: Problem[]): unknown {
    if (value === unknownValue) {
        return value;
    }
    if (!containsUnknown(value)) {
        return parse(schema, value, path, problems);
    }
    const { def } = unwrap(schema)._zod as { def: z.core.$ZodTypes["_zod"]["def"] };
    if (def.type === "object" && isRecord(value)) {
        const shape = def.shape as Record<string, Schema>;
        const result: Json = {};
        for (const [key, part] of Object.entries(shape)) {
            const known = walk(part, value[key], [...path, key], problems);
            if (known !== undefined) {
                result[key] = known;
            }
        }
        for (const key of Object.keys(value).filter((key) => !(key in shape))) {
            if (def.catchall?._zod.def.type === "never") {
                problems.push({ path: [...path, key], problem: notKnown(key, shape) });
            } else if (def.catchall) {
                result[key] = walk(def.catchall, value[key], [...path, key], problems);
            }
        }
        return result;
    }
    if (def.type === "record" && isRecord(value)) {
        return Object.fromEntries(
            Object.entries(value).map(([key, part]) => [key, walk(def.valueType, part, [...path, key], problems)]),
        );
    }
    if (def.type === "array" && Array.isArray(value)) {
        return value.map((part, index) => walk(def.element, part, [...path, index], problems));
    }
    // A part of a union or of something else without a fixed shape: it is validated when it is known.
    return value;
}

function parse(schema: Schema, value: unknown, path: PropertyKey[], problems: Problem[]): unknown {
    const result = (schema as z.ZodType).safeParse(value);
    if (result.success) {
        return result.data;
    }
    const found = result.error.issues.flatMap((issue) => explain(schema, value, issue, path));
    // An empty string fails every check of its field; the first one says enough.
    const first = new Map(found.map((problem) => [problem.path.join("."), problem] as const).reverse());
    problems.push(...[...first.values()].reverse());
    return value;
}

function explain(schema: Schema, root: unknown, issue: z.core.$ZodIssue, path: PropertyKey[]): Problem[] {
    const at = [...path, ...issue.path];
    if (issue.code === "unrecognized_keys") {
        const shape = shapeAt(schema, issue.path);
        return issue.keys.map((key) => ({ path: [...at, key], problem: notKnown(key, shape) }));
    }
    const value = valueAt(root, issue.path);
    const missing = issue.code === "invalid_type" && value === undefined;
    return [{ path: at, problem: `${missing ? "is missing: " : ""}${wish(issue)}`, value }];
}

/**
 * What an issue says, as "expected …". A schema's own messages name what is expected ("a port from 1 to 65535"), those of
 * its own checks are sentences; zod's begin with the kind of issue, which says nothing to a user.
 */
function wish(issue: z.core.$ZodIssue): string {
    if (issue.code === "custom") {
        return issue.message;
    }
    if (issue.code === "invalid_union" && issue.message === "Invalid input" && issue.errors.length > 0) {
        return [...new Set(issue.errors.flat().map(wish))].join(", or ");
    }
    const text = issue.message.replace(/^(?:Invalid|Too)\b[^:]*: /, "").replace(/, received .*$/, "");
    return text.startsWith("expected ") ? text : `expected ${text}`;
}

function notKnown(key: string, shape: Record<string, unknown>): string {
    const names = Object.keys(shape);
    const meant = nearest(key, names);
    return `there is no such argument; ${meant ? `did you mean ${meant}?` : `there are ${names.join(", ")}`}`;
}

/** Looks through optional, default and the like at the schema that says what the parts are. */
function unwrap(schema: Schema): Schema {
    const { def } = schema._zod as { def: z.core.$ZodTypes["_zod"]["def"] };
    if (def.type === "pipe") {
        return unwrap(def.in._zod.def.type === "transform" ? def.out : def.in);
    }
    if (def.type === "lazy") {
        return unwrap(def.getter());
    }
    return "innerType" in def ? unwrap(def.innerType) : schema;
}

function shapeAt(schema: Schema, path: PropertyKey[]): Record<string, unknown> {
    const { def } = unwrap(schema)._zod as { def: z.core.$ZodTypes["_zod"]["def"] };
    const [key, ...rest] = path;
    if (key === undefined) {
        return def.type === "object" ? def.shape : {};
    }
    const part =
        def.type === "object"
            ? (def.shape as Record<string, Schema>)[String(key)]
            : def.type === "record"
              ? def.valueType
              : def.type === "array"
                ? def.element
                : undefined;
    return part ? shapeAt(part, rest) : {};
}

function valueAt(value: unknown, path: PropertyKey[]): unknown {
    return path.reduce<unknown>((part, key) => (part as Record<PropertyKey, unknown> | undefined)?.[key], value);
}

/** Drops the nulls of named arguments; in maps of the user's own making a null may mean something. */
function withoutNulls(schema: Schema, value: unknown): unknown {
    const { def } = unwrap(schema)._zod as { def: z.core.$ZodTypes["_zod"]["def"] };
    if (def.type === "array" && Array.isArray(value)) {
        return value.map((part) => withoutNulls(def.element, part));
    }
    if (def.type !== "object" || !isRecord(value)) {
        return value;
    }
    const shape = def.shape as Record<string, Schema>;
    return Object.fromEntries(
        Object.entries(value)
            .filter(([key, part]) => part !== null || !(key in shape))
            .map(([key, part]) => [key, shape[key] ? withoutNulls(shape[key], part) : part]),
    );
}
