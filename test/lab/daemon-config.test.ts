import { Lab, type LabHost } from "../../lab";
import { closeAllConnections } from "../../src/ssh";
import { Daemon, DaemonResource } from "../support/daemon";
import { login } from "../support/docker-host";
import { describeLab, suiteReleases } from "../support/levels";
import { Shell } from "../support/shell";

/** What others have in the file. */
const foreign = { "log-opts": { "max-file": "5" }, "max-download-attempts": 7 };

describeLab.each(suiteReleases("bookworm"))("a DaemonConfig on %s", (release) => {
    let lab: Lab;
    let host: LabHost;
    let shell: Shell;
    let daemon: Daemon;
    let config: DaemonResource;

    beforeAll(async () => {
        lab = await Lab.open();
        host = await lab.up(lab.uniqueName(release), { release, layer: "docker" });
        shell = await Shell.open(lab, host);
        daemon = new Daemon(shell);
        await daemon.write(JSON.stringify(foreign, undefined, "\t"));
        await shell.run("chmod 0640 /etc/docker/daemon.json; chgrp docker /etc/docker/daemon.json");
        await daemon.restart();
        await daemon.run({ free: "no", always: "always", unless: "unless-stopped" });
        config = new DaemonResource("web", { connection: login(lab, host) });
    });

    afterAll(async () => {
        shell?.close();
        await closeAllConnections();
        await lab?.close();
    });

    it("sets what a reload can set by a reload, and leaves what others have set", async () => {
        const before = { pid: await daemon.process(), containers: await daemon.processes() };
        const settings = { labels: ["zone=a", "env=b"], debug: true };
        await config.up({ settings });
        expect(config.outputs).toMatchObject({ plan: "reload", pending: [] });
        expect({ pid: await daemon.process(), containers: await daemon.processes() }).toEqual(before);
        expect(await daemon.file()).toEqual({ ...foreign, ...settings });
        expect(await daemon.info("Debug")).toBe(true);
        expect(((await daemon.info("Labels")) as string[]).sort()).toEqual(["env=b", "zone=a"]);
        expect(await shell.run("stat -c '%a %U %G' /etc/docker/daemon.json; sed -n 2p /etc/docker/daemon.json")).toBe(
            '640 root docker\n\t"log-opts": {',
        );
    });

    it("shows no drift and does nothing while all is well", async () => {
        const before = await shell.run("stat -c '%i %Y' /etc/docker/daemon.json");
        expect(await config.drift()).toEqual({});
        expect(await config.up()).toBe("same");
        expect(await shell.run("stat -c '%i %Y' /etc/docker/daemon.json")).toBe(before);
    });

    it("finds a value that somebody changed, and one that somebody took away", async () => {
        await daemon.write({ ...foreign, labels: ["zone=x"], bip: "172.26.0.1/16" });
        expect(await config.drift()).toEqual({
            settings: [{ labels: ["zone=x"] }, { labels: ["zone=a", "env=b"], debug: true }],
        });
        expect(await config.up()).toBe("update");
        expect(await daemon.file()).toEqual({
            ...foreign,
            bip: "172.26.0.1/16",
            labels: ["zone=a", "env=b"],
            debug: true,
        });
        expect(config.outputs.plan).toBe("none");
        await daemon.write({ ...foreign, labels: ["zone=a", "env=b"], debug: true });
        await daemon.restart();
        await shell.run("docker start free");
        expect(await config.drift()).toEqual({});
    });

    it("takes a key away by a reload, so that its value goes too", async () => {
        const pid = await daemon.process();
        await config.up({ settings: { debug: true, "max-concurrent-uploads": 2 } });
        expect(config.outputs.plan).toBe("reload");
        expect(await daemon.file()).toEqual({ ...foreign, debug: true, "max-concurrent-uploads": 2 });
        expect(await daemon.info("Labels")).toEqual([]);
        expect(await daemon.process()).toBe(pid);
    });

    it("restarts for what only a restart can set, and says what that does", async () => {
        const before = await daemon.processes();
        await config.up({ settings: { debug: true, "log-driver": "local", "log-opts": { "max-size": "10m" } } });
        expect(config.outputs.plan).toBe("restart stops 3 containers; 2 of them start again by restart policy");
        expect(await daemon.info("LoggingDriver")).toBe("local");
        const after = await daemon.processes();
        expect(Object.keys(after)).toEqual(["always", "unless"]);
        expect(after.always).not.toBe(before.always);
        expect(await daemon.file()).toEqual({
            ...foreign,
            "log-opts": { "max-file": "5", "max-size": "10m" },
            debug: true,
            "log-driver": "local",
        });
        await shell.run("docker start free");
    });

    it("turns live-restore on first, where it is told to, and then restarts under running containers", async () => {
        const before = { pid: await daemon.process(), containers: await daemon.processes() };
        const settings = { "live-restore": true, "log-driver": "json-file" };
        await config.up({ settings, enableLiveRestoreFirst: true });
        expect(config.outputs.plan).toBe("restart; live-restore is on, 3 containers keep running");
        expect(await daemon.processes()).toEqual(before.containers);
        expect(await daemon.process()).not.toBe(before.pid);
        expect(await daemon.info("LoggingDriver")).toBe("json-file");
        expect(await config.drift()).toEqual({});
    });

    it.each<[string, object, RegExp]>([
        ["refuses to reload", { "default-runtime": "nonsense" }, /reload.*[\s\S]*nonsense/],
        ["does not start with", { "seccomp-profile": "/nonsense" }, /does not start.*[\s\S]*nonsense/],
    ])("puts everything back when there is a value that the daemon %s", async (_, wrong, words) => {
        const before = { containers: await daemon.processes(), file: await daemon.file() };
        const settings = { "live-restore": true, "log-driver": "json-file", labels: ["new=1"], ...wrong };
        const error = await config.up({ settings }).catch(({ message }: Error) => message);
        expect(error).toMatch(/\[DAEMON_CONFIG_FAILED\].*Everything is as it was before/);
        expect(error).toMatch(words);
        expect({ containers: await daemon.processes(), file: await daemon.file() }).toEqual(before);
        expect(await daemon.info("Labels")).toEqual([]);
        expect(await daemon.info("LiveRestoreEnabled")).toBe(true);
        await config.up({ settings: { "live-restore": true, "log-driver": "json-file" } });
        expect(await config.drift()).toEqual({});
        expect(await shell.ask("find /etc/docker /etc/systemd/system/docker.service.d -name '*fleet*'")).toBe("");
    });

    it("refuses a log driver that is not there, with which the daemon would start and no container", async () => {
        const settings = { "live-restore": true, "log-driver": "nonsense" };
        await expect(config.up({ settings })).rejects.toThrow(/SETTING_REFUSED.*no log driver nonsense.*json-file/);
        await config.up({ settings: { "live-restore": true, "log-driver": "json-file" } });
    });

    it("turns live-restore off before the restart, so that containers that should come back do", async () => {
        await config.up({ settings: { "log-driver": "local" }, enableLiveRestoreFirst: false });
        expect(config.outputs.plan).toBe("restart stops 3 containers; 2 of them start again by restart policy");
        expect(Object.keys(await daemon.processes())).toEqual(["always", "unless"]);
        expect(await daemon.info("LiveRestoreEnabled")).toBe(false);
        await shell.run("docker start free");
    });

    it("finds what is written, but not in effect, and brings it into effect", async () => {
        await daemon.write({ ...foreign, "log-driver": "json-file" });
        await daemon.restart();
        await daemon.write({ ...foreign, "log-driver": "local" });
        expect(await config.drift()).toEqual({
            daemon: ["written, but not applied: log-driver", "as configured"],
        });
        expect(await config.up()).toBe("update");
        expect(await daemon.info("LoggingDriver")).toBe("local");
        expect(await config.drift()).toEqual({});
    });

    it("brings up a daemon that is down", async () => {
        await shell.run("systemctl stop docker.socket docker.service");
        expect(await config.drift()).toEqual({ daemon: ["not running", "as configured"] });
        expect(await config.up()).toBe("update");
        expect(await config.drift()).toEqual({});
    });

    it("will not lose what others wrote into a file that is damaged", async () => {
        await shell.run("cp -p /etc/docker/daemon.json /root/saved; echo '{ \"bip\":' >/etc/docker/daemon.json");
        expect(await config.drift()).toEqual({ daemon: ["daemon.json is damaged", "as configured"] });
        await expect(config.up()).rejects.toThrow(/DAEMON_JSON_INVALID/);
        expect(await shell.run("cat /etc/docker/daemon.json")).toBe('{ "bip":');
        await shell.run("cp -p /root/saved /etc/docker/daemon.json");
        await config.drift();
    });

    it("lets no two resources set the same, and lets them set different parts of one key", async () => {
        const other = new DaemonResource("other", {
            connection: login(lab, host, "ops"),
            settings: { "log-driver": "json-file" },
        });
        await expect(other.up()).rejects.toThrow(/SETTING_CLAIMED.*log-driver.*DaemonConfig::web/);
        await expect(other.up({ settings: {}, exclusive: true })).rejects.toThrow(/SETTING_CLAIMED/);
        await other.up({ settings: { labels: ["other=1"] }, exclusive: false });
        expect(await daemon.file()).toEqual({ ...foreign, "log-driver": "local", labels: ["other=1"] });
        expect(await config.drift()).toEqual({});
        await other.destroy();
        expect(await daemon.info("Labels")).toEqual([]);
    });

    it("goes without a trace when it is deleted, and leaves what is not ours", async () => {
        await config.destroy();
        expect(await daemon.file()).toEqual(foreign);
        expect(await daemon.info("LoggingDriver")).toBe("json-file");
        expect(await shell.ask("ls -d /var/lib/pulumi-docker-fleet; find /etc -name '*fleet*'")).toBe("");
        await config.destroy();
    });

    it("brings a file where there is none, and takes it away again", async () => {
        await shell.run("rm /etc/docker/daemon.json");
        await daemon.restart();
        const alone = new DaemonResource("alone", { connection: login(lab, host), settings: { debug: true } });
        await alone.up();
        expect(await shell.run("stat -c '%a %U' /etc/docker/daemon.json; cat /etc/docker/daemon.json")).toBe(
            '644 root\n{\n  "debug": true\n}',
        );
        await alone.destroy();
        expect(await shell.ask("ls /etc/docker/daemon.json")).toBe("");
        expect(await daemon.info("Debug")).toBe(false);
    });
});
