import { Lab, type LabHost } from "../../lab";
import { closeAllConnections } from "../../src/ssh";
import { Daemon, DaemonResource } from "../support/daemon";
import { login } from "../support/docker-host";
import { describeLab, suiteReleases } from "../support/levels";
import { Shell } from "../support/shell";

describeLab.each(suiteReleases("trixie"))("how a DaemonConfig comes into effect on %s", (release) => {
    let lab: Lab;
    let host: LabHost;
    let shell: Shell;
    let daemon: Daemon;
    let config: DaemonResource;

    beforeAll(async () => {
        lab = await Lab.open();
        host = await lab.up(lab.uniqueName("modes"), { release, layer: "docker" });
        shell = await Shell.open(lab, host);
        daemon = new Daemon(shell);
        await daemon.run({ always: "always" });
        config = new DaemonResource("web", { connection: login(lab, host, "root"), settings: { debug: true } });
        await config.up();
    });

    afterAll(async () => {
        shell?.close();
        await closeAllConnections();
        await lab?.close();
    });

    it.each(["reloadOnly", "ifNoContainers"])("refuses a restart under %s, and changes nothing", async (applyMode) => {
        const before = [await daemon.process(), await daemon.file(), await daemon.processes()];
        const settings = { debug: true, "log-driver": "local" };
        await expect(config.up({ settings, applyMode })).rejects.toThrow(/RESTART_NOT_ALLOWED.*log-driver/);
        expect([await daemon.process(), await daemon.file(), await daemon.processes()]).toEqual(before);
    });

    it("writes what is staged, and says that it waits until somebody restarts the daemon", async () => {
        const pid = await daemon.process();
        await config.up({ settings: { debug: true, "log-driver": "local" }, applyMode: "staged" });
        expect(config.outputs).toMatchObject({
            plan: "staged; needs a restart to take effect",
            pending: ["log-driver"],
        });
        expect(await daemon.process()).toBe(pid);
        expect(await config.drift()).toEqual({});
        await daemon.restart();
        expect(await config.drift()).toEqual({});
        expect(config.outputs.pending).toEqual([]);
        expect(await daemon.info("LoggingDriver")).toBe("local");
    });

    it("refuses another data-root while there is something to lose from sight", async () => {
        await shell.run("docker volume create precious && docker volume create other");
        await expect(config.up({ settings: { "data-root": "/srv/docker" }, applyMode: "auto" })).rejects.toThrow(
            /DESTRUCTIVE_CHANGE.*1 image, 1 container, 2 volumes/,
        );
        expect(await daemon.info("DockerRootDir")).toBe("/var/lib/docker");
        await config.up({ settings: { debug: true } });
    });

    it("lets hosts take the place of the unit's -H, and gives it back", async () => {
        await config.up({ settings: { hosts: ["fd://", "unix:///run/second.sock"] } });
        const command = "tr '\\0' ' ' </proc/$(systemctl show -p MainPID --value docker.service)/cmdline";
        expect(await shell.run(command)).not.toContain("-H");
        expect(await shell.run("docker -H unix:///run/second.sock info --format '{{.Name}}'")).toBe(host.name);
        await shell.run("rm /etc/systemd/system/docker.service.d/docker-fleet-hosts.conf; systemctl daemon-reload");
        expect(await config.drift()).toEqual({ daemon: ["the drop-in for hosts was changed", "as configured"] });
        await config.up();
        expect(await config.drift()).toEqual({});
        await config.up({ settings: {} });
        expect(await shell.run(command)).toContain("-H fd://");
    });

    it("refuses an address for the bridge with which nobody would reach the machine any more", async () => {
        const bip = host.address.replace(/\d+$/, "1/24");
        await expect(config.up({ settings: { bip } })).rejects.toThrow(
            /SETTING_REFUSED.*settings\.bip: .* overlaps .*, which the machine reaches through \w+.*cut off/,
        );
        await config.up({ settings: {} });
    });

    it("names the variable and the file of a flag that collides", async () => {
        await shell.run("echo 'DOCKER_OPTS=\"--log-level=warn\"' >>/etc/default/docker");
        await expect(config.up({ settings: { "log-level": "error" } })).rejects.toThrow(
            /SETTING_CONFLICT.*--log-level=warn.*DOCKER_OPTS in \/etc\/default\/docker/,
        );
        await shell.run("sed -i '/^DOCKER_OPTS/d' /etc/default/docker");
    });

    it("gives the daemon its environment, which only root can read", async () => {
        const environment = { HTTPS_PROXY: 'http://user:p"a$s`@proxy.example.com:3128' };
        await config.up({ settings: {}, environment });
        const seen =
            "tr '\\0' '\\n' </proc/$(systemctl show -p MainPID --value docker.service)/environ | sed -n 's/^HTTPS_PROXY=//p'";
        expect(await shell.run(seen)).toBe(environment.HTTPS_PROXY);
        expect(await shell.run("systemctl show docker.service | grep -c proxy.example || true")).toBe("0");
        expect(await shell.run("stat -c %a /etc/systemd/system/docker.service.d/*.env")).toBe("600");
        expect(await config.drift()).toEqual({});
        await config.destroy();
        expect(await shell.ask(seen)).toBe("");
        expect(await shell.ask("find /etc -name '*fleet*'; ls -d /var/lib/pulumi-docker-fleet")).toBe("");
    });

    it("has the whole file for itself with exclusive, and what others add is drift", async () => {
        await daemon.write({ "max-download-attempts": 7 });
        const connection = login(lab, host, "root");
        const whole = new DaemonResource("whole", { connection, settings: { debug: true }, exclusive: true });
        await whole.up();
        expect(await daemon.file()).toEqual({ debug: true });
        await daemon.write({ debug: true, mtu: 1400 });
        expect(await whole.drift()).toEqual({ settings: [{ debug: true, mtu: 1400 }, { debug: true }] });
        expect(await whole.up()).toBe("update");
        expect(await daemon.file()).toEqual({ debug: true });
        await whole.destroy();
        expect(await daemon.file()).toEqual({});
        expect(await daemon.info("Debug")).toBe(false);
    });

    it("lets the machine's dockerd judge what is newer than the package", async () => {
        const connection = login(lab, host, "root");
        const newer = new DaemonResource("newer", { connection, extra: { "newer-than-all": true } });
        await expect(newer.up()).rejects.toThrow(
            // 20.10 cannot be asked before: it is started.
            release === "bookworm"
                ? /DAEMON_CONFIG_FAILED.*does not start\. Everything is as it was before[\s\S]*newer-than-all/
                : /DAEMON_CONFIG_FAILED.*dockerd refuses the configuration\. Nothing was changed[\s\S]*newer-than-all/,
        );
        expect(await daemon.file()).toEqual({});
        // dockerd takes an object that it does not know where it knows what is in it.
        await newer.up({ extra: { "newer-object": { mtu: 1400 } } });
        expect(newer.outputs.plan).toMatch(/^restart/);
        expect(await daemon.file()).toEqual({ "newer-object": { mtu: 1400 } });
        await daemon.write({ "newer-object": { mtu: 1300 } });
        expect(await newer.drift()).toMatchObject({
            extra: [{ "newer-object": { mtu: 1300 } }, { "newer-object": { mtu: 1400 } }],
        });
        await newer.destroy();
        expect(await daemon.file()).toEqual({});
    });
});
