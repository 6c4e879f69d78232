import { Daemon } from "../support/daemon";
import { describeLab, suiteReleases } from "../support/levels";
import { MountMachine, type MountResource } from "../support/mount";

describeLab.each(suiteReleases("trixie"))("a Mount with a guard on %s", (release) => {
    let at: MountMachine;
    let memory: MountResource;
    const target = "/srv/a b/memory";
    const word = async () => (await memory.drift()).mount?.[0];
    const stop = () => at.shell.run("systemctl stop 'srv-a\\x20b-memory.mount'");
    /** What writing into the mount point comes to: of root, and of a container. */
    const attempts = async () => [
        await at.shell.ask(`touch '${target}/x' 2>/dev/null && echo written`),
        await at.shell.ask(
            `docker run --rm -v '${target}:/d' touches /usr/bin/touch /d/y >/dev/null 2>&1 && echo written`,
        ),
    ];

    beforeAll(async () => {
        at = await MountMachine.open(release);
        await new Daemon(at.shell).run({});
        await at.shell.run(
            "tar -C / -chf - usr/bin/touch lib64/ld-linux-x86-64.so.2 lib/x86_64-linux-gnu/libc.so.6 | docker import - touches",
        );
        memory = at.resource("memory", { type: "tmpfs", target });
    });

    afterAll(() => at?.close());

    it("cannot be written into while nothing is mounted, also when it was mounted without a guard before", async () => {
        await memory.up();
        await stop();
        expect(await attempts()).toEqual(["written", "written"]);
        await at.shell.run(`rm '${target}'/*`);
        await memory.drift();
        await memory.up();
        const id = await at.shell.run("grep -c /srv/ /proc/self/mountinfo");
        await at.shell.run(`touch '${target}/kept'`);
        await memory.up({ guard: true });
        // It has stayed mounted, and can be written to.
        expect(await at.shell.run(`ls '${target}'; grep -c /srv/ /proc/self/mountinfo`)).toBe(`kept\n${id}`);
        expect(await attempts()).toEqual(["written", "written"]);
        expect(await memory.drift()).toEqual({});
        await stop();
        expect(await attempts()).toEqual(["", ""]);
        await memory.drift();
        await memory.up();
        expect(await attempts()).toEqual(["written", "written"]);
        expect(await memory.drift()).toEqual({});
    });

    it("is found without its guard, and gets it again", async () => {
        await at.shell.run(
            `mkdir -p /run/below; mount --bind / /run/below; chattr -i '/run/below${target}'; umount /run/below`,
        );
        expect(await word()).toBe("not guarded");
        await memory.up();
        expect(await memory.drift()).toEqual({});
        await stop();
        expect(await attempts()).toEqual(["", ""]);
        await memory.drift();
        await memory.up();
    });

    it("has none when that is turned off", async () => {
        await memory.up({ guard: false });
        expect(await memory.drift()).toEqual({});
        await stop();
        expect(await attempts()).toEqual(["written", "written"]);
        await at.shell.run(`rm '${target}'/*`);
        await memory.drift();
    });

    it("has none after a change that failed, and one after a change that failed later", async () => {
        await memory.up();
        const state = () =>
            at.shell.run(
                `mount --bind / /run/below; lsattr -d '/run/below${target}' | cut -d ' ' -f 1; umount /run/below`,
            );
        const wrong = { options: ["size=nonsense"] };
        await expect(memory.up({ guard: true, ...wrong })).rejects.toThrow(/MOUNT_FAILED/);
        expect(await state()).not.toContain("i");
        await memory.up({ guard: true, options: [] });
        await expect(memory.up({ guard: false, ...wrong })).rejects.toThrow(/MOUNT_FAILED/);
        expect(await state()).toContain("i");
        await memory.up({ guard: true, options: [] });
        expect(await memory.drift()).toEqual({});
    });

    it("goes with it, and leaves no trace", async () => {
        await memory.destroy();
        expect(await at.shell.run("ls -A /srv")).toBe("");
        expect(await at.traces()).toBe("");
    });

    it("leaves a mount point that was there before as it was", async () => {
        await at.shell.run("mkdir -p /srv/kept");
        const make = () => at.resource("kept", { type: "tmpfs", target: "/srv/kept", guard: true });
        const guarded = make();
        await guarded.up();
        await guarded.destroy();
        expect(await at.shell.run("touch /srv/kept/x; ls -A /srv/kept; rm /srv/kept/x")).toBe("x");
        // Who has made it immutable has it so afterwards.
        await at.shell.run("chattr +i /srv/kept");
        const kept = make();
        await kept.up();
        await kept.destroy();
        expect(
            await at.shell.run("lsattr -d /srv/kept | cut -d ' ' -f 1; chattr -i /srv/kept; rmdir /srv/kept"),
        ).toContain("i");
    });

    it("is refused where the file system below cannot do that, and nothing is left", async () => {
        await at.shell.run("mkdir -p /srv/proc && mount -t ramfs r /srv/proc");
        const wrong = at.resource("wrong", { type: "tmpfs", target: "/srv/proc/x", guard: true });
        await expect(wrong.up()).rejects.toThrow(/\[MOUNT_FAILED\].*refuses chattr \+i; everything is as it was/);
        expect(await at.traces()).toBe("");
        expect(await at.shell.run("ls -A /srv/proc; umount /srv/proc; rmdir /srv/proc")).toBe("");
    });
});
