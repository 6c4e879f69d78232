import type { LabHost } from "../../lab";
import { describeLab, suiteReleases } from "../support/levels";
import { Disk, giveKey, MountMachine, type MountResource, until } from "../support/mount";
import { Shell } from "../support/shell";

/**
 * What the container does: a record at a time, each with a file of its own name that is synced, and then an acknowledgement
 * outside of the mount. What fails is tried again. It numbers on from the last acknowledged record.
 */
const writer = `n=$(/usr/bin/tail -n 1 /ack/log 2>/dev/null)
n=\${n:-0}
while :; do
    n=$((n + 1))
    until echo "record $n" 2>/dev/null | /usr/bin/dd of=/d/$n conv=fsync status=none 2>/dev/null; do /usr/bin/sleep 0.2; done
    echo $n >>/ack/log
    /usr/bin/sleep 0.05
done`;

/** FLEET_RELEASES=all: with OpenRC, too. */
const machines = [
    ...suiteReleases("trixie").map((release) => ({ release, init: "systemd" })),
    ...(process.env.FLEET_RELEASES === "all" ? [{ release: "trixie" as const, init: "OpenRC" }] : []),
];

describeLab.each(machines)("a container that writes through a Mount on $release with $init", ({ release, init }) => {
    const isOpenrc = init === "OpenRC";
    const restart = isOpenrc
        ? "rc-service docker restart"
        : "systemctl reset-failed docker.service docker.socket; systemctl restart docker.service";
    let at: MountMachine;
    let server: LabHost;
    let serverShell: Shell;
    let disk: Disk;
    let remote: MountResource;
    let volume: MountResource;
    const places = { remote: "/srv/remote", disk: "/srv/disk" };

    beforeAll(async () => {
        at = await MountMachine.open(release, isOpenrc ? "openrc" : "docker");
        server = await at.lab.up(at.lab.uniqueName("records"), { release });
        serverShell = await Shell.open(at.lab, server);
        await giveKey(at.shell, at.lab.privateKey, server);
        await serverShell.run("mkdir -p /srv/export");
        disk = await Disk.add(at.shell, "records");
        remote = at.resource("remote", {
            type: "sshfs",
            source: `root@${server.address}:/srv/export`,
            target: places.remote,
            requiredByDocker: true,
            options: ["ServerAliveInterval=2", "ServerAliveCountMax=2", "ConnectTimeout=3"],
        });
        volume = at.resource("volume", {
            type: "block",
            source: disk.path,
            format: "ext4",
            target: places.disk,
            requiredByDocker: true,
        });
        await Promise.all([remote.up(), volume.up()]);
        const files =
            "usr/bin/sleep usr/bin/sh usr/bin/dd usr/bin/tail lib64/ld-linux-x86-64.so.2 $(cd / && ls lib/x86_64-linux-gnu/libc.so.6 lib/x86_64-linux-gnu/libcrypto.so.3 lib/x86_64-linux-gnu/libz.so.1 lib/x86_64-linux-gnu/libzstd.so.1 2>/dev/null)";
        await at.shell.run(`mkdir -p /opt/run && tar -C / -chf - ${files} | docker import - shell`);
        await at.shell.run(`cat >/opt/run/writer <<'END'\n${writer}\nEND`);
        for (const [name, place] of Object.entries(places)) {
            await at.shell.run(
                `mkdir -p /opt/ack-${name}; docker run -d --name ${name} --restart always --stop-signal KILL -v ${place}:/d -v /opt/ack-${name}:/ack -v /opt/run:/run shell /usr/bin/sh /run/writer`,
            );
        }
    }, 300_000);

    afterAll(async () => {
        serverShell?.close();
        await at?.close();
    });

    const count = async (name: string) => Number((await at.shell.ask(`tail -n 1 /opt/ack-${name}/log`)) || 0);
    /** A container goes on writing. */
    const goesOn = async (name: string) => {
        const before = await count(name);
        await until(async () => {
            const now = await count(name);
            if (now < before + 5) throw new Error(`${name}: ${before} records acknowledged before, and now ${now}`);
        });
    };
    /** Numbers of records that were acknowledged and are not there. */
    const lost = async (name: string, shell: Shell, directory: string) => {
        const acknowledged = (await at.shell.run(`cat /opt/ack-${name}/log`)).split("\n");
        const there = (await shell.run(`cd ${directory} && cat [0-9]*`)).split("\n");
        const records = new Set(there);
        expect(acknowledged.length).toBeGreaterThan(10);
        return acknowledged.filter((n) => !records.has(`record ${n}`));
    };
    /** What lies on the root disk below the mount points. */
    const below = () =>
        at.shell.run(
            `unshare -m sh -c 'mount --bind / /mnt && find /mnt${places.remote} /mnt${places.disk} -mindepth 1'`,
        );

    it("writes", async () => {
        await Promise.all([goesOn("remote"), goesOn("disk")]);
        expect(await below()).toBe("");
    });

    it("loses nothing while the server is cut, and goes on when it is back", async () => {
        await server.cut();
        await goesOn("disk");
        const stopped = await count("remote");
        await goesOn("disk");
        expect(await count("remote")).toBe(stopped);
        await server.heal();
        await goesOn("remote");
        expect(await lost("remote", serverShell, "/srv/export")).toEqual([]);
        expect(await below()).toBe("");
    });

    it("loses nothing when Docker is restarted", async () => {
        await at.shell.run(restart);
        await Promise.all([goesOn("remote"), goesOn("disk")]);
        expect(await lost("remote", serverShell, "/srv/export")).toEqual([]);
        expect(await lost("disk", at.shell, places.disk)).toEqual([]);
        expect(await below()).toBe("");
    });

    it("loses nothing when the power is cut, and never writes below the mount point", async () => {
        await at.reboot();
        // The lab has no udev that would bring the disk; then Docker has waited.
        await disk.remove(at.shell);
        disk = await Disk.add(at.shell, "records");
        expect(await below()).toBe("");
        await volume.drift();
        await volume.up({ source: disk.path });
        await Promise.all([goesOn("remote"), goesOn("disk")]);
        expect(await lost("remote", serverShell, "/srv/export")).toEqual([]);
        expect(await lost("disk", at.shell, places.disk)).toEqual([]);
        expect(await below()).toBe("");
    });

    it("loses nothing when Docker is restarted while the server is away", async () => {
        const stopped = await count("remote");
        await server.cut();
        await until(() => at.shell.run(`! timeout 2 ls ${places.remote}`));
        // Docker stays down, or starts without the container: systemd asks the silent mount whether it is one.
        await at.shell.run(`! timeout 30 ls ${places.remote}`);
        await at.shell.ask(`timeout 90 sh -c '${restart}'`);
        expect(await below()).toBe("");
        await server.heal();
        await until(() => at.shell.run(`timeout 5 ls ${places.remote}`));
        const word = (await remote.drift()).mount?.[0];
        expect([undefined, "Docker is down"]).toContain(word);
        if (word !== undefined) await remote.up();
        expect(await remote.drift()).toEqual({});
        await at.shell.run("docker start remote disk");
        await Promise.all([goesOn("remote"), goesOn("disk")]);
        expect(await count("remote")).toBeGreaterThan(stopped);
        expect(await lost("remote", serverShell, "/srv/export")).toEqual([]);
        expect(await below()).toBe("");
    });

    it("does not write below the mount point after a boot without the server", async () => {
        await server.cut();
        await at.reboot();
        await disk.remove(at.shell);
        disk = await Disk.add(at.shell, "records");
        await volume.drift();
        const words: string[] = [];
        jest.spyOn(console, "warn").mockImplementation((line) => void words.push(line));
        await volume.up({ source: disk.path });
        jest.restoreAllMocks();
        // It waits for the other one.
        expect(words).toEqual([expect.stringMatching(/Docker does not start all the same/)]);
        await expect(at.shell.run("docker version")).rejects.toThrow(/Is the docker daemon running/);
        expect(await below()).toBe("");
        await server.heal();
        expect((await remote.drift()).mount?.[0]).toBe("not mounted");
        await remote.up();
        await Promise.all([goesOn("remote"), goesOn("disk")]);
        expect(await lost("remote", serverShell, "/srv/export")).toEqual([]);
        expect(await below()).toBe("");
    });

    it("does not slow down what has nothing to do with a server that is gone for good", async () => {
        await server.off();
        const started = Date.now();
        const [gone, other] = await Promise.all([
            remote.drift().then(({ mount }) => ({ mount, took: Date.now() - started })),
            volume.drift().then((found) => ({ found, took: Date.now() - started })),
        ]);
        expect(gone.mount?.[0]).toBe("does not answer");
        expect(gone.took).toBeLessThan(30_000);
        expect(other.found).toEqual({});
        expect(other.took).toBeLessThan(15_000);
        await expect(remote.up()).rejects.toThrow(/MOUNT_SERVER_SILENT/);
    });

    it("can be deleted although its server is gone for good, and calls still wait for that", async () => {
        const words: string[] = [];
        jest.spyOn(console, "warn").mockImplementation((line) => void words.push(line));
        await at.shell.run(`(stat ${places.remote}/1 >/dev/null 2>&1 &) ; true`);
        await remote.destroy();
        jest.restoreAllMocks();
        expect(words).toEqual([expect.stringMatching(/go on using what was mounted: remote\./)]);
        expect(await at.shell.ask(`grep ${places.remote} /proc/self/mountinfo; ls -d ${places.remote}`)).toBe("");
        await goesOn("disk");
    });
});
