import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Lab, type LabHost, type Release, releases } from "../../lab";
import { login } from "../support/docker-host";
import { describeLab } from "../support/levels";
import { tryLogin } from "../support/logins";
import { killProvider } from "../support/provider-kill";
import { PulumiProject } from "../support/pulumi";

/**
 * `FLEET_LOCKOUT=all`: the tables in docs/ssh-key.md, which take about half an hour; they are the first of six shares, with
 * each round on one release and in one mode. `FLEET_LOCKOUT=2` to `6`: another share, with other releases and modes. Together
 * they are every round on every release in both modes.
 */
const asked = process.env.FLEET_LOCKOUT;
const share = asked === "all" ? 1 : Number(asked ?? 0);
/** Hosts that are worked on side by side. */
const sideBySide = 3;
const roundTakes = 300_000;

/** What `pulumi up` prints when it begins a step, in their order. */
const steps = [
    "installing the key",
    "logging in with the key alone",
    "proving the key",
    "arming the undo",
    "writing the SSH server's settings",
    "reloading the SSH server",
    "proving that the key still lets us in",
    "the settings stay",
];
type Disturbance = "provider killed" | "link cut" | "power cut";
type Work = "first up" | "rotation and other settings";

interface Round {
    work: Work;
    step: string;
    disturbance: Disturbance;
    release: Release;
    socket: boolean;
}

/** One round, as it went. */
interface Outcome extends Round {
    disturbed: "failed" | "had finished";
    /** What let us in right after it, and how long that took, in s. */
    wayIn: string;
    after: number;
    /** How long the next `pulumi up` took, in s. */
    repaired: number;
}

/** One round of each disturbance, at the steps where most is at stake. */
const suite: Round[] = [
    {
        work: "first up",
        step: "proving that the key still lets us in",
        disturbance: "provider killed",
        release: "sid",
        socket: true,
    },
    { work: "first up", step: "the settings stay", disturbance: "link cut", release: "trixie", socket: false },
    {
        work: "rotation and other settings",
        step: "logging in with the key alone",
        disturbance: "power cut",
        release: "bookworm",
        socket: true,
    },
];

/** Every step of both kinds of work under every disturbance; releases and modes take turns, in each share others. */
const matrix: Round[] = (["first up", "rotation and other settings"] as const)
    .flatMap((work) =>
        (["provider killed", "link cut", "power cut"] as const).flatMap((disturbance) =>
            steps.map((step) => ({ work, step, disturbance })),
        ),
    )
    .map((round, index) => ({
        ...round,
        release: releases[(index + share - 1) % releases.length]!,
        socket: (Math.floor(index / steps.length) + Math.floor((share - 1) / releases.length)) % 2 === 1,
    }));

const rounds = share > 0 ? matrix : suite;

describeLab("an SshKey with hardening that is disturbed", () => {
    let lab: Lab;
    let scratch: string;

    beforeAll(async () => {
        lab = await Lab.open();
        scratch = mkdtempSync(join(tmpdir(), "lockout-"));
    });

    afterAll(async () => {
        rmSync(scratch, { recursive: true, force: true });
        await lab?.close();
    });

    const program = (host: LabHost, rotate: string, maxAuthTries: number) => `
        import { SshKey } from "pulumi-docker-fleet";
        const key = new SshKey("key", {
            connection: ${JSON.stringify(login(lab, host, "admin"))},
            rotate: "${rotate}",
            hardening: { passwordAuthentication: false, maxAuthTries: ${maxAuthTries} },
        });
        export const { privateKey } = key;`;

    /** Tries every way in that anybody could have, until one works. */
    async function wayIn(host: LabHost, keys: Record<string, string>): Promise<{ wayIn: string; after: number }> {
        const start = Date.now();
        const known = Object.entries(keys).map(([name, text], index) => {
            const keyFile = join(scratch, `${host.name}-${index}`);
            writeFileSync(keyFile, text, { mode: 0o600 });
            return { name, keyFile };
        });
        for (;;) {
            for (const { name, keyFile } of known) {
                if ((await tryLogin(lab, host, { user: "admin", keyFile })) === "in") {
                    return { wayIn: name, after: (Date.now() - start) / 1000 };
                }
            }
            if ((await tryLogin(lab, host, { user: "admin", password: lab.password })) === "in") {
                return { wayIn: "password", after: (Date.now() - start) / 1000 };
            }
            if (Date.now() - start > 120_000) throw new Error("locked out: nothing lets in after two minutes");
            // Newer servers shut out an address that is refused too often.
            await pause(5_000);
        }
    }

    async function play(round: Round): Promise<Outcome> {
        const { work, step, disturbance, release, socket } = round;
        const name = lab.uniqueName("lock");
        const host = await lab.up(name, { release });
        if (socket) await host.exec("systemctl disable -q --now ssh.service; systemctl enable -q --now ssh.socket");
        const project = await PulumiProject.create({ program: program(host, "1", 4) });
        try {
            const keys: Record<string, string> = {};
            if (work !== "first up") {
                await project.up([], { timeout: roundTakes });
                keys["old key"] = String((await project.outputs()).privateKey);
                await project.write(program(host, "2", 3));
            }
            const command = project.spawn(["up", "--yes", "--skip-preview"], { timeout: roundTakes });
            await command.waitFor(step, roundTakes);
            if (disturbance === "provider killed") await killProvider(project);
            else if (disturbance === "link cut") await host.cut();
            else await host.off();
            const first = await command.finished;
            if (disturbance === "link cut") await host.heal();
            if (disturbance === "power cut") await lab.up(name, { release });
            const inState = await keyInState(project);
            if (inState !== undefined && inState !== keys["old key"]) keys["new key"] = inState;
            const found = await wayIn(host, keys);

            const second = await project.run(["up", "--yes", "--skip-preview"], { expect: "any", timeout: roundTakes });
            expect(second.code === 0 ? "success" : second.output).toBe("success");
            await project.preview(["--refresh", "--expect-no-changes"]);
            const key = String((await project.outputs()).privateKey);
            expect(await inspect(host, key, work === "first up" ? "4" : "3")).toEqual(hardened);
            if (keys["old key"] !== undefined) {
                const keyFile = join(scratch, `${host.name}-old`);
                writeFileSync(keyFile, keys["old key"], { mode: 0o600 });
                expect(await tryLogin(lab, host, { user: "admin", keyFile })).toMatch(/Permission denied/);
            }
            return {
                ...round,
                disturbed: first.code === 0 ? "had finished" : "failed",
                ...found,
                repaired: second.duration / 1000,
            };
        } finally {
            await project.remove();
            await host.down();
        }
    }

    /** The private key that a run after this one would find in the state. */
    async function keyInState(project: PulumiProject): Promise<string | undefined> {
        const { stdout } = await project.run(["stack", "export", "--show-secrets"]);
        const keys = (JSON.parse(stdout).deployment.resources ?? []).filter(
            (resource: { type: string; delete?: boolean }) => resource.type.endsWith(":SshKey") && !resource.delete,
        );
        const secret = keys[0]?.outputs?.generatedKey;
        return secret === undefined ? undefined : JSON.parse(secret.plaintext ?? JSON.stringify(secret));
    }

    const hardened = {
        password: "Permission denied (publickey).",
        key: "in",
        maxAuthTries: "as asked",
        leftovers: "",
        keys: 2,
    };

    async function inspect(host: LabHost, key: string, tries: string): Promise<object> {
        const keyFile = join(scratch, host.name);
        writeFileSync(keyFile, key, { mode: 0o600 });
        const ask = async (command: string) => (await host.exec(command, { allowFailure: true })).stdout.trim();
        const password = await tryLogin(lab, host, { user: "admin", password: lab.password });
        return {
            password: password.replace(/^.*: /, ""),
            key: await tryLogin(lab, host, { user: "admin", keyFile }),
            maxAuthTries:
                (await ask("sshd -T -C user=admin,host=h,addr=192.0.2.1 | grep -i '^maxauthtries'")).split(" ")[1] ===
                tries
                    ? "as asked"
                    : "other",
            leftovers: await ask(
                "ls /var/lib/pulumi-docker-fleet/sshd/armed /etc/systemd/system/pulumi-docker-fleet* 2>/dev/null",
            ),
            // The lab's own, and ours: what a killed run has left is gone.
            keys: Number(await ask("grep -c ^ssh- /home/admin/.ssh/authorized_keys")),
        };
    }

    const batches = Array.from({ length: Math.ceil(rounds.length / sideBySide) }, (_, index) =>
        rounds.slice(index * sideBySide, (index + 1) * sideBySide),
    );

    it.each(batches.map((batch) => [batch.map(describeRound).join("; "), batch] as const))(
        "never locks anybody out, and is completed by the next up: %s",
        async (_, batch) => {
            const results = await Promise.allSettled(batch.map(play));
            // All have to take their hosts down before the first failure ends the test.
            for (const [index, settled] of results.entries()) {
                if (settled.status === "rejected") {
                    throw new Error(`${describeRound(batch[index]!)}: ${settled.reason}`, { cause: settled.reason });
                }
                report(settled.value);
            }
        },
        roundTakes * 3,
    );
});

function describeRound({ work, step, disturbance, release, socket }: Round): string {
    return `${work}, ${disturbance} at "${step}" (${release}, ${socket ? "ssh.socket" : "ssh.service"})`;
}

/** One line of the table in docs/ssh-key.md, when the matrix was asked for. */
function report({ work, step, disturbance, release, socket, disturbed, wayIn, after, repaired }: Outcome): void {
    if (asked === undefined) return;
    const cells = [
        work,
        step,
        disturbance,
        `${release}, ${socket ? "socket" : "service"}`,
        disturbed,
        `${wayIn}, ${after.toFixed(1)} s`,
        `${repaired.toFixed(1)} s`,
    ];
    process.stderr.write(`| ${cells.join(" | ")} |\n`);
}
