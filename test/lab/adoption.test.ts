import { Lab, type LabHost } from "../../lab";
import { closeAllConnections } from "../../src/ssh";
import { HostResource, login } from "../support/docker-host";
import { describeLab } from "../support/levels";
import { Shell } from "../support/shell";

/** A package with nothing in it but its name, installed for real: what dpkg knows is what we look at. */
function emptyPackage(name: string): string {
    return [
        `mkdir -p /tmp/${name}/DEBIAN`,
        `printf 'Package: ${name}\\nVersion: 1.0\\nArchitecture: all\\nMaintainer: lab <lab@example.org>\\nDescription: test\\n' >/tmp/${name}/DEBIAN/control`,
        `dpkg-deb --build /tmp/${name} /tmp/${name}.deb >/dev/null && dpkg -i /tmp/${name}.deb >/dev/null`,
    ].join("; ");
}

describeLab("a machine that has a Docker Engine already", () => {
    let lab: Lab;
    let host: LabHost;
    let shell: Shell;

    beforeAll(async () => {
        lab = await Lab.open();
        host = await lab.up(lab.uniqueName("adopt"), { layer: "docker" });
        shell = await Shell.open(lab, host);
        await shell.run("systemctl is-active docker.service || systemctl start docker.service");
    });

    afterAll(async () => {
        shell?.close();
        await closeAllConnections();
        await lab?.close();
    });

    it("keeps its daemon running when it is adopted, and its engine when it is given up", async () => {
        const pid = await shell.run("systemctl show -p MainPID --value docker.service");
        const packages = await shell.run("dpkg-query -W | sort");
        const docker = new HostResource("adopted", { connection: login(lab, host) });
        await docker.up();
        expect(docker.outputs).toMatchObject({ adopted: true, reachable: true });
        expect(await shell.run("apt-mark showhold")).toContain("docker.io");
        await docker.destroy();
        expect(await shell.run("systemctl show -p MainPID --value docker.service")).toBe(pid);
        expect(await shell.run("dpkg-query -W | sort")).toBe(packages);
        expect(await shell.ask("apt-mark showhold")).toBe("");
    });

    it("stays held when it was held before us", async () => {
        await shell.run("apt-mark hold docker.io $(dpkg-query -W -f '${Package}\\n' docker-cli 2>/dev/null)");
        const docker = new HostResource("held", { connection: login(lab, host) });
        await docker.up();
        await docker.destroy();
        expect(await shell.run("apt-mark showhold")).toContain("docker.io");
        await shell.run("apt-mark unhold $(apt-mark showhold)");
    });

    it("has its stopped engine started", async () => {
        await shell.run("systemctl stop docker.socket docker.service");
        const docker = new HostResource("stopped", { connection: login(lab, host, "ops") });
        await docker.up();
        expect(await shell.run("systemctl is-active docker.service")).toBe("active");
        await docker.destroy();
    });

    it("has its engine restarted when it hangs", async () => {
        const docker = new HostResource("hung", { connection: login(lab, host) });
        await docker.up();
        const pid = await shell.run("systemctl show -p MainPID --value docker.service");
        await shell.run(`kill -s STOP ${pid}`);
        expect(await docker.drift()).toMatchObject({ engine: ["not answering", "running"] });
        await docker.up();
        expect(await shell.run("timeout 10 docker version --format '{{.Server.Version}}'")).toBe(
            docker.outputs.engineVersion,
        );
        expect(await shell.run("systemctl show -p MainPID --value docker.service")).not.toBe(pid);
        await docker.destroy();
    });

    it("keeps the engine's version when only the client has to be brought", async () => {
        const offered = (
            await shell.run("apt-get -qq update; apt-cache madison docker.io | awk '{ print $3 }' | sort -Vu")
        ).split("\n");
        // The newest would be chosen for an engine that is not there.
        expect(offered.length).toBeGreaterThan(1);
        const quiet = "DEBIAN_FRONTEND=noninteractive apt-get -qq -y";
        await shell.run(
            `${quiet} install --allow-downgrades --no-install-recommends docker.io=${offered[0]} >/dev/null 2>&1`,
        );
        await shell.run(`${quiet} remove docker-cli >/dev/null 2>&1`);
        const docker = new HostResource("client", { connection: login(lab, host) });
        await docker.up();
        expect(await shell.run("dpkg-query -W -f '${Version}' docker.io")).toBe(offered[0]);
        expect(await shell.run("docker version --format '{{.Server.Version}}'")).toBe(docker.outputs.engineVersion);
        await docker.destroy();
    });

    it("loses it when onDelete says so, even though it was adopted", async () => {
        const docker = new HostResource("unwanted", { connection: login(lab, host, "root"), onDelete: "uninstall" });
        await docker.up();
        await docker.destroy();
        expect(await shell.ask("command -v dockerd")).toBe("");
    });
});

describeLab("a machine with something that only looks like Docker", () => {
    let lab: Lab;
    let host: LabHost;
    let shell: Shell;

    beforeAll(async () => {
        lab = await Lab.open();
        host = await lab.up(lab.uniqueName("looks"));
        shell = await Shell.open(lab, host);
    });

    afterAll(async () => {
        shell?.close();
        await closeAllConnections();
        await lab?.close();
    });

    it.each([
        ["snap's Docker", "mkdir -p /snap/docker", "rm -r /snap", /snap remove docker/],
        [
            "podman under Docker's name",
            emptyPackage("podman-docker"),
            "dpkg -r podman-docker",
            /apt-get remove podman-docker/,
        ],
        [
            "a daemon of no package",
            "install -m 755 /bin/true /usr/local/bin/dockerd",
            "rm /usr/local/bin/dockerd",
            /usr\/local\/bin\/dockerd belongs to no package/,
        ],
    ])("is explained and left unchanged: %s", async (_, make, undo, words) => {
        await shell.run(make);
        const before = await shell.run("dpkg-query -W; ls -la /etc /var/lib");
        const docker = new HostResource("refused", { connection: login(lab, host) });
        await expect(docker.up()).rejects.toThrow(words);
        await expect(docker.up()).rejects.toThrow(/CONFLICTING_INSTALLATION/);
        expect(await shell.run("dpkg-query -W; ls -la /etc /var/lib")).toBe(before);
        await shell.run(undo);
    });

    it("gets the engine when it has the client alone", async () => {
        await shell.run(
            "apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends docker-cli >/dev/null 2>&1",
        );
        const docker = new HostResource("client", { connection: login(lab, host) });
        await docker.up();
        expect(docker.outputs).toMatchObject({ adopted: false });
        expect(await shell.run("docker version --format '{{.Server.Version}}'")).toBe(docker.outputs.engineVersion);
    });
});
