import fc from "fast-check";
import { keyNames, keyOf } from "../../../src/docker/daemon/keys";
import { makePlan, type Situation } from "../../../src/docker/daemon/plan";

const container = (name: string, comesBack = false) => ({ name, comesBack });

function situation(file: object, more: Partial<Situation> = {}): Situation {
    return {
        file: file as Situation["file"],
        loaded: file as Situation["file"],
        effective: {},
        alive: true,
        liveRestore: false,
        containers: [],
        unitChanges: false,
        ...more,
    };
}

/** A plan in short: the action, its text, and the steps. */
function plan(from: Situation, wanted: Record<string, unknown>, options = {}) {
    const ours = [...new Set([...Object.keys(from.file), ...Object.keys(wanted)])];
    const { text, steps } = makePlan(from, wanted, ours, options);
    return [text, ...steps.map(({ content, action }) => `${action} ${JSON.stringify(content)}`)];
}

describe("the plan for a change of settings", () => {
    it("is nothing where nothing changes, and the file alone where only others' settings do", () => {
        expect(plan(situation({ debug: true }), { debug: true })).toEqual(["none"]);
        expect(makePlan(situation({ bip: "x" }), { bip: "y" }, []).steps).toEqual([
            { content: { bip: "y" }, action: "none" },
        ]);
    });

    it("is a reload for keys that a running daemon takes", () => {
        expect(plan(situation({}), { debug: true, labels: ["a=1"] })).toEqual([
            "reload",
            'reload {"debug":true,"labels":["a=1"]}',
        ]);
    });

    it("loads the default of a key that goes, where its value would stay", () => {
        expect(plan(situation({ labels: ["a=1"], bip: "x" }), { bip: "x" })).toEqual([
            "reload",
            'reload {"bip":"x","labels":[]}',
            'none {"bip":"x"}',
        ]);
        expect(plan(situation({ "max-concurrent-uploads": 2 }), {})).toEqual(["reload", "reload {}"]);
        expect(plan(situation({ "default-cgroupns-mode": "host" }), {})[0]).toMatch(/^restart/);
    });

    it("tells what a restart does to the containers", () => {
        const text = (more: Partial<Situation>, wanted = {}) => plan(situation({}, more), { bip: "x", ...wanted })[0];
        const three = [container("a", true), container("b"), container("c", true)];
        expect(text({})).toBe("restart; no container is running");
        expect(text({ containers: three })).toBe("restart stops 3 containers; 2 of them start again by restart policy");
        expect(text({ containers: three.slice(0, 2) })).toMatch("; 1 of them starts again");
        expect(text({ containers: [container("a")] })).toBe(
            "restart stops 1 container; none starts again by restart policy",
        );
        expect(text({ containers: three, liveRestore: true }, { "live-restore": true })).toBe(
            "restart; live-restore is on, 3 containers keep running",
        );
    });

    it("turns live-restore off by a reload before a restart, whoever takes it away", () => {
        const on = situation({ "live-restore": true }, { liveRestore: true, containers: [container("a", true)] });
        expect(plan(on, { bip: "x" })).toEqual([
            "restart stops 1 container; it starts again by restart policy",
            'reload {"live-restore":false}',
            'restart {"bip":"x"}',
        ]);
    });

    it("turns live-restore on by a reload first, where that is asked for and a container runs", () => {
        const wanted = { "live-restore": true, bip: "x" };
        const off = situation({}, { containers: [container("a")] });
        expect(plan(off, wanted, { liveRestoreFirst: true })).toEqual([
            "restart; live-restore is on, 1 container keeps running",
            'reload {"live-restore":true}',
            'restart {"live-restore":true,"bip":"x"}',
        ]);
        expect(plan(off, wanted)[0]).toBe("restart stops 1 container; none starts again by restart policy");
        expect(plan(situation({}), wanted, { liveRestoreFirst: true })).toHaveLength(2);
    });

    it("believes the daemon rather than the file", () => {
        const edited = situation({ debug: true }, { effective: { debug: false, labels: ["b=1", "a=1"] } });
        expect(plan(edited, { debug: true })[0]).toBe("reload");
        expect(
            plan({ ...edited, effective: { labels: ["b=1", "a=1"] } }, { debug: true, labels: ["a=1", "b=1"] })[0],
        ).toBe("none");
        expect(
            plan(situation({}, { effective: { "registry-mirrors": ["https://m/"] } }), {
                "registry-mirrors": ["https://m"],
            })[0],
        ).toBe("none");
    });

    it("goes by what the daemon has read where the file was changed since", () => {
        const pending = situation({ bip: "new" }, { loaded: { bip: "old" } });
        expect(plan(pending, { bip: "new" })).toEqual(["restart; no container is running", 'restart {"bip":"new"}']);
    });

    it("is a restart for features that act at the start, for keys that nobody knows, and for a daemon that is down", () => {
        expect(plan(situation({}), { features: { buildkit: true } })[0]).toBe("reload");
        expect(plan(situation({}), { features: { "containerd-snapshotter": true } })[0]).toMatch(/^restart/);
        expect(plan(situation({}), { "brand-new": 1 })[0]).toMatch(/^restart/);
        expect(plan(situation({}, { alive: false }), {})).toEqual(["start", "restart {}"]);
        expect(plan(situation({}, { unitChanges: true }), {})[0]).toMatch(/^restart/);
    });

    it("ends with what is wanted, takes back what it loaded, and never reloads a plugin or a listener", () => {
        const settings = fc
            .uniqueArray(fc.constantFrom(...keyNames), { maxLength: 6 })
            .map((names) => Object.fromEntries(names.map((name) => [name, keyOf(name)!.sample])));
        fc.assert(
            fc.property(
                settings,
                settings,
                fc.boolean(),
                fc.boolean(),
                fc.boolean(),
                (before, wanted, on, any, first) => {
                    const containers = any ? [container("a", true)] : [];
                    const from = situation(before, { liveRestore: on, effective: { "live-restore": on }, containers });
                    const ours = [...new Set([...Object.keys(before), ...Object.keys(wanted)])];
                    const { action, steps, undo } = makePlan(from, wanted, ours, { liveRestoreFirst: first });
                    if (steps.length > 0) expect(steps.at(-1)!.content).toEqual(wanted);
                    // Whatever a reload may have set is in the undo, so that it can be taken back. What was in effect already,
                    // by a flag, is not set by it.
                    for (const { content } of steps.filter((step) => step.action === "reload")) {
                        const isSet = (name: string) => !(name in before) && from.effective[name] !== content[name];
                        for (const key of Object.keys(content).filter(isSet)) {
                            if (keyOf(key)!.change === "reload, sticky" && keyOf(key)!.default !== undefined) {
                                expect(undo).toHaveProperty([key]);
                            }
                        }
                    }
                    // A step that only reloads brings nothing that is only read at the start.
                    if (action !== "restart") {
                        for (const key of ours.filter((name) => keyOf(name)!.change === "restart")) {
                            expect(wanted[key]).toEqual(before[key]);
                        }
                    }
                    // Live-restore that goes is off before the daemon ends.
                    if (on && action === "restart" && wanted["live-restore"] !== true) {
                        expect(steps[0]).toMatchObject({ action: "reload", content: { "live-restore": false } });
                    }
                },
            ),
        );
    });
});
