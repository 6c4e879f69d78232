import { readFileSync } from "node:fs";
import { join } from "node:path";
import { login } from "../support/docker-host";
import { describeLab } from "../support/levels";
import { Disk, MountMachine, type MountResource, until } from "../support/mount";
import { Shell } from "../support/shell";

/** FLEET_RELEASES=all: with Debian's own tools, too. */
const tools = process.env.FLEET_RELEASES === "all" ? ["BusyBox", "Debian's tools"] : ["BusyBox"];

describeLab.each(tools)("a Mount on a machine with OpenRC and %s", (kind) => {
    let at: MountMachine;
    /** As somebody has left it: without a line feed at its end. */
    const original = "# mine\n\nproc\t/proc  proc defaults 0 0 \nnone /mnt/a\\040b tmpfs noauto,size=1m";
    const fstab = () => at.host.exec("cat /etc/fstab").then(({ stdout }) => stdout);
    const docker = () => at.shell.ask("rc-service docker status");
    /** What Mounts have left outside of their mount points. */
    const traces = () =>
        at.shell.ask(
            "ls -d /var/lib/pulumi-docker-fleet /etc/rc.conf.d /run/pulumi-docker-fleet /etc/fstab?* /etc/runlevels/*/netmount",
        );
    const dockerAnswers = () => until(() => at.shell.run("docker version"));
    const word = async (resource: MountResource) => (await resource.drift()).mount?.[0];

    beforeAll(async () => {
        at = await MountMachine.open("trixie", "openrc");
        await at.host.exec("cat >/etc/fstab", { input: original });
        if (kind === "BusyBox") {
            await at.host.exec("sh", { input: readFileSync(join(__dirname, "../support/busybox.sh"), "utf8") });
            expect(await at.shell.run("for tool in sh mount awk; do readlink -f $(command -v $tool); done")).toBe(
                "/usr/bin/busybox\n".repeat(3).trim(),
            );
        }
    });

    afterAll(() => at?.close());

    it("is not made where OpenRC cannot do it, or others have a mount there, and nothing changes", async () => {
        const mistakes: [object, RegExp][] = [
            [{ target: "/srv/x", automount: true }, /\[UNSUPPORTED_MACHINE\].*automount: OpenRC has no/],
            [{ target: "/mnt/a b" }, /\[MOUNT_CONFLICT\].*\/etc\/fstab mounts something at \/mnt\/a b/],
            [{ target: "/srv/x", type: "bind", source: "/opt/none" }, /\[MOUNT_SOURCE_MISSING\]/],
            [{ target: "/srv/x", options: ["size=nonsense"] }, /\[MOUNT_FAILED\].*everything is as it was before/],
        ];
        for (const [args, words] of mistakes) {
            await expect(at.resource("wrong", { type: "tmpfs", ...args }).up()).rejects.toThrow(words);
        }
        expect(await fstab()).toBe(original);
        expect(await at.shell.run("ls -A /srv")).toBe("");
        expect(await traces()).toBe("");
    });

    it("of a directory is read-only if that is asked for, or refused", async () => {
        await at.shell.run("mkdir -p /opt/only; touch /opt/only/file");
        const only = at.resource("only", { type: "bind", source: "/opt/only", target: "/srv/only", options: ["ro"] });
        if (kind === "BusyBox") {
            // Its mount would make it writable.
            await expect(only.up()).rejects.toThrow(/\[UNSUPPORTED_MACHINE\].*BusyBox.*bind,ro/);
            expect(await at.shell.run("ls -A /srv")).toBe("");
        } else {
            await only.up();
            await expect(at.shell.run("ls /srv/only/file; touch /srv/only/new")).rejects.toThrow(/Read-only/);
            await only.up({ options: [] });
            await at.shell.run("touch /srv/only/new");
            await only.destroy();
        }
        expect(await fstab()).toBe(original);
        expect(await traces()).toBe("");
    });

    describe("of memory", () => {
        const target = "/srv/a b/%m-ä";
        const line = "tmpfs /srv/a\\040b/%m-ä tmpfs nosuid,nodev,size=8m 0 0";
        let memory: MountResource;
        beforeAll(() => {
            memory = at.resource("memory", { type: "tmpfs", target, options: ["size=8m"] });
        });

        it("is one line of /etc/fstab, and mounted", async () => {
            await memory.up({ owner: "daemon:1", mode: "0750", guard: true });
            expect(await at.top(target)).toMatch(/^tmpfs +tmpfs$/);
            expect(await at.shell.run(`stat -c '%U %G %a' '${target}'; findmnt -no OPTIONS '${target}'`)).toMatch(
                /^daemon daemon 750\n.*size=8192k/,
            );
            expect(await fstab()).toBe(`${original}\n${line}`);
            expect(await at.shell.run(`findmnt --fstab -no OPTIONS '${target}'`)).toBe("nosuid,nodev,size=8m");
            expect(memory.outputs.unit).toBeUndefined();
            expect(memory.id).toMatch(/^[0-9a-f]{32}:/);
            expect(await memory.drift()).toEqual({});
            expect(await memory.up()).toBe("same");
        });

        it("gets other options in place, and its line with them", async () => {
            await at.shell.run(`touch '${target}/kept'`);
            await memory.up({ options: ["size=9m", "noexec"] });
            expect(await at.shell.run(`ls '${target}'; findmnt -no OPTIONS '${target}'`)).toMatch(
                /^kept\n.*noexec.*size=9216k/,
            );
            expect(await fstab()).toBe(`${original}\n${line.replace("size=8m", "size=9m,noexec")}`);
            await memory.up({ options: ["size=8m"] });
            expect(await at.shell.run(`ls '${target}'; findmnt -no OPTIONS '${target}'`)).toMatch(
                /^kept\n.*size=8192k/,
            );
        });

        it.each<[string, string, string]>([
            ["unmounted", `umount '${target}'`, "not mounted"],
            ["without its line", "sed -i '/%m-/d' /etc/fstab", "not in /etc/fstab"],
            ["with another line", "sed -i '/%m-/s/8m/7m/' /etc/fstab", "line of /etc/fstab changed"],
            ["hidden by another mount", `mount -t tmpfs other '${target}'`, "mounted 2 times over each other"],
            ["read-only", `mount -o remount,ro,nosuid,nodev none '${target}'`, "mounted with ro"],
            ["without its guard", `umount '${target}'; chattr -i '${target}'; mount '${target}'`, "not guarded"],
        ])("is found %s, and repaired by the next up", async (_, command, expected) => {
            await at.shell.run(command);
            expect(await word(memory)).toBe(expected);
            await memory.up();
            expect(await memory.drift()).toEqual({});
            expect((await fstab()).split("\n").filter((each) => each.includes("%m-"))).toEqual([line]);
            expect(await at.shell.run(`findmnt -no TARGET | grep -c '/%m-'; touch '${target}/x'`)).toBe("1");
        });

        it("is not touched when its mount point has more lines than one", async () => {
            const before = `${original}\n${line}\nother /srv/a\\040b/%m-ä/ tmpfs noauto\n`;
            await at.host.exec("cat >/etc/fstab", { input: before });
            expect(await word(memory)).toBe("line of /etc/fstab changed");
            await expect(memory.up()).rejects.toThrow(/\[MOUNT_CONFLICT\].*several lines for/);
            expect(await fstab()).toBe(before);
            await at.host.exec("cat >/etc/fstab", { input: `${original}\n${line}` });
            expect(await word(memory)).toBe("mounted");
        });

        it("is mounted again after a reboot", async () => {
            await at.reboot();
            expect(await at.top(target)).toMatch(/^tmpfs +tmpfs$/);
            await memory.drift();
            await memory.up();
            expect(await memory.drift()).toEqual({});
        });

        it("goes, and every byte of /etc/fstab is as before", async () => {
            await memory.destroy();
            expect(await fstab()).toBe(original);
            expect(await at.shell.run("ls -A /srv")).toBe("");
            expect(await traces()).toBe("");
            await memory.destroy();
        });
    });

    describe("that Docker needs", () => {
        let data: MountResource;
        const target = "/srv/it's";
        const name = `"${target}"`;
        beforeAll(async () => {
            await at.shell.run("mkdir -p /opt/data/below; echo one >/opt/data/file; rc-service docker status");
            data = at.resource("data", { type: "bind", source: "/opt/data", target, requiredByDocker: true });
        });

        it("leaves a running Docker alone when it comes, and when it goes", async () => {
            const processes = await at.shell.run("pgrep -x dockerd");
            await data.up();
            await at.shell.run(`umount ${name}`);
            await dockerAnswers();
            await data.drift();
            await data.up();
            expect(await at.shell.run(`pgrep -x dockerd; cat ${name}/file`)).toBe(`${processes}\none`);
        });

        it("keeps Docker from starting on the empty directory, and starts it when it is back", async () => {
            await at.shell.run(`rc-service docker stop; umount ${name}`);
            await expect(at.shell.run("rc-service docker start")).rejects.toThrow(
                /nothing is mounted at \/srv\/it's[\s\S]*failed to start/,
            );
            // Other services, and telling how Docker is, go on.
            expect(await docker()).toContain("status: stopped");
            await at.shell.run("rc-service lab-net restart");
            expect(await word(data)).toBe("not mounted");
            await data.up();
            await dockerAnswers();
            expect(await data.drift()).toEqual({});
        });

        it("is found when Docker was refused and it is back by itself; who stops Docker means it", async () => {
            await at.shell.run(`rc-service docker stop; umount ${name}; rc-service docker start || mount ${name}`);
            expect(await word(data)).toBe("Docker is down");
            await data.up();
            await dockerAnswers();
            await at.shell.run("rc-service docker stop");
            expect(await data.drift()).toEqual({});
            await at.shell.run("rc-service docker start");
        });

        it("names who keeps it busy, and stays as it is", async () => {
            await at.shell.run(`cd ${name} && (setsid sleep 1000 >/dev/null 2>&1 </dev/null & echo $! >/run/sleeper)`);
            const before = await fstab();
            await expect(data.up({ source: "/opt/data/below" })).rejects.toThrow(
                /\[MOUNT_BUSY\].*process \d+ \(sleep\)/,
            );
            await expect(data.destroy()).rejects.toThrow(/MOUNT_BUSY/);
            expect(await fstab()).toBe(before);
            await at.shell.run(`cat ${name}/file; kill $(cat /run/sleeper)`);
            await data.up({ source: "/opt/data" });
        });

        it("keeps Docker down after a boot without it; Docker comes with the mount", async () => {
            await at.shell.run("mv /opt/data /opt/aside");
            await at.reboot();
            expect(await docker()).toContain("status: stopped");
            expect(await at.shell.run(`ls -A ${name}`)).toBe("");
            await at.shell.run("mv /opt/aside /opt/data");
            await data.drift();
            await data.up();
            await dockerAnswers();
            expect(await at.shell.run(`cat ${name}/file`)).toBe("one");
        });

        it("comes before Docker at boot", async () => {
            await at.reboot();
            await dockerAnswers();
            expect(await at.shell.run(`cat ${name}/file`)).toBe("one");
            expect(await data.drift()).toEqual({});
        });

        it("goes, and leaves Docker alone", async () => {
            await data.destroy();
            expect(await fstab()).toBe(original);
            await dockerAnswers();
            await at.shell.run("rc-service docker restart");
            await dockerAnswers();
            expect(await traces()).toBe("");
        });
    });

    it("of an empty disk, which is formatted, and found by its UUID without udev", async () => {
        const disk = await Disk.add(at.shell, "disk");
        const volume = at.resource("disk", { type: "block", source: disk.path, format: "ext4", target: "/srv/disk" });
        await volume.up();
        await at.shell.run("echo kept >/srv/disk/file; ! ls /dev/disk");
        await at.shell.run("umount /srv/disk");
        await volume.drift();
        await volume.up();
        const uuid = await at.shell.run(`blkid ${disk.path} | sed 's/.* UUID="\\([^"]*\\)".*/\\1/'`);
        expect(await volume.up({ source: `UUID=${uuid}`, format: undefined, fsType: "ext4" })).toBe("update");
        expect(await at.shell.run("cat /srv/disk/file")).toBe("kept");
        expect(await volume.drift()).toEqual({});
        expect(await fstab()).toBe(`${original}\nUUID=${uuid} /srv/disk ext4 nofail 0 0`);
        await volume.destroy();
        await disk.remove(at.shell);
        expect(await fstab()).toBe(original);
    });

    describe("of another machine of ours", () => {
        let server: Awaited<ReturnType<typeof at.lab.up>>;
        let serverShell: Shell;
        let data: MountResource;
        beforeAll(async () => {
            server = await at.lab.up(at.lab.uniqueName("serve"), { release: "trixie" });
            serverShell = await Shell.open(at.lab, server);
            await serverShell.run("install -d -o ops -g ops /home/ops/data; echo one >/home/ops/data/file");
            data = at.resource("remote", {
                type: "sshfs",
                source: { host: login(at.lab, server, "ops"), path: "/home/ops/data" },
                target: "/srv/remote",
                options: ["ServerAliveInterval=2", "ServerAliveCountMax=2", "ConnectTimeout=3"],
                requiredByDocker: true,
            });
        });
        afterAll(() => serverShell?.close());

        it("is mounted, by netmount at boot, which is put into the runlevel", async () => {
            await data.up();
            expect(await at.shell.run("cat /srv/remote/file; ls -d /etc/runlevels/*/netmount")).toBe(
                "one\n/etc/runlevels/default/netmount",
            );
            // Alpine saves this when it is shut down, and takes it for current at the next boot.
            expect(await at.shell.run(`grep -A 12 "_service='docker'" /run/openrc/deptree`)).toMatch(
                /_iafter_\d='netmount'/,
            );
            expect(await data.drift()).toEqual({});
            await at.reboot();
            await dockerAnswers();
            expect(await at.shell.run("cat /srv/remote/file")).toBe("one");
            expect(await data.drift()).toEqual({});
        });

        it("is found when netmount is in no runlevel any more", async () => {
            await at.shell.run("rc-update del netmount default");
            expect(await word(data)).toBe("not enabled");
            await data.up();
            expect(await data.drift()).toEqual({});
        });

        it("gets its flags back in place, without the options that only sshfs knows", async () => {
            const sshfs = "pgrep -f '^[^ ]*mount.fuse.sshfs '";
            const before = await at.shell.run(sshfs);
            await at.shell.run("mount -i -o remount,bind,ro none /srv/remote");
            expect(await word(data)).toBe("mounted with ro");
            await data.up();
            expect(await at.shell.run(`touch /srv/remote/new; ${sshfs}`)).toBe(before);
            expect(await data.drift()).toEqual({});
        });

        it("is waited for while it is cut, and repaired when sshfs is dead", async () => {
            await server.cut();
            expect(await word(data)).toBe("does not answer");
            await server.heal();
            await until(() => at.shell.run("cat /srv/remote/file"));
            expect(await word(data)).toBe("mounted");
            await at.shell.run("pkill -9 -f '^[^ ]*mount.fuse.sshfs '");
            expect(await word(data)).toMatch(/^dead: /);
            await data.up();
            expect(await at.shell.run("cat /srv/remote/file")).toBe("one");
        });

        it("goes, with its key and netmount", async () => {
            await data.destroy();
            expect(await fstab()).toBe(original);
            expect(await traces()).toBe("");
            expect(await serverShell.ask("grep -c internal-sftp /home/ops/.ssh/authorized_keys")).toBe("0");
        });
    });
});
