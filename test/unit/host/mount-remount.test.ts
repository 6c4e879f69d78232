import fc from "fast-check";
import { parseMountinfo } from "../../../src/host/mount/mountinfo";
import { isChangedInPlace, remountOf } from "../../../src/host/mount/remount";

const entry = (type: string, flags: string, options: string) =>
    parseMountinfo(`36 35 98:0 / /srv/x ${flags} shared:1 - ${type} source ${options}`)[0]!;

describe("a change of options in place", () => {
    const plain = entry("tmpfs", "rw,nosuid,nodev,relatime", "rw,size=8192k");

    it("tells the kernel every flag, so that an old one does not stay", () => {
        expect(remountOf("tmpfs", plain, [["nosuid", "nodev", "size=8m"]], ["ro", "dev", "noatime"])).toEqual({
            options: "remount,ro,nosuid,dev,exec,noatime,size=50%",
            back: "remount,rw,nosuid,nodev,exec,atime,relatime,size=8m",
        });
    });

    it("is nothing for what only mount(8) and systemd read", () => {
        const disk = entry("ext4", "rw,relatime", "rw,commit=30");
        expect(remountOf("block", disk, [["nofail", "commit=30"]], ["_netdev", "commit=30"])?.options).toBeUndefined();
    });

    it("is made where a killed run may have made it or not", () => {
        const before = [["size=8m"], ["nosuid", "nodev", "size=16m"]];
        expect(remountOf("tmpfs", plain, before, ["size=16m"])).toMatchObject({
            options: expect.stringContaining("size=16m"),
            back: expect.stringContaining("size=8m"),
        });
    });

    it("gives a tmpfs's root what the kernel sets only once", () => {
        expect(remountOf("tmpfs", plain, [["mode=0700", "uid=5"]], ["nosuid"])).toMatchObject({
            owner: "0:0",
            mode: "1777",
        });
    });

    it("leaves flags of a bind mount that nobody has asked for, but ro", () => {
        const found = entry("ext4", "ro,nosuid,nodev,noatime", "ro");
        expect(remountOf("bind", found, [["bind", "nodev"]], [])?.options).toBe(
            "remount,bind,rw,nosuid,dev,exec,noatime",
        );
    });

    it.each<[Parameters<typeof isChangedInPlace>, boolean]>([
        [["bind", undefined, [], ["ro", "noexec"]], true],
        [["bind", undefined, [], ["rbind"]], false],
        [["tmpfs", "tmpfs", ["size=1m"], ["huge=always"]], true],
        [["tmpfs", "tmpfs", ["nr_inodes=5"], []], false],
        [["block", "ext4", ["commit=5"], ["discard"]], true],
        [["block", "ext4", [], ["data=journal"]], false],
        [["block", "xfs", [], ["inode32"]], true],
        [["block", "xfs", [], ["logbufs=8"]], false],
        [["block", undefined, [], ["noatime"]], true],
        [["block", undefined, [], ["commit=5"]], false],
        [["nfs4", "nfs4", [], ["ro"]], true],
        [["nfs4", "nfs4", [], ["soft"]], false],
        [["cifs", "cifs", [], ["uid=5"]], false],
        [["sshfs", "sshfs", [], ["ro"]], false],
        [["sshfs", "sshfs", [], ["nofail"]], true],
    ])("%j: %s", (args, expected) => {
        expect(isChangedInPlace(...args)).toBe(expected);
    });

    it("and back again ends where it began", () => {
        const option = fc.constantFrom(
            "ro",
            "noexec",
            "nosuid",
            "noatime",
            "strictatime",
            "size=8m",
            "size=1m",
            "huge=always",
        );
        fc.assert(
            fc.property(fc.uniqueArray(option), fc.uniqueArray(option), (one, other) => {
                // What the kernel holds after a remount, from what it was told.
                const told = remountOf("tmpfs", plain, [], one)!.options!.split(",");
                const flags = told.filter((word) => /^(?:r[ow]|no(?:suid|dev|exec|atime)|relatime)$/.test(word)).join();
                const now = entry("tmpfs", flags, "rw");
                expect(remountOf("tmpfs", now, [["nosuid", "nodev", ...one]], one)?.options).toBeUndefined();
                const change = remountOf("tmpfs", now, [["nosuid", "nodev", ...one]], other);
                if (change?.options === undefined) return;
                expect(change.back?.split(",").sort()).toEqual(
                    expect.arrayContaining(told.filter((word) => !/^(?:size=50%|huge=never)$/.test(word)).sort()),
                );
            }),
        );
    });
});
