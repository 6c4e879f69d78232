import fc from "fast-check";
import { z } from "zod";
import { nearest } from "../../../src/nearest";
import { containsUnknown, unknownValue } from "../../../src/provider/json";
import { validate } from "../../../src/provider/validate";

const schema = z.strictObject({
    name: z.string("a name"),
    port: z.int("a port").min(1, "a port from 1").default(22),
    nested: z
        .strictObject({ flag: z.boolean().default(true), list: z.array(z.strictObject({ n: z.number("a number") })) })
        .optional(),
    map: z.record(z.string(), z.number("a number")).default({}),
    either: z.union([z.string("a text"), z.number("a number")]).optional(),
    open: z.looseObject({ known: z.string() }).optional(),
});

function problems(input: Record<string, unknown>) {
    return validate(schema, input).problems.map(({ path, problem }) => `${path.join(".")}: ${problem}`);
}

describe("validate", () => {
    it("keeps unknown parts at any depth and fills in the defaults beside them", () => {
        const input = {
            name: unknownValue,
            nested: { list: [{ n: unknownValue }, { n: 1 }] },
            map: { a: unknownValue },
        };
        expect(validate(schema, input)).toEqual({
            value: { ...input, port: 22, nested: { ...input.nested, flag: true } },
            problems: [],
        });
    });

    it("still refuses the known parts beside unknown ones", () => {
        expect(
            problems({ name: unknownValue, port: 0, nested: { list: [{ n: "x" }, unknownValue] }, map: { a: "x" } }),
        ).toEqual(["port: expected a port from 1", "nested.list.0.n: expected a number", "map.a: expected a number"]);
    });

    it("finds misspelled arguments at any depth, beside known and unknown values", () => {
        for (const name of ["web", unknownValue]) {
            expect(problems({ name, prot: 1, nested: { flga: true, list: [{ n: 1, m: name }] } })).toEqual(
                expect.arrayContaining([
                    "prot: there is no such argument; did you mean port?",
                    "nested.flga: there is no such argument; did you mean flag?",
                    "nested.list.0.m: there is no such argument; did you mean n?",
                ]),
            );
        }
    });

    it("leaves other keys of an open object alone, beside known and unknown values", () => {
        for (const name of ["web", unknownValue]) {
            const open = { known: name, other: [name] };
            expect(validate(schema, { name, open })).toMatchObject({ value: { open }, problems: [] });
        }
    });

    it("says that an argument is missing, and what it should be", () => {
        expect(problems({})).toEqual(["name: is missing: expected a name"]);
        expect(problems({ name: null, port: unknownValue })).toEqual(["name: is missing: expected a name"]);
    });

    it("names all that a union accepts", () => {
        expect(problems({ name: "web", either: true })).toEqual(["either: expected a text, or expected a number"]);
    });

    it("says one thing about one value", () => {
        const strict = z.strictObject({ host: z.string().min(1, "a host").regex(/^\w+$/, "a word") });
        expect(validate(strict, { host: "" }).problems.map(({ problem }) => problem)).toEqual(["expected a host"]);
    });

    it("gives what the schema itself gives when everything is known", () => {
        fc.assert(
            fc.property(
                fc.record(
                    {
                        name: fc.string(),
                        port: fc.integer({ min: 1 }),
                        map: fc.dictionary(fc.string(), fc.double({ noNaN: true, noDefaultInfinity: true })),
                    },
                    { requiredKeys: ["name"] },
                ),
                (input) => {
                    expect(validate(schema, input)).toEqual({ value: schema.parse(input), problems: [] });
                },
            ),
        );
    });

    it("never refuses valid arguments because some of their parts are unknown", () => {
        const known = {
            name: "web",
            port: 1,
            nested: { flag: false, list: [{ n: 1 }, { n: 2 }] },
            map: { a: 1, b: 2 },
            either: 3,
        };
        fc.assert(
            fc.property(fc.func(fc.boolean()), (isUnknown) => {
                const hide = (value: unknown, path: string): unknown => {
                    if (path && isUnknown(path)) return unknownValue;
                    if (Array.isArray(value)) return value.map((part, index) => hide(part, `${path}.${index}`));
                    if (typeof value !== "object" || value === null) return value;
                    return Object.fromEntries(
                        Object.entries(value).map(([key, part]) => [key, hide(part, `${path}.${key}`)]),
                    );
                };
                const input = hide(known, "") as Record<string, unknown>;
                const result = validate(schema, input);
                expect(result).toEqual({ value: input, problems: [] });
                expect(containsUnknown(result.value)).toBe(containsUnknown(input));
            }),
        );
    });
});

describe("nearest", () => {
    it.each([
        ["setings", "settings"],
        ["privatekey", "privateKey"],
        ["hots", "host"],
        ["passwd", "password"],
        ["zzz", undefined],
    ])("takes %s for %s", (typed, meant) => {
        expect(nearest(typed, ["host", "port", "settings", "privateKey", "password"])).toBe(meant);
    });
});
