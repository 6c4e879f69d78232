import { setTimeout as pause } from "node:timers/promises";
import { Lab, type LabHost } from "../../lab";
import { login } from "../support/docker-host";
import { describeLab } from "../support/levels";
import { killProvider, providers } from "../support/provider-kill";
import { type CommandResult, PulumiProject } from "../support/pulumi";
import { Shell } from "../support/shell";

/** Moments of a first install at which it is disturbed, of each kind; the full matrix is FLEET_KILL_MOMENTS=20. */
const moments = Number(process.env.FLEET_KILL_MOMENTS ?? 2);
/** Hosts that install side by side; more would mostly wait for each other on a small machine. */
const sideBySide = 4;
/** A link that is cut is noticed by its missing signs of life, after half a minute. */
const roundTakes = 150_000;

/** One disturbed install, as it went. */
interface Round {
    /** ms after the provider process had come up. */
    at: number;
    /** How the disturbed `pulumi up` ended. */
    disturbed: "failed" | "had finished";
    /** How long the next `pulumi up` took, in ms. */
    repaired: number;
    /** What an independent client finds on the machine afterwards. */
    machine: object;
    /** Whether the engine counts as ours, not as one that was there before. */
    ours: boolean;
}

type Disturb = (host: LabHost, project: PulumiProject) => Promise<void>;

/** What every machine has to be like after the repair. */
const converged = {
    active: "active",
    enabled: "enabled",
    held: ["docker-cli", "docker.io"],
    answers: true,
    broken: "",
    record: "record",
};

describeLab("a first install that is disturbed", () => {
    let lab: Lab;
    /** ms from the provider process' start to the end of an undisturbed `pulumi up`, while others install beside it. */
    let duration: number;

    beforeAll(async () => {
        lab = await Lab.open();
        const undisturbed = await Promise.all(
            Array.from({ length: Math.min(moments, sideBySide) }, () =>
                onFreshHost(async (_, project) => {
                    const command = project.spawn(["up", "--yes", "--skip-preview"]);
                    const start = await providerStarted(project);
                    expect((await command.finished).code).toBe(0);
                    return Date.now() - start;
                }),
            ),
        );
        duration = Math.min(...undisturbed);
    }, roundTakes);

    afterAll(async () => {
        await lab?.close();
    });

    async function onFreshHost<T>(work: (host: LabHost, project: PulumiProject) => Promise<T>): Promise<T> {
        const host = await lab.up(lab.uniqueName("kill"), { release: "trixie" });
        const connection = JSON.stringify(login(lab, host, "root"));
        const project = await PulumiProject.create({
            program: `
                import { DockerHost } from "pulumi-docker-fleet";
                export const { adopted } = new DockerHost("web", { connection: ${connection} });`,
        });
        try {
            return await work(host, project);
        } finally {
            await project.remove();
            await host.down();
        }
    }

    async function round(at: number, disturb: Disturb, mend: (host: LabHost) => Promise<void>): Promise<Round> {
        return await onFreshHost(async (host, project) => {
            const command = project.spawn(["up", "--yes", "--skip-preview"]);
            await providerStarted(project);
            await pause(at);
            await disturb(host, project);
            const first = await command.finished;
            await mend(host);
            const second = await project.run(["up", "--yes", "--skip-preview"], { expect: "any" });
            expect(outcome(second)).toBe("success");
            await project.preview(["--refresh", "--expect-no-changes"]);
            return {
                at,
                disturbed: first.code === 0 ? "had finished" : "failed",
                repaired: second.duration,
                machine: await inspect(lab, host),
                ours: (await project.outputs()).adopted === false,
            };
        });
    }

    /** All rounds in the order of their moments; those side by side start together, so that each is as slow as expected. */
    async function rounds(title: string, disturb: Disturb, mend: (host: LabHost) => Promise<void>): Promise<Round[]> {
        const done: Round[] = [];
        while (done.length < moments) {
            const count = Math.min(sideBySide, moments - done.length);
            const batch = Array.from({ length: count }, (_, index) => {
                const at = Math.round((duration * (done.length + index + 0.5)) / moments);
                return round(at, disturb, mend);
            });
            // All have to take their hosts down before the first failure ends the test.
            for (const settled of await Promise.allSettled(batch)) {
                if (settled.status === "rejected") throw settled.reason;
                const { at, machine, ours } = settled.value;
                expect({ at, machine, ours }).toEqual({ at, machine: converged, ours: true });
                report(title, settled.value);
                done.push(settled.value);
            }
        }
        return done;
    }

    it.each<[string, Disturb, (host: LabHost) => Promise<void>]>([
        ["the provider process was killed", (_, project) => killProvider(project), async () => {}],
        ["the link was cut", (host) => host.cut(), (host) => host.heal()],
    ])(
        "is completed by the next up, at whatever moment %s",
        async (title, disturb, mend) => {
            const results = await rounds(title, disturb, mend);
            // Moments that came too late, on a machine that was faster this time, show nothing.
            const early = results.filter(({ disturbed }) => disturbed === "failed");
            expect(early.length).toBeGreaterThanOrEqual(Math.ceil(moments / 2));
        },
        roundTakes * Math.ceil(moments / sideBySide),
    );
});

/** Waits for the process in which the engine runs our provider; returns when it was seen first. */
async function providerStarted(project: PulumiProject): Promise<number> {
    const deadline = Date.now() + 60_000;
    while ((await providers(project)).length === 0) {
        if (Date.now() > deadline) throw new Error("the provider process did not start");
        await pause(50);
    }
    return Date.now();
}

function outcome({ code, output }: CommandResult): string {
    return code === 0 ? "success" : output;
}

/** The machine as it sees itself. */
async function inspect(lab: Lab, host: LabHost): Promise<object> {
    const shell = await Shell.open(lab, host);
    try {
        return {
            active: await shell.ask("systemctl is-active docker.service"),
            enabled: await shell.ask("systemctl is-enabled docker.service"),
            held: (await shell.run("apt-mark showhold")).split("\n").sort(),
            answers: /^\d+\.\d+/.test(await shell.ask("docker version --format '{{.Server.Version}}'")),
            broken: await shell.ask("dpkg --audit; apt-get check -qq 2>&1"),
            record: await shell.ask("cd /var/lib/pulumi-docker-fleet && ls | sed 's/^engine$/record/'"),
        };
    } finally {
        shell.close();
    }
}

/** One line of the table in docs/performance.md, when the matrix was asked for; as it happens, since that takes long. */
function report(kind: string, { at, disturbed, repaired }: Round): void {
    if (process.env.FLEET_KILL_MOMENTS === undefined) return;
    const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
    process.stderr.write(`| ${kind} | ${seconds(at)} | ${disturbed} | ${seconds(repaired)} | converged |\n`);
}
