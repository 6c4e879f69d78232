import { isDeepStrictEqual } from "node:util";
import { keyOf } from "./keys";

/** The content of a daemon.json. */
export type Content = Record<string, unknown>;

/**
 * A setting by its place: `"log-driver"`, or `"log-opts.max-size"` in a key whose inner keys belong each to whoever sets it.
 * No key of daemon.json has a dot in it; an inner key may.
 */
export type Claim = string;

/** The claim of a whole file. */
export const everything: Claim = "*";

/** The claim of the daemon's environment, which is no part of the file. */
export const environmentClaim: Claim = "environment";

/** True for an object that is no list. */
export function isObject(value: unknown): value is Content {
    return typeof value === "object" && value !== null && !Array.isArray(value);
}

function split(claim: Claim): [key: string, inner: string | undefined] {
    const dot = claim.indexOf(".");
    return dot < 0 ? [claim, undefined] : [claim.slice(0, dot), claim.slice(dot + 1)];
}

/** What a resource with these settings owns. An object without inner keys sets nothing. */
export function claimsOf(wanted: Content): Claim[] {
    return Object.entries(wanted).flatMap(([key, value]) =>
        keyOf(key)?.inner && isObject(value) ? Object.keys(value).map((inner) => `${key}.${inner}`) : [key],
    );
}

/** The claims that two resources would both have, from the second's side. */
export function collisions(ours: readonly Claim[], theirs: readonly Claim[]): Claim[] {
    const covers = (a: Claim, b: Claim) =>
        a === b || b.startsWith(`${a}.`) || (a === everything && b !== environmentClaim);
    return ours.filter((claim) => theirs.some((other) => covers(claim, other) || covers(other, claim)));
}

/** The value at a claim, undefined where there is none. */
export function valueAt(content: Content, claim: Claim): unknown {
    const [key, inner] = split(claim);
    const value = content[key];
    if (inner === undefined) return value;
    return isObject(value) && Object.hasOwn(value, inner) ? value[inner] : undefined;
}

/**
 * The file as it shall be: what was owned and is no longer wanted goes, what is wanted is set, everything else stays, and
 * keeps its place. New keys come last, in alphabetical order, so the same wishes always make the same file.
 */
export function merge(file: Content, wanted: Content, owned: readonly Claim[]): Content {
    const result: Content = { ...file };
    const ours = claimsOf(wanted);
    for (const claim of owned) {
        if (!ours.includes(claim)) remove(result, claim);
    }
    for (const key of Object.keys(wanted).sort()) {
        const value = wanted[key];
        if (!keyOf(key)?.inner || !isObject(value)) {
            result[key] = value;
        } else if (Object.keys(value).length > 0) {
            const there = result[key];
            const kept = isObject(there) ? { ...there } : {};
            for (const inner of Object.keys(value).sort()) kept[inner] = value[inner];
            result[key] = kept;
        }
    }
    return result;
}

/** The file with these settings and no others. What was there already keeps its place. */
export function replace(file: Content, wanted: Content): Content {
    const kept = Object.keys(file).filter((key) => key in wanted);
    const added = Object.keys(wanted)
        .filter((key) => !(key in file))
        .sort();
    return Object.fromEntries([...kept, ...added].map((key) => [key, wanted[key]]));
}

/** The keys of the file that claims are about. */
export function keysOf(claims: readonly Claim[]): string[] {
    const keys = claims.filter((claim) => claim !== everything && claim !== environmentClaim);
    return [...new Set(keys.map((claim) => split(claim)[0]))];
}

function remove(content: Content, claim: Claim): void {
    const [key, inner] = split(claim);
    if (inner === undefined) {
        delete content[key];
        return;
    }
    const value = content[key];
    if (!isObject(value)) return;
    const { [inner]: _, ...rest } = value;
    if (Object.keys(rest).length > 0) content[key] = rest;
    else delete content[key];
}

/** Those parts of a file that are claimed, in the form of settings: what `wanted` has become on the machine. */
export function asFound(file: Content, claims: readonly Claim[]): Content {
    if (claims.includes(everything)) return file;
    const found: Content = {};
    for (const claim of claims) {
        const [key, inner] = split(claim);
        const value = valueAt(file, claim);
        if (value === undefined) continue;
        if (inner === undefined) found[key] = value;
        else found[key] = { ...(found[key] as Content | undefined), [inner]: value };
    }
    return found;
}

/** True when two files say the same, whatever their form and order. */
export function sameContent(a: unknown, b: unknown): boolean {
    return isDeepStrictEqual(a, b);
}

/** The text of a file, indented as the text that was there before. */
export function print(content: Content, before = ""): string {
    const indent = /^\s*\{\s*\n([ \t]+)"/.exec(before)?.[1] ?? "  ";
    return `${JSON.stringify(content, undefined, indent)}\n`;
}

/**
 * The content of a file; a missing or empty one has none.
 *
 * @throws SyntaxError for what is no JSON object
 */
export function parse(text: string): Content {
    const plain = text.replace(/^\uFEFF/, "").trim();
    if (plain === "") return {};
    const content: unknown = JSON.parse(plain);
    if (!isObject(content)) throw new SyntaxError("it is no JSON object");
    return content;
}
