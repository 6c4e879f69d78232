import fc from "fast-check";
import { Lab, type LabHost } from "../../lab";
import { closeAllConnections } from "../../src/ssh";
import { Daemon, DaemonResource } from "../support/daemon";
import { login } from "../support/docker-host";
import { Faults } from "../support/fault";
import { describeLab } from "../support/levels";
import { Shell } from "../support/shell";

/** `FLEET_DAEMON_SEQUENCES=200`: so many instead of the few of the suite; `FLEET_DAEMON_SEED`: where they begin. */
const sequences = Number(process.env.FLEET_DAEMON_SEQUENCES ?? 3);
const seed = Number(process.env.FLEET_DAEMON_SEED ?? 20_261_124);

type Content = Record<string, unknown>;
type Step =
    | { do: "apply" | "fail"; settings: Content }
    | { do: "kill"; settings: Content; at: string }
    | { do: "edit"; foreign: Content; reload: boolean }
    | { do: "remove" }
    | { do: "stop" };

const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const record = (values: Record<string, fc.Arbitrary<unknown>>) =>
    fc
        .record(Object.fromEntries(Object.entries(values).map(([key, value]) => [key, optional(value)])))
        .map((all) => Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as Content);

/** What the resource may want; what others may want has no key in common with it. */
const ours = record({
    labels: fc.constantFrom(["zone=a"], ["zone=b", "env=c"]),
    debug: fc.boolean(),
    "max-concurrent-uploads": fc.integer({ min: 1, max: 9 }),
    "shutdown-timeout": fc.integer({ min: 1, max: 30 }),
    "log-driver": fc.constantFrom("local", "json-file"),
    "log-opts": fc.constantFrom({ "max-size": "10m" }, { "max-size": "20m" }),
    "live-restore": fc.constant(true),
});
const theirs = record({
    "max-download-attempts": fc.integer({ min: 1, max: 9 }),
    "log-opts": fc.constantFrom({ "max-file": "3" }, { "max-file": "5" }),
    "default-ulimits": fc.constant({ nofile: { Name: "nofile", Soft: 1024, Hard: 4096 } }),
    "insecure-registries": fc.constant(["registry.example.com:5000"]),
});
/** With these it does not start, or does not reload. */
const failing = fc.constantFrom<Content>(
    { "log-driver": "local", "log-opts": { nonsense: "1" } },
    { "metrics-addr": "127.0.0.1:22", experimental: true },
    { "default-runtime": "nonsense" },
);
const moments = [
    "^ln .*/daemon.json ",
    "^mv -f .*/owners/",
    "^mv -f .*/.docker-fleet.* /etc/docker/daemon.json$",
    "^timeout .* systemctl re(load|start)",
    "^mv -f .*/loaded.json$",
    "^mv -f .*/begun .*/over$",
    "^rm -rf -- ",
];
const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant("apply" as const), settings: ours }) },
    {
        weight: 2,
        arbitrary: fc.record({
            do: fc.constant("fail" as const),
            settings: fc.tuple(ours, failing).map(([settings, wrong]) => ({ ...settings, ...wrong })),
        }),
    },
    {
        weight: 3,
        arbitrary: fc.record({ do: fc.constant("kill" as const), settings: ours, at: fc.constantFrom(...moments) }),
    },
    {
        weight: 3,
        arbitrary: fc.record({ do: fc.constant("edit" as const), foreign: theirs, reload: fc.boolean() }),
    },
    { weight: 1, arbitrary: fc.constant({ do: "remove" as const }) },
    { weight: 1, arbitrary: fc.constant({ do: "stop" as const }) },
);

describeLab("any sequence of what we and others do to a daemon", () => {
    let lab: Lab;
    let host: LabHost;
    let shell: Shell;
    let daemon: Daemon;
    let faults: Faults;

    beforeAll(async () => {
        lab = await Lab.open();
        host = await lab.up(lab.uniqueName("seqs"), { layer: "docker" });
        shell = await Shell.open(lab, host);
        daemon = new Daemon(shell);
        faults = await Faults.open(shell);
    });

    afterAll(async () => {
        shell?.close();
        await closeAllConnections();
        await lab?.close();
    });

    /** Puts what others want into the file and takes away what they no longer want, whatever else is there. */
    async function edit(before: Content, after: Content, reload: boolean): Promise<void> {
        const file: Content = { ...(await daemon.file()) };
        const opts = { ...(file["log-opts"] as Content | undefined) };
        for (const key of Object.keys(before)) if (key !== "log-opts") delete file[key];
        delete opts["max-file"];
        Object.assign(opts, after["log-opts"]);
        Object.assign(file, after, { "log-opts": opts });
        if (Object.keys(opts).length === 0) delete file["log-opts"];
        await daemon.write(file);
        if (reload) await shell.run("systemctl reload docker.service || true");
    }

    async function play(steps: Step[]): Promise<void> {
        let foreign: Content = {};
        await daemon.write(foreign);
        await daemon.restart();
        const connection = login(lab, host, "root");
        let config = new DaemonResource("web", { connection, settings: {} });
        const up = async (settings: Content) => {
            const enableLiveRestoreFirst = settings["live-restore"] === true;
            return await config.up({ settings, enableLiveRestoreFirst }).catch(({ message }: Error) => message);
        };
        for (const each of steps) {
            if (each.do === "apply") {
                expect(["create", "update", "same"]).toContain(await up(each.settings));
                expect(await daemon.file()).toEqual(together(foreign, each.settings));
                expect(await config.drift()).toEqual({});
            } else if (each.do === "fail") {
                expect(await up(each.settings)).toMatch(/DAEMON_CONFIG_FAILED/);
            } else if (each.do === "kill") {
                await faults.arm(each.at, "kill");
                await up(each.settings);
                await faults.settled();
            } else if (each.do === "edit") {
                await edit(foreign, each.foreign, each.reload);
                foreign = each.foreign;
            } else if (each.do === "stop") {
                await shell.run("systemctl stop docker.socket docker.service");
            } else if (config.id !== "") {
                await config.destroy();
                config = new DaemonResource("web", { connection, settings: {} });
                expect(await daemon.file()).toEqual(foreign);
            }
        }
        // Whatever the last step has left, the next run makes it right.
        expect(["create", "update", "same"]).toContain(await up({ labels: ["the=end"] }));
        expect(await daemon.file()).toEqual(together(foreign, { labels: ["the=end"] }));
        await daemon.process();
        expect(await daemon.info("Labels")).toEqual(["the=end"]);
        expect(await config.drift()).toEqual({});
        await config.destroy();
        expect(await daemon.file()).toEqual(foreign);
        const leftovers = "ls -d /var/lib/pulumi-docker-fleet; find /etc -name '*docker-fleet*'";
        expect(await shell.ask(leftovers)).toBe("");
    }

    const all = fc.sample(fc.array(step, { minLength: 2, maxLength: 6 }), { numRuns: sequences, seed });
    it.each(all.map((steps, index) => [index, steps.map((each) => each.do).join(", "), steps] as const))(
        "leaves a daemon that runs, and all that others have set: sequence %i (%s)",
        async (_, __, steps) => {
            await play(steps);
        },
    );
});

/** A file with both: `log-opts` is shared. */
function together(foreign: Content, settings: Content): Content {
    const opts = { ...(foreign["log-opts"] as Content), ...(settings["log-opts"] as Content) };
    return { ...foreign, ...settings, ...(Object.keys(opts).length > 0 ? { "log-opts": opts } : {}) };
}
