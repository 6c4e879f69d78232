import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Lab, type LabHost, type Release } from "../../lab";
import { type Connection, closeAllConnections, connect } from "../../src/ssh";
import { failure, script } from "../ssh/support";
import { describeLab, suiteReleases } from "../support/levels";
import { Shell } from "../support/shell";

/** The users of ways-in.sh, and the tool that makes each of them root. */
const users: Record<string, { missingIn?: Release; viaSu?: true }> = {
    needstty: {},
    usepty: {},
    rsfree: { missingIn: "bookworm" },
    rspass: { missingIn: "bookworm" },
    doasfree: {},
    doaspass: {},
    norights: { viaSu: true },
};

const tested = suiteReleases("sid");

describeLab("becoming root", () => {
    let lab: Lab;
    const hosts = {} as Record<Release, LabHost>;

    beforeAll(async () => {
        lab = await Lab.open();
        const input = readFileSync(join(__dirname, "../support/ways-in.sh"), "utf8");
        await Promise.all(
            tested.map(async (release) => {
                const host = await lab.up(lab.uniqueName("root"), { release });
                const prepare = `cat >/run/ways-in.sh; sh /run/ways-in.sh '${lab.password}' ''`;
                await host.exec(prepare, { input, timeout: 600_000 });
                hosts[release] = host;
            }),
        );
    }, 900_000);

    afterEach(closeAllConnections);
    afterAll(async () => {
        await closeAllConnections();
        await lab?.close();
    });

    const login = (release: Release, user: string, more: Partial<Connection> = {}): Connection => ({
        host: hosts[release].address,
        hostKey: hosts[release].hostKey,
        user,
        password: lab.password,
        ...(users[user]?.viaSu ? { rootPassword: `root-${lab.password}` } : {}),
        ...more,
    });
    const cases = tested.flatMap((release) =>
        Object.entries(users)
            .filter(([, { missingIn }]) => missingIn !== release)
            .map(([user]) => [user, release] as const),
    );

    it.each(cases)("as %s on %s: a script has its streams, its input and its exit code", async (user, release) => {
        const machine = await connect(login(release, user));
        const input = Buffer.from(Array.from({ length: 300_007 }, (_, i) => (i * 7 + (i >> 8)) % 256));
        const text = "id -u; echo $HOME; echo error >&2; sha256sum; exit 7";
        // The first run finds the way, the second one goes it.
        for (let times = 0; times < 2; times++) {
            const { code, stdout, stderr } = await machine.run({ step: "test", script: script(text), stdin: input });
            expect({ code, stderr }).toEqual({ code: 7, stderr: "error\n" });
            expect(stdout).toBe(`0\n/root\n${createHash("sha256").update(input).digest("hex")}  -\n`);
        }
        const path = "/etc/pdf-test";
        await machine.upload({ step: "write", path, content: input, mode: "0600" });
        const { stdout } = await hosts[release].exec(`sha256sum <${path}; rm ${path}`);
        expect(stdout).toBe(`${createHash("sha256").update(input).digest("hex")}  -\n`);
    });

    it.each(cases)("as %s on %s: a script and its children end at their deadline", async (user, release) => {
        const machine = await connect(login(release, user));
        const text = "sleep 9713 & sleep 9714";
        expect((await failure(machine.run({ step: "test", script: script(text), timeout: 2_000 }))).code).toBe(
            "TIMEOUT",
        );
        const left = "sleep 0.5; ps -eo args | grep '^sleep 971' || true; pgrep -u root -a '^(sudo|doas|su)$' || true";
        expect((await hosts[release].exec(left)).stdout).toBe("");
    });

    it.each(tested)("leaves no password in the process list, the journal and the output on %s", async (release) => {
        const shell = await Shell.open(lab, hosts[release]);
        await shell.run(
            "setsid sh -c 'while :; do ps axeww; sleep 0.02; done >/run/list 2>&1' >/dev/null 2>&1 & echo $! >/run/lister",
        );
        for (const user of Object.keys(users)) {
            if (users[user]!.missingIn === release) continue;
            const machine = await connect(login(release, user));
            const { stdout, stderr } = await machine.run({ step: "test", script: script("sleep 0.3; echo out") });
            expect({ stdout, stderr }).toEqual({ stdout: "out\n", stderr: "" });
        }
        await shell.run("pkill -g $(cat /run/lister) || pkill -f 'while :; do ps' || true");
        expect(Number(await shell.run("grep -c 'sudo -H -S' /run/list"))).toBeGreaterThan(0);
        expect(await shell.ask(`grep -c '${lab.password}' /run/list`)).toBe("0");
        expect(await shell.ask(`journalctl --no-pager | grep -c '${lab.password}'`)).toBe("0");
        shell.close();
    });

    it("changes nothing, and names what was tried, where there is no way", async () => {
        const machine = await connect(login(tested[0]!, "norights", { rootPassword: undefined }));
        const error = await failure(machine.run({ step: "install", script: script("touch /run/changed") }));
        expect(error.code).toBe("SUDO_NOT_PERMITTED");
        expect(error.message).toMatch(/install: .*sudo does not permit it.*doas does not permit it.*su was not tried/);
        expect((await hosts[tested[0]!].exec("ls /run/changed 2>/dev/null || true")).stdout).toBe("");
    });
});
