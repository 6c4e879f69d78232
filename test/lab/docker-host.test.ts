import { Lab, type LabHost } from "../../lab";
import { closeAllConnections } from "../../src/ssh";
import { HostResource, login } from "../support/docker-host";
import { describeLab, suiteReleases } from "../support/levels";
import { Shell } from "../support/shell";

/** What must never change on a machine, however often we work on it. */
const surroundings = "hostname; cat /etc/hosts /etc/ssh/sshd_config; ls /etc/apt/sources.list.d; id admin";

/** The engine as the machine itself sees it. */
async function engineOf(shell: Shell) {
    return {
        active: await shell.ask("systemctl is-active docker.service"),
        enabled: await shell.ask("systemctl is-enabled docker.service"),
        held: await shell.ask("apt-mark showhold"),
        version: await shell.ask("docker version --format '{{.Server.Version}}'"),
    };
}

describeLab.each(suiteReleases("bookworm"))("a DockerHost on %s", (release) => {
    let lab: Lab;
    let host: LabHost;
    let shell: Shell;
    let docker: HostResource;
    let before: { surroundings: string; packages: string };

    beforeAll(async () => {
        lab = await Lab.open();
        host = await lab.up(lab.uniqueName(release), { release });
        shell = await Shell.open(lab, host);
        docker = new HostResource("web", { connection: login(lab, host) });
        before = {
            surroundings: await shell.run(surroundings),
            packages: await shell.run("dpkg-query -W -f '${Package} ${Version}\\n'"),
        };
    });

    afterAll(async () => {
        shell?.close();
        await closeAllConnections();
        await lab?.close();
    });

    it("is installed, enabled, held and answers", async () => {
        expect(await docker.up()).toBe("create");
        const { active, enabled, held, version } = await engineOf(shell);
        expect({ active, enabled }).toEqual({ active: "active", enabled: "enabled" });
        expect(held.split("\n")).toContain("docker.io");
        expect(docker.outputs).toMatchObject({
            engineVersion: version,
            packageName: "docker.io",
            packageVersion: await shell.run("dpkg-query -W -f '${Version}' docker.io"),
            apiVersion: await shell.run("docker version --format '{{.Server.APIVersion}}'"),
            machineId: await shell.run("cat /etc/machine-id"),
            arch: await shell.run("uname -m"),
            os: await shell.run(". /etc/os-release; echo $PRETTY_NAME"),
            hostKey: host.hostKey,
            endpoint: `ssh://admin@${host.address}`,
            adopted: false,
        });
    });

    it("leaves everything else alone", async () => {
        expect(await shell.run(surroundings)).toBe(before.surroundings);
        const packages = (await shell.run("dpkg-query -W -f '${Package} ${Version}\\n'")).split("\n");
        for (const line of before.packages.split("\n")) expect(packages).toContain(line);
    });

    it("shows no drift and does nothing while all is well", async () => {
        const pid = await shell.run("systemctl show -p MainPID docker.service");
        expect(await docker.drift()).toEqual({});
        expect(await docker.up()).toBe("same");
        expect(await shell.run("systemctl show -p MainPID docker.service")).toBe(pid);
    });

    it.each<[string, string, Record<string, [unknown, unknown]>]>([
        ["a stopped service", "systemctl stop docker.socket docker.service", { engine: ["stopped", "running"] }],
        ["a disabled service", "systemctl disable docker.service", { engine: ["running, not enabled", "running"] }],
        [
            "a masked service",
            "systemctl mask --now docker.service && systemctl stop docker.socket",
            { engine: ["masked", "running"] },
        ],
        ["a lifted hold", "apt-mark unhold docker.io", { hold: [false, true] }],
        [
            "a removed package",
            "DEBIAN_FRONTEND=noninteractive apt-get remove -y --allow-change-held-packages docker.io",
            { engine: ["not installed", "running"] },
        ],
        [
            "a killed daemon that cannot come back",
            "mkdir -p /etc/docker; echo '{ \"bip\": 1 }' >/etc/docker/daemon.json; systemctl kill -s KILL docker.service; sleep 8; systemctl show -p ActiveState docker.service; rm /etc/docker/daemon.json",
            { engine: ["failed", "running"] },
        ],
    ])("finds %s and repairs just that", async (_, sabotage, drift) => {
        await shell.run(`{ ${sabotage}; } >/dev/null 2>&1`);
        expect(await docker.drift()).toEqual(drift);
        expect(await docker.up()).toBe("update");
        const { active, enabled, held } = await engineOf(shell);
        expect({ active, enabled }).toEqual({ active: "active", enabled: "enabled" });
        expect(held.split("\n")).toContain("docker.io");
        expect(await docker.drift()).toEqual({});
    });

    it("is not stopped by systemd's start limit, however often it is repaired", async () => {
        for (let round = 0; round < 5; round++) {
            await shell.run("systemctl stop docker.socket docker.service");
            await docker.drift();
            expect(await docker.up()).toBe("update");
        }
        expect((await engineOf(shell)).active).toBe("active");
    });

    it("tells the daemon's own words when it cannot start, and is repaired by the next run", async () => {
        await shell.run(
            "mkdir -p /etc/docker; echo '{ \"nonsense\": true }' >/etc/docker/daemon.json; systemctl stop docker.socket docker.service",
        );
        await docker.drift();
        await expect(docker.up()).rejects.toThrow(/DAEMON_NOT_RUNNING[\s\S]*nonsense/);
        await shell.run("rm /etc/docker/daemon.json");
        expect(await docker.up()).toBe("update");
        expect((await engineOf(shell)).active).toBe("active");
    });

    it("refuses a version that nobody offers, names those that are offered, and changes nothing", async () => {
        const packages = await shell.run("dpkg-query -W docker.io");
        await expect(docker.up({ version: "9.9" })).rejects.toThrow(
            new RegExp(`PACKAGE_NOT_AVAILABLE.*9\\.9.*offered: ${packages.split("\t")[1]!.replace(/[+.]/g, "\\$&")}`),
        );
        expect(await shell.run("dpkg-query -W docker.io")).toBe(packages);
        const minor = String(docker.outputs.engineVersion).split(".").slice(0, 2).join(".");
        await docker.up({ version: minor });
        expect(await docker.drift()).toEqual({});
    });

    it("adds the login user to the group docker when asked", async () => {
        await docker.up({ userInDockerGroup: true });
        expect(await shell.run("id -nG admin")).toContain("docker");
        await shell.run("gpasswd -d admin docker");
        expect(await docker.drift()).toEqual({ userInDockerGroup: [false, true] });
        await docker.up();
        expect(await shell.run("id -nG admin")).toContain("docker");
    });

    it("is uninstalled with what came along, and its data stays and is in no danger", async () => {
        await shell.run("docker volume create keepsake && touch /var/lib/docker/volumes/keepsake/_data/file");
        await docker.destroy();
        expect(await shell.ask("command -v dockerd containerd runc")).toBe("");
        expect(await shell.ask("apt-mark showhold")).toBe("");
        const packages = await shell.run(
            "dpkg-query -W -f '${db:Status-Status} ${Package} ${Version}\\n' | sed -n 's/^installed //p'",
        );
        expect(packages).toBe(before.packages);
        await shell.run("DEBIAN_FRONTEND=noninteractive apt-get purge -y docker.io >/dev/null 2>&1");
        await shell.run("test -e /var/lib/docker/volumes/keepsake/_data/file");
        await docker.destroy();
    });

    it("takes the data along only when it is told to", async () => {
        const again = new HostResource("again", { connection: login(lab, host, "ops"), onDelete: "purge" });
        await again.up();
        expect(await shell.run("docker volume ls -q")).toBe("keepsake");
        await again.destroy();
        // In the lab the two are mount points; elsewhere the directories go as well.
        expect(await shell.ask("find /var/lib/docker /var/lib/containerd -mindepth 1")).toBe("");
        expect(await shell.ask("ls -d /var/lib/pulumi-docker-fleet")).toBe("");
        await again.destroy();
    });
});
