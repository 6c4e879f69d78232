import { Daemon } from "../support/daemon";
import { describeLab, suiteReleases } from "../support/levels";
import { Disk, MountMachine, type MountResource } from "../support/mount";

describeLab.each(suiteReleases("trixie"))("a Mount in use on %s", (release) => {
    let at: MountMachine;
    let words: string[];

    beforeAll(async () => {
        at = await MountMachine.open(release);
        await new Daemon(at.shell).run({ other: "no" });
        await at.shell.run("docker rm -f other");
    });

    beforeEach(() => {
        words = [];
        jest.spyOn(console, "warn").mockImplementation((line) => void words.push(line));
    });

    afterEach(() => {
        jest.restoreAllMocks();
    });

    afterAll(() => at?.close());

    const line = (target: string) => at.shell.run(`grep ' ${target} ' /proc/self/mountinfo`);
    /** The number of a mount, which is another one when it is mounted anew. */
    const idOf = async (target: string) => (await line(target)).split(" ")[0];
    /** A process that works in a directory and has a file in it open to write, which it writes to again and again. */
    const write = (target: string) =>
        at.shell.run(
            `cd ${target} && (setsid sh -c 'exec 5>>log; while :; do echo $$ >&5 || exit; sleep 0.1; done' >/dev/null 2>&1 </dev/null & echo $! >/run/writer)`,
        );
    const writes = () =>
        at.shell.run("s() { stat -L -c %s /proc/$(cat /run/writer)/fd/5; }; a=$(s); sleep 0.5; [ $(s) -gt $a ]");
    const endWriting = () => at.shell.run("kill $(cat /run/writer)");
    const container = (name: string, volume: string, directory: string) =>
        at.shell.run(
            `docker run -d --name ${name} --stop-signal KILL -v ${volume} -w ${directory} tiny /usr/bin/sleep 1000000`,
        );

    describe("of memory", () => {
        let memory: MountResource;
        const target = "/srv/memory";

        it("gets other options in place, under a process and a container that use it", async () => {
            memory = at.resource("memory", { type: "tmpfs", target });
            await memory.up({ options: ["size=8m", "mode=0755"] });
            await write(target);
            await container("memory", `${target}:/d`, "/d");
            const id = await idOf(target);
            await memory.up({ options: ["size=16m", "noexec", "noatime", "mode=0711"] });
            expect(await idOf(target)).toBe(id);
            expect(await line(target)).toMatch(/ rw,nosuid,nodev,noexec,noatime .* rw,size=16384k/);
            expect(await at.shell.run(`stat -c %a ${target}`)).toBe("711");
            await writes();
            expect(await at.shell.run("docker inspect -f '{{.State.Running}}' memory")).toBe("true");
            expect(words).toEqual([expect.stringMatching(/other options in place.*copy of it: memory\. Restart them/)]);
            expect(await memory.drift()).toEqual({});
            expect(await memory.up()).toBe("same");
        });

        it("gets back what it has by default when an option is taken away", async () => {
            await memory.up({ options: [] });
            expect(await line(target)).toMatch(/ rw,nosuid,nodev,relatime /);
            expect(await line(target)).not.toContain("size=16384k");
            expect(await at.shell.run(`stat -c %a ${target}`)).toBe("1777");
            await writes();
            await at.shell.run("systemctl restart docker.service; docker rm -f memory");
        });

        it("keeps its old options and its unit when the kernel refuses", async () => {
            await memory.up({ options: ["size=8m"] });
            const [before, unit] = [await line(target), await at.shell.run("cat /etc/systemd/system/srv-memory.mount")];
            await expect(memory.up({ options: ["noexec", "size=nonsense"] })).rejects.toThrow(
                /\[MOUNT_FAILED\].*remounted.*everything is as it was before[\s\S]*(?:size|bad option)/,
            );
            expect(await line(target)).toBe(before);
            expect(await at.shell.run("cat /etc/systemd/system/srv-memory.mount")).toBe(unit);
            await writes();
            await memory.up({ options: ["size=8m"] });
            expect(await memory.drift()).toEqual({});
        });

        it("is not made read-only under a writer, and names it", async () => {
            const before = await line(target);
            await expect(memory.up({ options: ["size=8m", "ro"] })).rejects.toThrow(
                /\[MOUNT_BUSY\].*read-only.*process \d+ \(sh\); everything is as it was/,
            );
            expect(await line(target)).toBe(before);
            await writes();
        });

        it("is let go of with force, with its writer, and mounted anew", async () => {
            const id = await idOf(target);
            await memory.up({ options: ["size=8m", "ro"], force: "lazy" });
            expect(await at.shell.run(`findmnt -no TARGET | grep -c ${target}$; ls -A ${target}`)).toBe("1");
            expect(await idOf(target)).not.toBe(id);
            await writes();
            await endWriting();
            expect(await memory.drift()).toEqual({});
            await memory.destroy();
            expect(await at.traces()).toBe("");
        });
    });

    describe("of a directory", () => {
        let data: MountResource;
        const target = "/srv/data";

        it("made read-only by somebody gets writable again in place", async () => {
            await at.shell.run("mkdir -p /opt/data /opt/other; echo one >/opt/data/file");
            data = at.resource("data", { type: "bind", source: "/opt/data", target });
            await data.up();
            const id = await idOf(target);
            await at.shell.run(
                `cd ${target} && (setsid sleep 1000 >/dev/null 2>&1 </dev/null & echo $! >/run/sleeper)`,
            );
            await at.shell.run(`mount -o remount,bind,ro,noexec ${target}`);
            expect((await data.drift()).mount?.[0]).toBe("mounted with ro");
            await data.up();
            expect(await data.drift()).toEqual({});
            expect(await idOf(target)).toBe(id);
            expect(await line(target)).toMatch(/ rw,/);
            await at.shell.run("kill $(cat /run/sleeper)");
        });

        it("is no longer held by a container with a copy of its own, which is told of", async () => {
            await container("copy", `${target}:/d`, "/d");
            await data.up({ source: "/opt/other" });
            expect(words).toEqual([expect.stringMatching(/still see what was there then: copy\. Restart/)]);
            await data.up({ source: "/opt/data" });
            await at.shell.run("docker rm -f copy");
        });

        it("is held by a container that follows it, which is named", async () => {
            await container("follower", "/srv:/d:rslave", "/d/data");
            await expect(data.up({ source: "/opt/other" })).rejects.toThrow(
                /\[MOUNT_BUSY\].*in use by process \d+ \(sleep\) of the container follower\./,
            );
            await expect(data.destroy()).rejects.toThrow(/MOUNT_BUSY.*container follower/);
            expect(await data.drift()).toEqual({});
        });

        it("is deleted with force all the same", async () => {
            expect(await data.up({ source: "/opt/data", force: "lazy" })).toBe("update");
            await data.destroy();
            expect(words).toEqual([expect.stringMatching(/unmounted.*what was mounted: follower\./)]);
            expect(await at.shell.ask("grep /srv/ /proc/self/mountinfo; ls /srv")).toBe("");
            expect(await at.traces()).toBe("");
            await at.shell.run("docker rm -f follower");
        });
    });

    describe("of a disk", () => {
        let volume: MountResource;
        let disk: Disk;
        const target = "/srv/disk";

        it("gets other options in place, also those of its file system", async () => {
            disk = await Disk.add(at.shell, "in-place");
            volume = at.resource("volume", { type: "block", source: disk.path, format: "ext4", target });
            await volume.up();
            await at.shell.run(
                `tar -C / -chf - usr/bin/sleep usr/bin/sh lib64/ld-linux-x86-64.so.2 lib/x86_64-linux-gnu/libc.so.6 | docker import - shell
                docker run -d --name writer --stop-signal KILL -v ${target}:/d shell /usr/bin/sh -c 'exec 5>>/d/log; while :; do echo x >&5; /usr/bin/sleep 0.1; done'`,
            );
            const id = await idOf(target);
            await volume.up({ options: ["noatime", "commit=30", "nodiscard"] });
            expect(await line(target)).toMatch(/ rw,noatime .* rw,commit=30/);
            await volume.up({ options: [] });
            expect(await line(target)).not.toContain("commit");
            expect(await idOf(target)).toBe(id);
            expect(await volume.drift()).toEqual({});
        });

        it("is not made read-only under a container's open file, and names that", async () => {
            await expect(volume.up({ options: ["ro"] })).rejects.toThrow(
                /\[MOUNT_BUSY\].*process \d+ \(sh\) of the container writer;/,
            );
            expect(await line(target)).toMatch(/ rw,/);
            await volume.up({ options: [] });
        });

        it("that became read-only by itself is found, and made writable", async () => {
            await at.shell.run("docker rm -f writer");
            // As after an error: the file system is, its mount point is not.
            await at.shell.run(
                `mkdir -p /run/aside; mount ${disk.path} /run/aside; mount -o remount,ro /run/aside; umount /run/aside`,
            );
            expect((await volume.drift()).mount?.[0]).toBe("mounted with ro");
            await volume.up();
            await at.shell.run(`touch ${target}/new`);
            expect(await volume.drift()).toEqual({});
        });

        it("is made anew where the kernel cannot change an option in place", async () => {
            await volume.up({ options: ["data=journal"] });
            expect(await line(target)).toContain("data=journal");
            expect(await volume.drift()).toEqual({});
        });

        it("is deleted under a container, which is told of as it keeps the disk in use", async () => {
            await container("keeper", `${target}:/d`, "/d");
            await volume.destroy();
            expect(words).toEqual([expect.stringMatching(/go on using what was mounted: keeper\./)]);
            expect(await at.traces()).toBe("");
            await at.shell.run("docker rm -f keeper");
        });
    });
});
