import fc from "fast-check";
import { encodePath } from "../../src/host/mount/mountinfo";
import { unitName } from "../../src/host/mount/unit-name";
import { describeLab, suiteReleases } from "../support/levels";
import { MountMachine, type MountResource } from "../support/mount";
import { findmntColumns, oddPath, readFindmnt, readMountinfo } from "../support/odd-paths";

describeLab.each(suiteReleases("trixie"))("a Mount on %s", (release) => {
    let at: MountMachine;

    beforeAll(async () => {
        at = await MountMachine.open(release);
    });

    afterAll(() => at?.close());

    describe("of memory", () => {
        let memory: MountResource;
        beforeAll(() => {
            memory = at.resource("memory", { type: "tmpfs", target: "/srv/a b/%m-ä" });
        });

        it("is mounted, with owner and mode, by a unit that is enabled", async () => {
            await memory.up({ options: ["size=8m"], owner: "daemon:1", mode: "0750" });
            expect(await at.top("/srv/a b/%m-ä")).toMatch(/^tmpfs +tmpfs$/);
            expect(
                await at.shell.run("stat -c '%U %G %a' '/srv/a b/%m-ä'; df -m --output=size '/srv/a b/%m-ä'"),
            ).toMatch(/^daemon daemon 750\n[\s\S]* 8$/);
            const unit = await at.shell.run("systemd-escape -p --suffix=mount '/srv/a b/%m-ä'");
            expect(memory.outputs.unit).toBe(unit);
            expect(await at.shell.run(`systemctl is-enabled '${unit}'`)).toBe("enabled");
            expect(await memory.drift()).toEqual({});
            expect(await memory.up()).toBe("same");
        });

        it("is found with other owner and mode, and put right without being unmounted", async () => {
            await at.shell.run("cd '/srv/a b/%m-ä' && touch kept && chown root:root . && chmod 0777 .");
            expect(await memory.drift()).toEqual({ owner: ["root:root", "daemon:1"], mode: ["0777", "0750"] });
            await memory.up();
            expect(await at.shell.run("stat -c '%U %G %a' '/srv/a b/%m-ä'; ls '/srv/a b/%m-ä'")).toBe(
                "daemon daemon 750\nkept",
            );
        });

        it("goes, with the directories that were made for it", async () => {
            await memory.destroy();
            expect(await at.shell.run("ls -A /srv")).toBe("");
            expect(await at.traces()).toBe("");
            await memory.destroy();
        });

        it("tells what it hides, and leaves that when it goes, and the directory with it", async () => {
            memory = at.resource("memory", { type: "tmpfs", target: "/srv/made/memory" });
            await memory.up();
            await at.shell.run("systemctl stop srv-made-memory.mount; echo mine >/srv/made/memory/file");
            await memory.drift();
            const words: string[] = [];
            jest.spyOn(console, "warn").mockImplementation((line) => void words.push(line));
            await memory.up();
            jest.restoreAllMocks();
            expect(words).toEqual([expect.stringMatching(/which the mount hides now \(\/srv\/made\/memory\/file\)/)]);
            await memory.destroy();
            expect(await at.shell.run("cat /srv/made/memory/file; rm -r /srv/made")).toBe("mine");
            expect(await at.traces()).toBe("");
        });
    });

    describe("of a directory", () => {
        let data: MountResource;
        const word = async () => (await data.drift()).mount?.[0];
        beforeAll(async () => {
            await at.shell.run("mkdir -p /opt/data/below /srv/kept; echo one >/opt/data/file");
            data = at.resource("data", { type: "bind", source: "/opt/data", target: "/srv/kept" });
        });

        it("is mounted read-only where that is asked for", async () => {
            await data.up({ options: ["ro"] });
            expect(await at.shell.run("cat /srv/kept/file")).toBe("one");
            await expect(at.shell.run("touch /srv/kept/new")).rejects.toThrow(/Read-only/);
            expect(await data.drift()).toEqual({});
        });

        it("can be written to after an update", async () => {
            expect(await data.up({ options: [] })).toBe("update");
            await at.shell.run("touch /srv/kept/new && ls /opt/data/new");
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
            await at.shell.run(command);
            expect(await word()).toContain(expected);
            await data.up();
            expect(await data.drift()).toEqual({});
            expect(await at.shell.run("cat /srv/kept/file; touch /srv/kept/new")).toBe("one");
            expect(
                await at.shell.run("findmnt -no TARGET | grep -c /srv/kept$; systemctl is-enabled srv-kept.mount"),
            ).toBe("1\nenabled");
        });

        it("names what keeps it busy, and leaves it as it is", async () => {
            // systemd would stop it, and mounts below, together with the mount.
            await at.shell.run(
                `printf '[Unit]\\nRequiresMountsFor=/srv/kept\\n[Service]\\nWorkingDirectory=/srv/kept\\nExecStart=/bin/sleep 1000\\n' >/run/systemd/system/user.service
                systemctl daemon-reload && systemctl start user.service`,
            );
            const user = () => at.shell.ask("systemctl show -p ActiveState,MainPID user.service");
            const before = await user();
            const failing = data.up({ source: "/opt/data/below" });
            await expect(failing).rejects.toThrow(/\[MOUNT_BUSY\].*process \d+ \(sleep\)/);
            expect(await at.shell.run("cat /srv/kept/file; systemctl is-active srv-kept.mount")).toBe("one\nactive");
            await expect(data.destroy()).rejects.toThrow(/MOUNT_BUSY/);
            expect(await user()).toBe(before);
            await at.shell.run("systemctl stop user.service; mkdir '/opt/data/a b'; mount -t tmpfs t '/srv/kept/a b'");
            await expect(data.up({ source: "/opt/data/below" })).rejects.toThrow(
                /\[MOUNT_BUSY\].*in use by mount \/srv\/kept\/a b\./,
            );
            await at.shell.run("umount '/srv/kept/a b'; rmdir '/opt/data/a b'");
            // One that needs the mount and uses nothing of it just now.
            await at.shell.run(
                "sed -i /Working/d /run/systemd/system/user.service; systemctl daemon-reload; systemctl start user.service",
            );
            const idle = await user();
            expect(idle).toContain("ActiveState=active");
            await data.up({ source: "/opt/data/below" });
            await data.up({ source: "/opt/data" });
            expect(await user()).toBe(idle);
            await at.shell.run("systemctl stop user.service; rm /run/systemd/system/user.service");
            await expect(data.up({ source: "/opt/data", owner: "nobody-here" })).rejects.toThrow(
                /the owner nobody-here/,
            );
            await data.up({ owner: undefined });
            expect(await data.drift()).toEqual({});
        });

        it("is not touched by another resource with the same target", async () => {
            const other = at.resource("other", { type: "tmpfs", target: "/srv/kept" });
            await expect(other.up()).rejects.toThrow(/\[MOUNT_CONFLICT\].*another resource already: urn:\S+::data/);
            // As after an up of whose result nothing is known.
            Object.assign(other, { outputs: { ...data.outputs, __urn: other.urn } });
            await other.destroy();
            expect(await data.drift()).toEqual({});
        });

        it("stays as it was when the new source cannot be mounted", async () => {
            await expect(data.up({ source: "/opt/missing" })).rejects.toThrow(
                /\[MOUNT_SOURCE_MISSING\].*\/opt\/missing/,
            );
            await expect(data.up({ type: "tmpfs", source: undefined, options: ["size=nonsense"] })).rejects.toThrow(
                /\[MOUNT_FAILED\][\s\S]*everything is as it was before[\s\S]*(?:size|wrong fs type)/,
            );
            // It was mounted already.
            const late = { type: "bind", source: "/opt/data/below", options: ["ro"], owner: "daemon" };
            await expect(data.up(late)).rejects.toThrow(
                /\[MOUNT_FAILED\] .*chown daemon .*everything is as it was before/,
            );
            expect(await at.shell.run("cat /srv/kept/file; findmnt -no TARGET | grep -c /srv/kept$")).toBe("one\n1");
            await data.up({ type: "bind", source: "/opt/data", options: [], owner: undefined });
            expect(await data.drift()).toEqual({});
        });

        it("is mounted again after a reboot", async () => {
            await at.reboot();
            expect(await at.shell.run("cat /srv/kept/file")).toBe("one");
            expect(await data.drift()).toEqual({});
        });

        it("goes, and leaves a mount point that was there before", async () => {
            await data.destroy();
            expect(await at.shell.run("ls -A /srv; cat /opt/data/file")).toBe("kept\none");
            expect(await at.traces()).toBe("");
        });
    });

    it("is seen in the kernel's table and has its unit's name as findmnt and systemd have them, whatever its path", async () => {
        const cases = fc.sample(fc.tuple(oddPath, oddPath), 120);
        const input = cases.flatMap(([target, source]) => [`/tmp/odd${target}`, source]).join("\0");
        // In a namespace of its own, which goes with all its mounts. Every second one is a bind mount of a directory of the first kind.
        const { stdout } = await at.host.exec(
            `unshare -m --propagation private sh -c '
                set -e
                mkdir -p /tmp/odd
                mount -t tmpfs odd /tmp/odd
                xargs -0 -n 2 sh -ec '"'"'
                    mkdir -p "$1" "/tmp/odd/roots$2"
                    mount -t tmpfs -o size=64k -- "$2" "$1"
                    mount --bind -- "/tmp/odd/roots$2" "$1"
                '"'"' sh
                cat /proc/self/mountinfo
                printf "\\0"
                findmnt --kernel ${findmntColumns}
                printf "\\0"
            '
            rmdir /tmp/odd`,
            { input },
        );
        const [table = "", found = ""] = stdout.split("\0");
        const entries = readMountinfo(table);
        expect(entries).toEqual(readFindmnt(found));
        expect(entries.filter(({ target }) => target.startsWith("/tmp/odd/"))).toHaveLength(2 * cases.length);
        const targets = cases.map(([target]) => target);
        const written = new Set(table.split("\n").map((line) => line.split(" ")[4]));
        expect(targets.filter((target) => !written.has(encodePath(`/tmp/odd${target}`)))).toEqual([]);
        const names = await at.host.exec("xargs -0 systemd-escape --path --suffix=mount --", {
            input: targets.join("\0"),
        });
        expect(targets.map((target) => unitName(target, "mount"))).toEqual(names.stdout.trimEnd().split(/[ \n]/));
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
            [
                "what others have a unit for",
                "printf '[Mount]\nWhat=t\nWhere=/srv/theirs\nType=tmpfs\n' >/etc/systemd/system/srv-theirs.mount",
                { target: "/srv/theirs" },
                /CONFLICT.*srv-theirs\.mount is there already/,
            ],
        ])("is refused at %s", async (_, prepare, args, words) => {
            await at.shell.run(prepare);
            const state = () =>
                at.shell.ask("ls -AR /srv; grep /srv /proc/self/mountinfo; cat /etc/systemd/system/srv-*");
            const before = [await state(), await at.traces()];
            await expect(at.resource("wrong", { type: "tmpfs", ...args }).up()).rejects.toThrow(words);
            expect([await state(), await at.traces()]).toEqual(before);
            expect(before[1]).not.toContain("pulumi");
        });

        afterAll(() =>
            at.shell.ask("umount /srv/other; rm -rf /srv/* /etc/systemd/system/srv-*; sed -i '/^x /d' /etc/fstab"),
        );
    });
});
