import { z } from "zod";
import { FleetError } from "../../../src/errors";
import { define } from "../../../src/provider/define";
import { type Definition, PartialFailure } from "../../../src/provider/definition";
import { canonical, plain } from "../../../src/provider/json";

interface Inputs {
    host: string;
    password?: string;
}
interface State {
    version?: string;
}

function fixture(more: Partial<Definition<Inputs, State>> = {}) {
    return define<Inputs, State>({
        kind: "Thing",
        schemaVersion: 1,
        inputs: z.strictObject({ host: z.string(), password: z.string().optional() }),
        secrets: ["password"],
        observe: async (inputs) => ({ inputs, state: { version: "1" } }),
        apply: async () => ({ id: "thing", state: { version: "1" } }),
        remove: async () => {},
        ...more,
    });
}

describe("define", () => {
    it("strips undefined and big integers from every answer, also from what a partial failure keeps", async () => {
        const state = { version: undefined, size: 12n } as State;
        const whole = await fixture({ apply: async () => ({ id: "thing", state }) }).create({ host: "a" });
        expect(Object.keys(whole.outs)).not.toContain("version");
        expect(whole.outs.size).toBe("12");
        const half = fixture({
            apply: async () => {
                throw new PartialFailure("thing", state, new Error("half"));
            },
        }).create({ host: "a" });
        await expect(half).rejects.toMatchObject({
            id: "thing",
            properties: { host: "a", size: "12", converged: false },
        });
    });

    it("turns whatever is thrown into an Error that says it", async () => {
        for (const [thrown, message] of [
            ["text", "text"],
            [{ code: 5 }, '{"code":5}'],
            [undefined, "undefined"],
            [new Error(""), "Error"],
        ] as const) {
            const remove = fixture({
                remove: async () => {
                    throw thrown;
                },
            }).delete("thing", { host: "a" });
            await expect(remove).rejects.toBeInstanceOf(Error);
            await expect(remove).rejects.toMatchObject({ message });
        }
    });

    it("keeps inputs out of the state's reach: a secret is echoed under its own key only", async () => {
        const state = { password: "other", version: "1" } as State;
        const { outs } = await fixture({ apply: async () => ({ id: "thing", state }) }).create({
            host: "a",
            password: "x",
        });
        expect(outs.password).toBe("x");
        const read = await fixture({
            observe: async (inputs) => ({ inputs: { ...inputs, ...state } as Inputs, state }),
        }).read("thing", outs);
        expect(Object.keys(read.inputs!).sort()).toEqual(["host", "password"]);
    });

    it("fails every call when configure fails", async () => {
        const provider = fixture({
            configure() {
                throw new Error("bad configuration");
            },
        });
        await provider.configure({ config: { get: () => undefined } });
        await expect(provider.create({ host: "a" })).rejects.toThrow("bad configuration");
    });

    it("takes the id of a create, and keeps it through updates", async () => {
        let calls = 0;
        const provider = fixture({
            apply: async () => ({ id: 5 as unknown as string, state: { version: `${++calls}` } }),
        });
        const { id, outs } = await provider.create({ host: "a" });
        expect(id).toBe("5");
        expect(await provider.update(id, outs, { host: "b" })).toEqual({
            outs: { host: "b", version: "2", schemaVersion: 1, converged: true, reachable: true },
        });
    });

    it("makes a replacement in the order that the definition wants, also for reasons beyond the inputs", async () => {
        const replacing = { replaceOn: ["host" as const] };
        const old = { host: "a", converged: true };
        expect(await fixture(replacing).diff("thing", old, { host: "b" })).toEqual({
            replaces: ["host"],
            deleteBeforeReplace: true,
        });
        expect(await fixture({ ...replacing, createFirst: true }).diff("thing", old, { host: "b" })).toEqual({
            replaces: ["host"],
            deleteBeforeReplace: false,
        });
        // No input differs: without "changes" the engine would take it for the same.
        const outdated = fixture({
            createFirst: true,
            outdated: (prior) => (prior.version === "0" ? ["password"] : []),
        });
        expect(await outdated.diff("thing", { ...old, version: "0" }, { host: "a" })).toEqual({
            changes: true,
            replaces: ["password"],
            deleteBeforeReplace: false,
        });
        expect(await outdated.diff("thing", { ...old, version: "1" }, { host: "a" })).toEqual({ changes: false });
    });

    it("tells a create what it replaces, as far as the engine has shown it", async () => {
        const seen: unknown[] = [];
        const provider = fixture({
            apply: async (_inputs, _prior, { predecessor }) => {
                seen.push(predecessor);
                return { id: "thing", state: {} };
            },
        });
        const news = { host: "b", __urn: "urn:one" };
        await provider.check({}, news);
        await provider.create(news);
        await provider.check({ host: "a" }, { ...news, __urn: "urn:two" });
        await provider.create({ ...news, __urn: "urn:two" });
        await provider.diff("thing", { host: "a", version: "1" }, news);
        await provider.check({}, news);
        await provider.create(news);
        expect(seen).toEqual([undefined, {}, { record: { host: "a", version: "1" } }]);
    });

    it("tells a delete what has taken the place", async () => {
        const seen: unknown[] = [];
        const provider = fixture({
            remove: async (_state, { successor }) => {
                seen.push(successor?.version);
            },
        });
        const __urn = "urn:one";
        await provider.delete("thing", { host: "a", __urn });
        await provider.create({ host: "b", __urn });
        await provider.delete("thing", { host: "a", __urn });
        await provider.diff("thing", { host: "b", version: "2", __urn }, { host: "b", __urn });
        await provider.delete("thing", { host: "a", __urn });
        expect(seen).toEqual([undefined, "1", "2"]);
    });

    it("warns on stderr where there is no engine", async () => {
        const warn = jest.spyOn(console, "warn").mockImplementation(() => {});
        try {
            const observe = async () => {
                throw new FleetError({ code: "TIMEOUT", machine: "root@a", message: "no answer." });
            };
            await fixture({ observe }).read("thing", { host: "a" });
            expect(warn).toHaveBeenCalledWith(expect.stringContaining("[TIMEOUT] root@a: no answer."));
        } finally {
            warn.mockRestore();
        }
    });
});

describe("canonical", () => {
    it("does not depend on the order of keys, and tells apart what JSON tells apart", () => {
        expect(canonical({ a: 1, b: { d: [1, 2], c: 2 } })).toBe(canonical({ b: { c: 2, d: [1, 2] }, a: 1 }));
        expect(canonical({ a: [1, 2] })).not.toBe(canonical({ a: [2, 1] }));
        expect(canonical({ a: 1, b: undefined })).toBe(canonical({ a: 1 }));
        expect(canonical(undefined)).not.toBe(canonical(null));
        expect(canonical("1")).not.toBe(canonical(1));
    });
});

describe("plain", () => {
    it("copies", () => {
        const value = { a: { b: 1 } };
        expect(plain(value)).toEqual(value);
        expect(plain(value).a).not.toBe(value.a);
    });
});
