import { Lab, type LabHost, releases } from "../../lab";
import { closeAllConnections } from "../../src/ssh";
import { Daemon } from "../support/daemon";
import { login } from "../support/docker-host";
import { describeLab } from "../support/levels";
import { Disk, giveKey, MountResource } from "../support/mount";
import { Shell } from "../support/shell";

describeLab.each(releases)("a Mount on %s", (release) => {
    let lab: Lab;
    let host: LabHost;
    let server: LabHost;
    let shell: Shell;
    let serverShell: Shell;
    const resource = (name: string, args: object) => new MountResource(name, { connection: login(lab, host), ...args });
    const top = (target: string) => shell.ask(`findmnt -no FSTYPE,SOURCE --mountpoint '${target}' | tail -n 1`);
    const traces = () =>
        shell.ask(
            "ls -d /var/lib/pulumi-docker-fleet /etc/systemd/system/srv-* /etc/systemd/system/*/srv-* /etc/systemd/system/docker.service.d 2>/dev/null",
        );

    beforeAll(async () => {
        lab = await Lab.open();
        [host, server] = await Promise.all([
            lab.up(lab.uniqueName(release), { release, layer: "docker" }),
            lab.up(lab.uniqueName(`${release}s`), { release }),
        ]);
        shell = await Shell.open(lab, host);
        serverShell = await Shell.open(lab, server);
        await giveKey(shell, lab.privateKey, server);
        await serverShell.run("mkdir -p /srv/export; echo hello >/srv/export/file");
    });

    afterAll(async () => {
        shell?.close();
        serverShell?.close();
        await closeAllConnections();
        await lab?.close();
    });

    describe("of memory", () => {
        let memory: MountResource;
        beforeAll(() => {
            memory = resource("memory", { type: "tmpfs", target: "/srv/a b/%m-ä" });
        });

        it("is mounted, with owner and mode, by a unit that is enabled", async () => {
            await memory.up({ options: ["size=8m"], owner: "daemon:1", mode: "0750" });
            expect(await top("/srv/a b/%m-ä")).toMatch(/^tmpfs +tmpfs$/);
            expect(await shell.run("stat -c '%U %G %a' '/srv/a b/%m-ä'; df -m --output=size '/srv/a b/%m-ä'")).toMatch(
                /^daemon daemon 750\n[\s\S]* 8$/,
            );
            const unit = await shell.run("systemd-escape -p --suffix=mount '/srv/a b/%m-ä'");
            expect(memory.outputs.unit).toBe(unit);
            expect(await shell.run(`systemctl is-enabled '${unit}'`)).toBe("enabled");
            expect(await memory.drift()).toEqual({});
            expect(await memory.up()).toBe("same");
        });

        it("is found with other owner and mode, and put right without being unmounted", async () => {
            await shell.run("cd '/srv/a b/%m-ä' && touch kept && chown root:root . && chmod 0777 .");
            expect(await memory.drift()).toEqual({ owner: ["root:root", "daemon:1"], mode: ["0777", "0750"] });
            await memory.up();
            expect(await shell.run("stat -c '%U %G %a' '/srv/a b/%m-ä'; ls '/srv/a b/%m-ä'")).toBe(
                "daemon daemon 750\nkept",
            );
        });

        it("goes, with the directories that were made for it", async () => {
            await memory.destroy();
            expect(await shell.run("ls -A /srv")).toBe("");
            expect(await traces()).toBe("");
            await memory.destroy();
        });
    });

    describe("of a directory", () => {
        let data: MountResource;
        const word = async () => (await data.drift()).mount?.[0];
        beforeAll(async () => {
            await shell.run("mkdir -p /opt/data/below /srv/kept; echo one >/opt/data/file");
            data = resource("data", { type: "bind", source: "/opt/data", target: "/srv/kept" });
        });

        it("is mounted read-only where that is asked for", async () => {
            await data.up({ options: ["ro"] });
            expect(await shell.run("cat /srv/kept/file")).toBe("one");
            await expect(shell.run("touch /srv/kept/new")).rejects.toThrow(/Read-only/);
            expect(await data.drift()).toEqual({});
        });

        it("can be written to after an update", async () => {
            expect(await data.up({ options: [] })).toBe("update");
            await shell.run("touch /srv/kept/new && ls /opt/data/new");
        });

        it.each<[string, string, string]>([
            ["unmounted", "systemctl stop srv-kept.mount", "not mounted"],
            ["disabled", "systemctl disable srv-kept.mount", "not enabled"],
            ["edited", "sed -i s/Type=none/Type=auto/ /etc/systemd/system/srv-kept.mount", "unit changed"],
            ["masked", "ln -sf /dev/null /etc/systemd/system/srv-kept.mount; systemctl daemon-reload", "unit changed"],
            ["hidden by another mount", "mount -t tmpfs other /srv/kept", "mounted 2 times over each other"],
            ["replaced", "umount /srv/kept; mount --bind /opt /srv/kept", "mounted from elsewhere: "],
            ["made read-only", "mount -o remount,bind,ro /srv/kept", "mounted with ro"],
        ])("is found %s, and repaired by the next up", async (_, command, expected) => {
            await shell.run(command);
            expect(await word()).toContain(expected);
            await data.up();
            expect(await data.drift()).toEqual({});
            expect(await shell.run("cat /srv/kept/file; touch /srv/kept/new")).toBe("one");
            expect(
                await shell.run("findmnt -no TARGET | grep -c /srv/kept$; systemctl is-enabled srv-kept.mount"),
            ).toBe("1\nenabled");
        });

        it("names what keeps it busy, and leaves it as it is", async () => {
            await shell.run("cd /srv/kept && (setsid sleep 1000 >/dev/null 2>&1 </dev/null & echo $! >/run/sleeper)");
            const failing = data.up({ options: ["noexec"] });
            await expect(failing).rejects.toThrow(/\[MOUNT_BUSY\].*process \d+ \(sleep\)/);
            expect(await shell.run("cat /srv/kept/file; systemctl is-active srv-kept.mount")).toBe("one\nactive");
            await expect(data.destroy()).rejects.toThrow(/MOUNT_BUSY/);
            await shell.run("kill $(cat /run/sleeper)");
            await data.up({ options: [] });
            expect(await data.drift()).toEqual({});
        });

        it("stays as it was when the new source cannot be mounted", async () => {
            await expect(data.up({ source: "/opt/missing" })).rejects.toThrow(
                /\[MOUNT_SOURCE_MISSING\].*\/opt\/missing/,
            );
            await expect(data.up({ type: "tmpfs", source: undefined, options: ["size=nonsense"] })).rejects.toThrow(
                /\[MOUNT_FAILED\][\s\S]*everything is as it was before[\s\S]*(?:size|wrong fs type)/,
            );
            expect(await shell.run("cat /srv/kept/file")).toBe("one");
            await data.up({ type: "bind", source: "/opt/data", options: [] });
            expect(await data.drift()).toEqual({});
        });

        it("is mounted again after a reboot", async () => {
            shell.close();
            await host.off();
            host = await lab.up(host.name);
            shell = await Shell.open(lab, host);
            expect(await shell.run("cat /srv/kept/file")).toBe("one");
            expect(await data.drift()).toEqual({});
        });

        it("goes, and leaves a mount point that was there before", async () => {
            await data.destroy();
            expect(await shell.run("ls -A /srv; cat /opt/data/file")).toBe("kept\none");
            expect(await traces()).toBe("");
        });
    });

    describe("that must not be", () => {
        it.each<[string, string, object, RegExp]>([
            [
                "a directory with files",
                "mkdir -p /srv/full; touch /srv/full/x",
                { target: "/srv/full" },
                /TARGET_UNUSABLE.*not empty/,
            ],
            ["a file", "rm -rf /srv/full; touch /srv/full", { target: "/srv/full" }, /TARGET_UNUSABLE.*no directory/],
            [
                "a link",
                "mkdir -p /srv/real; ln -sfn /srv/real /srv/link",
                { target: "/srv/link" },
                /TARGET_UNUSABLE.*\/srv\/real/,
            ],
            [
                "what others mount",
                "mkdir -p /srv/other; mount -t tmpfs o /srv/other",
                { target: "/srv/other" },
                /CONFLICT.*tmpfs o/,
            ],
            [
                "an entry of fstab",
                "echo 'x /srv/a\\040b tmpfs noauto' >>/etc/fstab",
                { target: "/srv/a b" },
                /CONFLICT.*fstab/,
            ],
        ])("is refused at %s", async (_, prepare, args, words) => {
            await shell.run(prepare);
            const before = await shell.ask("ls -AR /srv; grep /srv /proc/self/mountinfo");
            await expect(resource("wrong", { type: "tmpfs", ...args }).up()).rejects.toThrow(words);
            expect(await shell.ask("ls -AR /srv; grep /srv /proc/self/mountinfo")).toBe(before);
            expect(await traces()).toBe("");
        });

        afterAll(() => shell.ask("umount /srv/other; rm -rf /srv/*; sed -i '/^x /d' /etc/fstab"));
    });

    describe("of a disk", () => {
        let volume: MountResource;
        let disk: Disk;
        const type = "block";
        const target = "/srv/disk";
        const owner = "1000:1000";
        beforeAll(async () => {
            disk = await Disk.add(shell, "disk");
            volume = resource("volume", { type, source: disk.path, target, owner });
        });

        afterAll(async () => {
            // Loop devices are the kernel's, and would outlive the host.
            await shell.ask("umount /srv/disk");
            await disk?.remove(shell);
        });

        it("is never formatted over anything", async () => {
            const args = { format: "ext4" };
            await shell.run(`printf x | dd of=${disk.path} bs=1 seek=70000 conv=notrunc status=none`);
            await expect(volume.up(args)).rejects.toThrow(/FORMAT_REFUSED.*no known signature/);
            await shell.run(
                `dd if=/dev/zero of=${disk.path} bs=1M count=1 conv=notrunc status=none; mkswap ${disk.path}`,
            );
            await expect(volume.up(args)).rejects.toThrow(/FORMAT_REFUSED.*swap/);
            expect(await shell.run(`blkid -p -o value -s TYPE ${disk.path}`)).toBe("swap");
            await shell.run(
                `wipefs -a ${disk.path}; dd if=/dev/zero of=${disk.path} bs=1M count=1 conv=notrunc status=none`,
            );
            expect(await traces()).toBe("");
        });

        it("is formatted when it is empty, and only then", async () => {
            await volume.up({ format: "ext4" });
            expect(await top(target)).toMatch(new RegExp(`^ext4 +${disk.path}$`));
            await shell.run(`echo kept >${target}/file`);
            await shell.run("systemctl stop srv-disk.mount");
            expect((await volume.drift()).mount).toEqual(["not mounted", "mounted"]);
            await volume.up();
            expect(await shell.run(`cat ${target}/file; stat -c %u:%g ${target}`)).toBe("kept\n1000:1000");
        });

        it("can be named by UUID, and keeps Docker from starting without it, but not from running", async () => {
            const uuid = await disk.link(shell);
            await volume.up({ source: `UUID=${uuid}`, format: undefined, requiredByDocker: true });
            expect(await volume.drift()).toEqual({});
            const docker = () => shell.ask("systemctl is-active docker.service");
            const pid = await shell.run("systemctl restart docker.service && systemctl show -p MainPID docker.service");
            await shell.run("systemctl restart srv-disk.mount && systemctl stop srv-disk.mount");
            expect(await docker()).toBe("active");
            expect(await shell.run("systemctl show -p MainPID docker.service")).toBe(pid);
            await shell.run("systemctl stop docker.socket docker.service; systemctl start docker.service");
            expect(await top(target)).toContain(disk.path);
            // The disk is out.
            await shell.run(`systemctl stop docker.socket docker.service srv-disk.mount; rm /dev/disk/by-uuid/${uuid}`);
            await expect(shell.run("systemctl start docker.service")).rejects.toThrow(/[Aa]ssert/);
            expect(await docker()).toBe("inactive");
            await expect(volume.drift().then(() => volume.up())).rejects.toThrow(/\[MOUNT_SOURCE_MISSING\].*by-uuid/);
        });

        it("keeps Docker down after a boot without it; Docker comes with the disk", async () => {
            shell.close();
            await host.off();
            host = await lab.up(host.name);
            shell = await Shell.open(lab, host);
            // The boot is over.
            await until(() => shell.run("! systemctl is-system-running | grep -E 'initializing|starting'"));
            expect(await shell.ask("systemctl is-active docker.service")).toBe("inactive");
            await disk.remove(shell);
            disk = await Disk.add(shell, "disk");
            await disk.link(shell);
            await volume.drift();
            expect(volume.inputs.mount).toBe("not mounted");
            await volume.up();
            expect(await shell.run(`systemctl is-active docker.service; cat ${target}/file`)).toBe("active\nkept");
        });

        it("names containers that see the empty directory, as they were started before", async () => {
            const daemon = new Daemon(shell);
            const words: string[] = [];
            jest.spyOn(console, "warn").mockImplementation((line) => void words.push(line));
            await daemon.run({ other: "no" });
            const run = (name: string) =>
                shell.run(
                    `docker run -d --name ${name} --stop-signal KILL -v ${target}:/d tiny /usr/bin/sleep 1000000`,
                );
            await run("right");
            await shell.run("systemctl stop srv-disk.mount");
            await run("wrong");
            await volume.drift();
            await volume.up();
            jest.restoreAllMocks();
            expect(words).toEqual([expect.stringMatching(/still see what was there then: wrong\. Restart them/)]);
            await shell.run("docker rm -f other right wrong");
        });

        it("goes, and leaves Docker and what is on the disk alone", async () => {
            await volume.destroy();
            expect(await traces()).toBe("");
            expect(await shell.run("systemctl is-active docker.service")).toBe("active");
        });
    });

    describe("of another machine, by sshfs", () => {
        let remote: MountResource;
        beforeAll(() => {
            remote = resource("remote", {
                type: "sshfs",
                source: `root@${server.address}:/srv/export`,
                target: "/srv/remote",
                options: ["ServerAliveInterval=2", "ServerAliveCountMax=2", "ConnectTimeout=3"],
            });
        });
        const word = async () => (await remote.drift()).mount?.[0];

        it("brings its client, and mounts", async () => {
            await remote.up();
            expect(await shell.run("cat /srv/remote/file")).toBe("hello");
            await shell.run("echo back >/srv/remote/new");
            expect(await serverShell.run("cat /srv/export/new")).toBe("back");
            expect(await remote.drift()).toEqual({});
        });

        it("is looked at in time while the server is cut, and goes on when it is back", async () => {
            await server.cut();
            const started = Date.now();
            expect(await word()).toBe("does not answer");
            expect(Date.now() - started).toBeLessThan(30_000);
            await server.heal();
            await until(() => shell.run("cat /srv/remote/file"));
            await remote.drift();
            expect(remote.inputs.mount).toBe("mounted");
        });

        it("is repaired when its process was killed", async () => {
            await shell.run("kill -9 $(pgrep -x 'sshfs|mount.fuse.sshf')");
            expect(await word()).toMatch(/^dead: .*not connected/);
            await remote.up();
            expect(await shell.run("cat /srv/remote/file")).toBe("hello");
        });

        it("is mounted on first use where that is asked for", async () => {
            await remote.up({ automount: true });
            expect(remote.outputs.unit).toBe("srv-remote.automount");
            expect(await remote.drift()).toEqual({});
            await shell.run("umount /srv/remote");
            expect(await remote.drift()).toEqual({});
            expect(await shell.run("cat /srv/remote/file")).toBe("hello");
            await remote.up({ automount: false });
            expect(await shell.ask("systemctl is-active srv-remote.automount")).toBe("inactive");
            expect(await remote.drift()).toEqual({});
        });

        it("says why it cannot be mounted, and leaves nothing behind", async () => {
            await remote.destroy();
            const source = `root@${server.address}:/srv/missing`;
            await expect(resource("wrong", { type: "sshfs", target: "/srv/remote", source }).up()).rejects.toThrow(
                /\[MOUNT_FAILED\][\s\S]*No such file/,
            );
            expect(await traces()).toBe("");
            expect(await shell.ask("ls -d /srv/remote 2>/dev/null")).toBe("");
        });
    });

    it.each<[string, object, RegExp]>([
        ["nfs4", { source: "192.0.2.1:/export" }, /MOUNT_FAILED/],
        [
            "cifs",
            { source: "//192.0.2.1/share", credentials: { username: "u", password: "s3cr3t-word" } },
            /MOUNT_FAILED/,
        ],
    ])("of type %s gets its client, and tells the kernel's words", async (type, args, words) => {
        const error = await resource(type, { type, target: `/srv/${type}`, ...args })
            .up()
            .catch(({ message }: Error) => message);
        expect(error).toMatch(words);
        expect(error).not.toContain("s3cr3t-word");
        expect(await traces()).toBe("");
        expect(await shell.ask("grep -rl s3cr3t-word /var/lib/pulumi-docker-fleet /etc/systemd /var/log")).toBe("");
    });
});

async function until(work: () => Promise<unknown>): Promise<void> {
    for (let i = 0; ; i++) {
        try {
            await work();
            return;
        } catch (error) {
            if (i > 60) throw error;
            await new Promise((resolve) => setTimeout(resolve, 1_000));
        }
    }
}
