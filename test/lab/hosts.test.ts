import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ControlGroup } from "../../lab/cgroup";
import { Lab, type LabHost, type Release, releases } from "../../lab/index";
import { nspawnPid } from "../../lab/machine";
import { hostDirectory } from "../../lab/records";
import { type Result, run, sleep } from "../../lab/run";

const reason = Lab.unavailable();
const suite = reason === undefined ? describe : describe.skip;
// Three machines boot and two cores do everything.
jest.setTimeout(120_000);
const root = join(__dirname, "../..");

suite(`lab hosts${reason ? ` (skipped: ${reason})` : ""}`, () => {
    let lab: Lab;
    const hosts = {} as Record<Release, LabHost>;
    let scratch: string;

    beforeAll(async () => {
        scratch = mkdtempSync(join(tmpdir(), "lab-test-"));
        lab = await Lab.open();
        await lab.ready(releases);
        await lab.ready(["trixie"], "docker");
        await Promise.all(
            releases.map(async (release) => {
                hosts[release] = await lab.up(lab.uniqueName(release), { release });
            }),
        );
    }, 1_200_000);

    afterAll(async () => {
        await lab?.close();
        rmSync(scratch, { recursive: true, force: true });
    }, 60_000);

    /** Plain ssh with the lab's key. */
    const ssh = (host: LabHost, command: string, user = "root", options: { input?: string } = {}): Promise<Result> =>
        run("ssh", [...host.sshArguments(user), command], { allowFailure: true, ...options });

    it.each(releases)("boots a complete %s, without a failed unit", async (release) => {
        const host = hosts[release];
        expect((await ssh(host, "systemctl is-system-running --wait")).stdout).toBe("running\n");
        expect((await ssh(host, "hostname; id -un")).stdout).toBe(`${host.name}\nroot\n`);
        const sources = (await ssh(host, "cat /etc/apt/sources.list")).stdout;
        expect(sources).toMatch(new RegExp(`^deb \\S+ ${release} main$`, "m"));
        const key = (await run("ssh-keyscan", ["-t", "ed25519", host.address])).stdout.trim();
        expect(key).toBe(`${host.address} ${host.hostKey}`);
    });

    it.each(releases)("runs a real apt-get update on %s", async (release) => {
        const update = await ssh(hosts[release], "apt-get update -q 2>&1");
        expect(update.stdout).toMatch(/^(Get|Hit):1 http/m);
        expect(update.stdout).not.toMatch(/^(W|E|Err):/m);
        expect(update.code).toBe(0);
    });

    it.each(releases)("lets ops in by key and through sudo without a password on %s", async (release) => {
        expect((await ssh(hosts[release], "id -un; sudo -n id -un", "ops")).stdout).toBe("ops\nroot\n");
    });

    it.each(releases)("lets admin in by key and through sudo with the password only on %s", async (release) => {
        const host = hosts[release];
        expect((await ssh(host, "id -un", "admin")).stdout).toBe("admin\n");
        expect((await ssh(host, "sudo -n id -un", "admin")).stderr).toContain("a password is required");
        const input = `${lab.password}\n`;
        expect((await ssh(host, "sudo -S -p '' id -un", "admin", { input })).stdout).toBe("root\n");
    });

    it.each(releases)("lets admin, and nobody else, in with the password on %s", async (release) => {
        const login = async (user: string) => {
            const password = join(scratch, "password");
            writeFileSync(password, `#!/bin/sh\necho ${lab.password}\n`, { mode: 0o700 });
            const settings = [`SSH_ASKPASS=${password}`, "SSH_ASKPASS_REQUIRE=force"];
            const by = [
                "-o",
                "BatchMode=no",
                "-o",
                "PreferredAuthentications=password",
                "-o",
                "NumberOfPasswordPrompts=1",
            ];
            const command = [
                "ssh",
                ...by,
                "-o",
                "PubkeyAuthentication=no",
                ...hosts[release].sshArguments(user),
                "id -un",
            ];
            return await run("env", [...settings, ...command], { allowFailure: true });
        };
        expect((await login("admin")).stdout).toBe("admin\n");
        expect((await login("root")).stderr).toContain("Permission denied");
    });

    it("connects the hosts with one another", async () => {
        const answer = await ssh(hosts.trixie, `exec 3<>/dev/tcp/${hosts.sid.address}/22 && head -n 1 <&3`);
        expect(answer.stdout).toMatch(/^SSH-2\.0-OpenSSH/);
    });

    it("cuts a host off and brings it back", async () => {
        const host = hosts.bookworm;
        const soon = ["-o", "ConnectTimeout=1", ...host.sshArguments(), "true"];
        await host.cut();
        expect((await run("ssh", soon, { allowFailure: true })).stderr).toMatch(/timed out|No route to host/);
        expect((await host.exec("hostname")).stdout).toBe(`${host.name}\n`);
        await host.heal();
        expect((await ssh(host, "echo back")).stdout).toBe("back\n");
    });

    it("moves a host 80 ms away, also over its reboot, and back", async () => {
        const host = hosts.bookworm;
        expect(await roundTrip(host)).toBeLessThan(60);
        await host.delay(80);
        expect(await roundTrip(host)).toBeGreaterThanOrEqual(80);
        expect(await roundTrip(host)).toBeLessThan(150);
        const bytes = await ssh(host, "head -c 5000000 /dev/zero | wc -c; wc -c", "root", {
            input: "x".repeat(5_000_000),
        });
        expect(bytes.stdout).toBe("5000000\n5000000\n");

        await host.exec("touch /run/before-the-reboot");
        await host.exec("systemctl reboot", { allowFailure: true });
        await until("the host is new", async () => {
            const run = await host.exec("ls /run", { allowFailure: true }).catch(() => undefined);
            return run?.code === 0 && !run.stdout.includes("before-the-reboot");
        });
        await host.waitForLogin();
        expect((await ssh(host, "ls /run/before-the-reboot")).stderr).toContain("No such file");
        expect(await roundTrip(host)).toBeGreaterThanOrEqual(80);

        await host.delay(0);
        expect(await roundTrip(host)).toBeLessThan(60);
    });

    it("keeps the disk over a power cut", async () => {
        const host = hosts.sid;
        await ssh(host, "echo precious > /root/file; sync; touch /run/lost");
        await host.off();
        expect(host.isUp).toBe(false);
        await expect(host.exec("true")).rejects.toThrow(`${host.name} is off`);
        const again = await lab.up(host.name);
        expect(again.release).toBe("sid");
        expect((await ssh(again, "cat /root/file; ls /run/lost")).stdout).toBe("precious\n");
    });

    it("starts a host again whose systemd-nspawn was killed", async () => {
        const host = hosts.sid;
        process.kill(nspawnPid(host.name)!, "SIGKILL");
        await until("it is noticed", async () => !host.isUp);
        await host.on();
        expect((await ssh(host, "cat /root/file")).stdout).toBe("precious\n");
    });

    it("starts a host with Docker in its disk", async () => {
        const host = await lab.up(lab.uniqueName("dock"), { layer: "docker" });
        const version = await ssh(host, "docker version --format '{{.Server.Version}} {{.Server.Os}}'");
        expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\S* linux\n$/);
        expect((await ssh(host, "docker info --format '{{.Driver}}'")).stdout).toBe("overlay2\n");
        await host.down();
        expect(existsSync(hostDirectory(host.name))).toBe(false);
    });

    it("refuses names and kinds that cannot be", async () => {
        await expect(lab.up("Web_1")).rejects.toThrow("no host name");
        await expect(lab.up("thirteen-char")).rejects.toThrow("no host name");
        await expect(lab.up(hosts.sid.name, { release: "trixie" })).rejects.toThrow("there is a sid host");
    });

    it("reclaims the hosts of a process that was killed, and only those", async () => {
        const child = spawn(process.execPath, ["--import", "tsx", "-e", startAndStay], {
            cwd: root,
            stdio: ["ignore", "pipe", 2],
        });
        const name = await firstLine(child);
        expect(nspawnPid(name)).toBeDefined();
        expect((await lab.list()).map((host) => host.name)).toContain(name);

        child.kill("SIGKILL");
        await new Promise((resolve) => child.once("exit", resolve));
        const left = (await lab.list()).map((host) => host.name);
        expect(left).not.toContain(name);
        expect(left).toEqual(expect.arrayContaining(releases.map((release) => hosts[release].name)));
        expect(existsSync(new ControlGroup(name).path)).toBe(false);
        expect(existsSync(hostDirectory(name))).toBe(false);
        expect(readFileSync(lab.knownHostsPath, "utf8")).not.toContain(name);
    });

    it("leaves nothing behind, on a machine with a version 2 control group tree only", async () => {
        // A network, mounts and a lab state of its own, so that the hosts above are not in the picture.
        const isolate =
            "mount -t sysfs sysfs /sys; mount -t cgroup2 cgroup2 /sys/fs/cgroup; mount -t tmpfs tmpfs /var/lib";
        const child = `${isolate}; exec "$0" --import tsx -e "$1"`;
        const args = ["--net", "--mount", "--propagation", "private", "sh", "-euc", child, process.execPath, upAndDown];
        const { stdout } = await run("env", ["-C", root, "unshare", ...args]);
        const { before, during, after } = JSON.parse(stdout);
        expect(during.links).toContain("pdflab0");
        expect(during.rules).toContain("MASQUERADE");
        expect(during.groups).toHaveLength(1);
        expect(during.processes).toBeGreaterThanOrEqual(2);
        expect(during.state).toContain("hosts");
        expect(during.answer).toBe("running\n");
        expect(after).toEqual(before);
    });
});

const startAndStay = `
    const { Lab } = require("./lab/index.ts");
    Lab.open().then(async (lab) => {
        console.log((await lab.up(lab.uniqueName("crash"))).name);
        setInterval(() => {}, 1000);
    });`;

const upAndDown = `
    const { Lab } = require("./lab/index.ts");
    const { execSync } = require("node:child_process");
    const sh = (command) => execSync(command, { encoding: "utf8" });
    const fs = require("node:fs");
    const commandLine = (pid) => {
        try { return fs.readFileSync("/proc/" + pid + "/cmdline", "utf8"); } catch { return ""; }
    };
    const look = (name) => ({
        links: sh("ip -o link | cut -d: -f2"),
        rules: sh("iptables-save | grep -v '^#' | grep -- '^-A' || true"),
        mounts: sh("cat /proc/self/mountinfo"),
        groups: fs.readdirSync("/sys/fs/cgroup").filter((group) => group.includes(name)),
        state: sh("ls -R /var/lib /run/systemd/nspawn 2>/dev/null || true"),
        settings: sh("sysctl net.ipv4.ip_forward net.ipv4.conf.all.forwarding fs.inotify"),
        processes: fs.readdirSync("/proc").filter((pid) => commandLine(pid).includes(name)).length,
    });
    (async () => {
        const lab = await Lab.open();
        sh("iptables -L; iptables -t nat -L");
        const name = lab.uniqueName("gone");
        const before = look(name);
        const host = await lab.up(name);
        const answer = (await host.exec("systemctl is-system-running --wait", { allowFailure: true })).stdout;
        const during = { ...look(name), answer };
        await host.delay(10);
        await lab.close();
        console.log(JSON.stringify({ before, during, after: look(name) }));
    })();`;

/** Milliseconds until the host refuses a connection to a closed port; the quickest of five, since others use this CPU. */
async function roundTrip(host: LabHost): Promise<number> {
    const times: number[] = [];
    for (let i = 0; i < 5; i++) {
        const start = performance.now();
        await new Promise<void>((resolve) => connect(9, host.address).on("error", () => resolve()));
        times.push(performance.now() - start);
    }
    return Math.min(...times);
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
    for (const end = Date.now() + 15_000; !(await holds()); await sleep(50)) {
        if (Date.now() > end) throw new Error(`not within 15 s: ${what}`);
    }
}

function firstLine(child: ChildProcess): Promise<string> {
    return new Promise((resolve, reject) => {
        child.stdout!.once("data", (data: Buffer) => resolve(data.toString().trim()));
        child.once("exit", (code) => reject(new Error(`the process ended with ${code}`)));
    });
}
