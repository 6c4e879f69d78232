import fc from "fast-check";
import {
    asFound,
    type Content,
    claimsOf,
    collisions,
    everything,
    merge,
    parse,
    print,
    valueAt,
} from "../../../src/docker/daemon/merge";

/** Files and wishes over few names, so that they meet; with keys that are owned as a whole and by their inner keys. */
const options = fc.dictionary(fc.constantFrom("a", "b.c", "d"), fc.constantFrom("1", "2"), { noNullPrototype: true });
const content: fc.Arbitrary<Content> = fc
    .record(
        {
            debug: fc.boolean(),
            labels: fc.array(fc.constantFrom("x=1", "y=2"), { maxLength: 2 }),
            "log-driver": fc.constantFrom("local", "journald"),
            "log-opts": options,
            features: fc.dictionary(fc.constantFrom("buildkit", "cdi"), fc.boolean(), { noNullPrototype: true }),
            unknown: fc.constantFrom(1, { a: 1 }),
        },
        { requiredKeys: [], noNullPrototype: true },
    )
    .map((each) => each as Content);

describe("merging settings into a file", () => {
    it("sets what is wanted, takes away what was owned, and leaves the rest", () => {
        const file = { "log-opts": { "max-size": "1m", tag: "theirs" }, debug: true, iptables: false };
        const wanted = { "log-opts": { "max-file": "3" }, bip: "10.0.0.1/24" };
        expect(merge(file, wanted, ["log-opts.max-size", "debug"])).toEqual({
            "log-opts": { tag: "theirs", "max-file": "3" },
            iptables: false,
            bip: "10.0.0.1/24",
        });
    });

    it("sets exactly what is wanted", () => {
        fc.assert(
            fc.property(content, content, (file, wanted) => {
                const merged = merge(file, wanted, []);
                for (const claim of claimsOf(wanted)) expect(valueAt(merged, claim)).toEqual(valueAt(wanted, claim));
            }),
        );
    });

    it("leaves every foreign setting alone, through a whole life", () => {
        fc.assert(
            fc.property(content, fc.array(content), (foreign, wishes) => {
                let file = foreign;
                let owned: string[] = [];
                const touched = new Set<string>();
                for (const wanted of [...wishes, {}]) {
                    file = merge(file, wanted, owned);
                    owned = claimsOf(wanted);
                    for (const claim of owned) touched.add(claim);
                }
                const untouched = claimsOf(foreign).filter((claim) => collisions([claim], [...touched]).length === 0);
                for (const claim of untouched) expect(valueAt(file, claim)).toEqual(valueAt(foreign, claim));
                for (const claim of touched) expect(valueAt(file, claim)).toBeUndefined();
            }),
        );
    });

    it("changes nothing when it is done again, and makes the same text", () => {
        fc.assert(
            fc.property(content, content, (file, wanted) => {
                const once = merge(file, wanted, []);
                const twice = merge(once, wanted, claimsOf(wanted));
                expect(print(twice)).toBe(print(once));
            }),
        );
    });

    it("finds on the machine what was written there", () => {
        fc.assert(
            fc.property(content, content, (file, wanted) => {
                const claims = claimsOf(wanted);
                const found = asFound(merge(file, wanted, []), claims);
                expect(claimsOf(found).sort()).toEqual([...claims].sort());
                for (const claim of claims) expect(valueAt(found, claim)).toEqual(valueAt(wanted, claim));
            }),
        );
    });
});

describe("claims", () => {
    it("collide when they are the same, one covers the other, or one is for everything", () => {
        expect(collisions(["debug", "log-opts.max-size"], ["log-opts.max-file", "labels"])).toEqual([]);
        expect(collisions(["debug", "log-opts.max-size"], ["log-opts"])).toEqual(["log-opts.max-size"]);
        expect(collisions(["log-opts"], ["log-opts.max-file"])).toEqual(["log-opts"]);
        expect(collisions([everything], ["debug"])).toEqual([everything]);
        expect(collisions(["debug"], [everything])).toEqual(["debug"]);
    });
});

describe("the text of a file", () => {
    it("is read back as it was", () => {
        fc.assert(
            fc.property(content, (file) => {
                expect(parse(print(file))).toEqual(file);
            }),
        );
    });

    it("keeps its indentation", () => {
        expect(print({ a: 1 }, '{\n\t"b": 1\n}')).toBe('{\n\t"a": 1\n}\n');
        expect(print({ a: 1 }, '{"b":1}')).toBe('{\n  "a": 1\n}\n');
    });

    it("may be empty or begin with a byte order mark, and may be no list", () => {
        expect(parse(" \n")).toEqual({});
        expect(parse('\uFEFF{"a":1}')).toEqual({ a: 1 });
        expect(() => parse("[]")).toThrow("no JSON object");
        expect(() => parse("{")).toThrow(SyntaxError);
    });
});
