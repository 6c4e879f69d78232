import { Lab, type LabHost, type Release, releases } from "../../lab";
import { closeAllConnections } from "../../src/ssh";
import { Daemon, DaemonResource } from "../support/daemon";
import { login } from "../support/docker-host";
import { type Fault, Faults } from "../support/fault";
import { describeLab } from "../support/levels";
import { Shell } from "../support/shell";

/** `FLEET_DAEMON_FAULTS=all`: every fault at every step, the releases taking turns, and every value and state on each. */
const everything = process.env.FLEET_DAEMON_FAULTS === "all";

/** Values that dockerd's own check of the file lets pass, and the daemon's words when it does not start with them. */
const badValues: [what: string, settings: Record<string, unknown>, words: RegExp][] = [
    [
        "an option that the log driver does not have",
        { "log-driver": "local", "log-opts": { nonsense: "1" } },
        /unknown log opt 'nonsense' for log driver local/,
    ],
    [
        "a port on which something else listens",
        { "metrics-addr": "127.0.0.1:22", experimental: true },
        /listen tcp 127\.0\.0\.1:22: bind: address already in use/,
    ],
    [
        "a socket where there is no directory",
        { hosts: ["fd://", "unix:///nonexistent/docker.sock"] },
        /\/nonexistent\/docker\.sock.*no such file or directory/,
    ],
    ["a plugin that is missing", { "authorization-plugins": ["nonsense"] }, /nonsense.*not found/],
    [
        "address pools that are none",
        { "default-address-pools": [{ base: "10.10.0.0/16", size: 4 }] },
        /invalid pools size|target size of that pool/,
    ],
];

/** States of the machine in which a file cannot be written, each as commands that make and end it. */
const badMachines: [what: string, begin: string, end: string, words: RegExp][] = [
    ["a full disk at /etc/docker", ...fullDisk("/etc/docker"), /No space left on device/],
    ["a full disk at /var/lib", ...fullDisk("/var/lib/pulumi-docker-fleet"), /No space left on device/],
    // What chattr +i does; it is not on every machine.
    ["an immutable daemon.json", flags("0x10"), flags("0"), /Operation not permitted/],
    [
        "a read-only file system at /etc/docker",
        "mount --bind /etc/docker /etc/docker && mount -o remount,bind,ro /etc/docker",
        "umount /etc/docker",
        /Read-only file system/,
    ],
    [
        "a read-only file system at /etc/systemd",
        "mount --bind /etc/systemd /etc/systemd && mount -o remount,bind,ro /etc/systemd",
        "umount /etc/systemd",
        /Read-only file system/,
    ],
];

function flags(value: string): string {
    return `perl -e 'open(F, "<", "/etc/docker/daemon.json") && ioctl(F, 0x40086602, $_ = pack("l!", ${value})) || die "$!"'`;
}

function fullDisk(path: string): [begin: string, end: string] {
    const fill = `! cat /dev/zero >${path}/full 2>/dev/null`;
    return [
        `cp -a ${path} /run/saved && mount -t tmpfs -o size=64k none ${path} && cp -a /run/saved/. ${path} && ${fill}`,
        `umount ${path} && rm -rf /run/saved`,
    ];
}

/** What others have in the file. */
const foreign = { "log-opts": { "max-file": "5" }, "max-download-attempts": 7 };

/** The steps of a change, by the commands that begin them; in their order. */
const steps = {
    "staging the new files": "^base64 -d",
    "asking dockerd": "^timeout .* --validate",
    "keeping the old file": "^ln .*/daemon.json ",
    "writing the record": "^mv -f .*/owners/",
    "putting a drop-in in place": "^mv -f .* /etc/systemd/system/docker.service.d/docker-fleet",
    "putting daemon.json in place": "^mv -f .*/.docker-fleet.* /etc/docker/daemon.json$",
    "reloading the units": "^timeout .* systemctl daemon-reload",
    "reloading the daemon": "^timeout .* systemctl reload",
    "proving the reload": "^timeout .* docker .* events",
    "restarting the daemon": "^timeout .* systemctl restart",
    "counting the containers": "^timeout .* docker .* inspect --format ..\\.State\\.Status",
    "noting what it has read": "^mv -f .*/loaded.json$",
    "ending the change": "^mv -f .*/begun .*/over$",
    "forgetting the old files": "^rm -f .*docker-fleet-before .*docker-fleet",
    "clearing up": "^rm -rf -- ",
} as const;
type StepName = keyof typeof steps;

/** Changes that take different ways, each as the settings before and after. */
const works = {
    reload: {
        before: { settings: { "live-restore": true, labels: ["zone=a"] } },
        after: { settings: { "live-restore": true, labels: ["zone=b"], "max-concurrent-uploads": 3 } },
        lacks: [
            "putting a drop-in in place",
            "reloading the units",
            "restarting the daemon",
            "counting the containers",
        ],
    },
    restart: {
        before: { settings: { "live-restore": true, "log-driver": "json-file" } },
        after: { settings: { "live-restore": true, "log-driver": "local", labels: ["zone=b"] } },
        lacks: ["putting a drop-in in place", "reloading the units", "reloading the daemon", "proving the reload"],
    },
    "drop-ins": {
        before: { settings: { "live-restore": true } },
        after: {
            settings: { "live-restore": true, hosts: ["fd://", "unix:///run/second.sock"] },
            environment: { FLEET_TEST: "b" },
        },
        lacks: ["reloading the daemon", "proving the reload"],
    },
    "live-restore first": {
        before: { settings: { "log-driver": "json-file" } },
        after: { settings: { "live-restore": true, "log-driver": "local" }, enableLiveRestoreFirst: true },
        lacks: ["putting a drop-in in place", "reloading the units"],
    },
} as const;
type WorkName = keyof typeof works;
interface Wish {
    settings: Record<string, unknown>;
    environment?: Record<string, string>;
    enableLiveRestoreFirst?: boolean;
}

interface Round {
    work: WorkName;
    step: StepName;
    fault: Fault;
    /** Whether the next run wants what the disturbed one wanted, or what was before. */
    next: "again" | "back";
}

const suite: Round[] = [
    { work: "reload", step: "proving the reload", fault: "kill", next: "back" },
    { work: "reload", step: "forgetting the old files", fault: "kill", next: "again" },
    { work: "restart", step: "putting daemon.json in place", fault: "close", next: "again" },
    { work: "restart", step: "restarting the daemon", fault: "kill later", next: "back" },
    { work: "drop-ins", step: "counting the containers", fault: "kill", next: "back" },
    { work: "live-restore first", step: "noting what it has read", fault: "kill", next: "back" },
];

const matrix: Round[] = (Object.keys(works) as WorkName[]).flatMap((work) =>
    (Object.keys(steps) as StepName[])
        .filter((step) => !(works[work].lacks as readonly StepName[]).includes(step))
        .flatMap((step, index) => {
            const faults: Fault[] =
                step === "restarting the daemon" ? ["kill", "kill later", "close"] : ["kill", "close"];
            return faults.map((fault, other) => ({
                work,
                step,
                fault,
                next: (index + other) % 2 === 0 ? ("again" as const) : ("back" as const),
            }));
        }),
);
/** A link that is cut is noticed after half a minute only, and the script notices as little of it as of one that is closed. */
const cuts: Round[] = (Object.keys(works) as WorkName[]).map((work) => ({
    work,
    step: work === "reload" ? "reloading the daemon" : "restarting the daemon",
    fault: "wait",
    next: "again",
}));

/** Whose turn it is. 20.10 cannot be asked what it thinks of a file. */
function turn(step: StepName, index: number): Release {
    const release = releases[index % releases.length]!;
    return step === "asking dockerd" && release === "bookworm" ? "trixie" : release;
}

const tested: Release[] = everything ? [...releases] : ["trixie"];

describeLab.each(tested)("a change of the daemon that is disturbed, on %s", (release) => {
    let lab: Lab;
    let host: LabHost;
    let shell: Shell;
    let daemon: Daemon;
    let faults: Faults;
    let config: DaemonResource;

    beforeAll(async () => {
        lab = await Lab.open();
        host = await lab.up(lab.uniqueName("fault"), { release, layer: "docker" });
        shell = await Shell.open(lab, host);
        daemon = new Daemon(shell);
        await daemon.write(foreign);
        await daemon.restart();
        await daemon.run({ one: "always", two: "always" });
        faults = await Faults.open(shell);
        config = new DaemonResource("web", { connection: login(lab, host, "root") });
    });

    afterAll(async () => {
        shell?.close();
        await closeAllConnections();
        await lab?.close();
    });

    /** What an outsider sees of the daemon, as far as any wish is about it. */
    async function seen(): Promise<object> {
        const second = await shell.ask("docker -H unix:///run/second.sock version --format '{{.Server.Os}}'");
        const environment = await shell.ask(
            "tr '\\0' '\\n' </proc/$(systemctl show -p MainPID --value docker.service)/environ | sed -n 's/^FLEET_TEST=//p'",
        );
        return {
            file: await daemon.file(),
            logDriver: await daemon.info("LoggingDriver"),
            labels: await daemon.info("Labels"),
            liveRestore: await daemon.info("LiveRestoreEnabled"),
            listens: second === "linux",
            environment,
            leftovers: await shell.ask(
                "ls -d /var/lib/pulumi-docker-fleet/daemon/change; find /etc -name '.*docker-fleet*'; ls /run/pulumi-docker-fleet.daemon",
            ),
        };
    }

    function wished({ settings, environment }: Wish): object {
        return {
            file: { ...foreign, ...settings },
            logDriver: settings["log-driver"] ?? "json-file",
            labels: settings.labels ?? [],
            liveRestore: settings["live-restore"] ?? false,
            listens: settings.hosts !== undefined,
            environment: environment?.FLEET_TEST ?? "",
            leftovers: "",
        };
    }

    async function up(wish: Wish): Promise<unknown> {
        return await config.up({ environment: undefined, enableLiveRestoreFirst: false, ...wish });
    }

    const rounds = everything ? [...matrix, ...cuts].filter(({ step }, index) => release === turn(step, index)) : suite;
    it.each(rounds.map((round) => [describeRound(round), round] as const))(
        "ends with a daemon that runs, its containers, and all that others have set: %s",
        async (_, { work, step, fault, next }) => {
            const { before, after } = works[work];
            await up(before);
            expect(await seen()).toEqual(wished(before));
            const containers = await daemon.processes();
            expect(Object.keys(containers)).toEqual(["one", "two"]);

            await faults.arm(steps[step], fault);
            const disturbed = up(after).then(
                () => "success",
                ({ message }: Error) => message,
            );
            if (fault === "wait") {
                await faults.waitUntilReached();
                await host.cut();
                await host.exec("touch /run/fault/go");
            }
            const outcome = await disturbed;
            if (fault === "wait") {
                await host.heal();
                shell.close();
                shell = await Shell.open(lab, host);
                daemon = new Daemon(shell);
                faults = await Faults.open(shell);
            }
            expect(outcome).toMatch(/REMOTE_COMMAND_FAILED|CONNECTION_LOST/);
            expect(await faults.reached()).toBe(true);
            await faults.settled();
            await shell.run("for i in $(seq 100); do docker version >/dev/null 2>&1 && exit; sleep 0.3; done; exit 1");
            expect(await daemon.processes()).toEqual(containers);
            expect(await daemon.file()).toMatchObject(foreign);
            // Nothing has to be repaired where the script itself went on.
            const goesOn = fault === "close" || fault === "wait";
            if (goesOn) expect(await seen()).toEqual(wished(after));
            const process = await daemon.process();

            const wish = next === "again" ? after : before;
            await up(wish);
            expect(await seen()).toEqual(wished(wish));
            expect(await config.drift()).toEqual({});
            if (goesOn && next === "again") expect(await daemon.process()).toBe(process);
            // Only live-restore that goes takes containers along.
            if (work !== "live-restore first" || next === "again") expect(await daemon.processes()).toEqual(containers);
            report({ work, step, fault, next }, outcome);
        },
    );

    const good: Wish = { settings: { "live-restore": true, labels: ["zone=a"] } };
    /** Everything at once: two files, a reload would not do, and the unit changes. */
    const better: Wish = {
        settings: { ...good.settings, "log-driver": "local", hosts: ["fd://", "unix:///run/second.sock"] },
        environment: { FLEET_TEST: "b" },
    };

    async function failure(wish: Wish): Promise<string> {
        return await up(wish).then(
            () => "success",
            ({ message }: Error) => message,
        );
    }

    it.each(everything ? badValues : badValues.slice(0, 3))(
        "puts the old daemon back after a start with %s, and says why",
        async (_, settings, words) => {
            await up(good);
            const containers = await daemon.processes();
            const error = await failure({ settings: { ...good.settings, ...settings } });
            expect(error).toMatch(
                /\[DAEMON_CONFIG_FAILED\].*the daemon does not start\. Everything is as it was before/,
            );
            expect(error).toMatch(words);
            expect(await seen()).toEqual(wished(good));
            expect(await daemon.processes()).toEqual(containers);
            await up(good);
            expect(await config.drift()).toEqual({});
        },
    );

    // With live-restore it starts: the bridge of the containers that run stays as it is.
    it("puts the old daemon back after a start with a bridge that is not there, without live-restore", async () => {
        const plain: Wish = { settings: { labels: ["zone=a"] } };
        await up(plain);
        const error = await failure({ settings: { ...plain.settings, bridge: "nonexistent0" } });
        expect(error).toMatch(/\[DAEMON_CONFIG_FAILED\].*the daemon does not start\. Everything is as it was before/);
        expect(error).toMatch(/bridge device with non default name nonexistent0 must be created manually/);
        expect(await seen()).toEqual(wished(plain));
        expect(Object.keys(await daemon.processes())).toEqual(["one", "two"]);
    });

    it.each(everything ? badMachines : badMachines.slice(0, 3))(
        "changes nothing on a machine with %s, and says so",
        async (_, begin, end, words) => {
            await up(good);
            const before = { containers: await daemon.processes(), process: await daemon.process() };
            await shell.run(begin);
            let error: string;
            try {
                error = await failure(better);
            } finally {
                await shell.run(end);
            }
            expect(error).toMatch(/\[DAEMON_CONFIG_FAILED\]/);
            expect(error).toMatch(words);
            expect(await seen()).toEqual(wished(good));
            expect({ containers: await daemon.processes(), process: await daemon.process() }).toEqual(before);
            await up(better);
            expect(await seen()).toEqual(wished(better));
        },
    );

    it("starts a daemon that systemd's start limit has ended, also after a value with which it does not start", async () => {
        await up(good);
        const containers = await daemon.processes();
        const exhaust = "for i in 1 2 3 4 5 6; do systemctl restart docker.service || exit 0; done 2>/dev/null; exit 1";
        await shell.run(exhaust);
        expect(await shell.ask("systemctl is-active docker.service")).toBe("failed");
        const settings = { ...good.settings, "log-driver": "local", "log-opts": { nonsense: "1" } };
        expect(await failure({ settings })).toMatch(/DAEMON_CONFIG_FAILED[\s\S]*unknown log opt 'nonsense'/);
        expect(await seen()).toEqual(wished(good));
        await shell.run(exhaust);
        await up({ settings: { ...good.settings, "log-driver": "local" } });
        expect(await daemon.info("LoggingDriver")).toBe("local");
        expect(await daemon.processes()).toEqual(containers);
    });

    it("keeps what others have written and nobody has loaded when a change that passes through other contents is killed", async () => {
        const { before, after } = works["live-restore first"];
        await up(before);
        const theirs = { ...foreign, "max-download-attempts": 9 };
        await daemon.write({ ...theirs, ...before.settings });
        await faults.arm(steps["proving the reload"], "kill");
        expect(await failure(after)).toMatch(/REMOTE_COMMAND_FAILED/);
        await faults.settled();
        // On the way the file holds what the daemon had read.
        expect(await daemon.file()).toMatchObject(foreign);
        const containers = await daemon.processes();
        await up(after);
        expect(await daemon.file()).toEqual({ ...theirs, ...after.settings });
        expect(await daemon.processes()).toEqual(containers);
        expect(await config.drift()).toEqual({});
        await daemon.write({ ...foreign, ...after.settings });
        await shell.run("systemctl reload docker.service");
    });

    it("brings back a daemon that is killed, long after a reload, by what others have written", async () => {
        await up(good);
        const containers = await daemon.processes();
        const file = await daemon.file();
        await daemon.write({ ...file, "authorization-plugins": ["nonsense"] });
        const error = await failure({ settings: { ...good.settings, labels: ["zone=b"] } });
        expect(error).toMatch(/DAEMON_CONFIG_FAILED.*the daemon ended while it reloaded/);
        expect(error).toMatch(/authorization plugin.*nonsense/);
        expect(await daemon.processes()).toEqual(containers);
        expect(await daemon.info("Labels")).toEqual(["zone=a"]);
        expect(await daemon.file()).toEqual({ ...file, "authorization-plugins": ["nonsense"] });
        await daemon.write(file);
        await up(good);
        expect(await config.drift()).toEqual({});
    });
});

function describeRound({ work, step, fault, next }: Round): string {
    const what = { kill: "killed", "kill later": "killed during", close: "link closed", wait: "link cut" }[fault];
    return `${work}, ${what} at "${step}", then ${next}`;
}

/** One line for each round, when the matrix was asked for. */
function report(round: Round, outcome: string): void {
    if (everything)
        process.stderr.write(`| ${describeRound(round)} | ${/\[(\w+)\]/.exec(outcome)?.[1]} | converged |\n`);
}
