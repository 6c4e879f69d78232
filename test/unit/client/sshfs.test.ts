import { parseMountOutput } from "../../../src/client/mount-table";
import { clientOptionMistake } from "../../../src/client/options";
import { findSshfs, howToInstall, sshfsArguments, unmountCommand } from "../../../src/client/sshfs";
import { mountOnClient } from "../../../src/index";

const request = {
    user: "admin",
    host: "203.0.113.10",
    path: "/srv/my data",
    mountpoint: "/mnt/x",
    config: "/run/x/config",
    readOnly: false,
    options: [],
};

describe("the command line of sshfs", () => {
    it("names the machine as sshfs wants it, stays in the foreground, connects again", () => {
        expect(sshfsArguments(request)).toEqual([
            ...["admin@203.0.113.10:/srv/my data", "/mnt/x", "-f", "-F", "/run/x/config", "-o", "reconnect"],
        ]);
    });

    it("has IPv6 addresses in brackets, and all options", () => {
        const asked = { ...request, host: "fe80::1%eth0", readOnly: true, options: ["idmap=user"] };
        expect(sshfsArguments(asked)).toEqual([
            ...["admin@[fe80::1%eth0]:/srv/my data", "/mnt/x", "-f", "-F", "/run/x/config"],
            ...["-o", "ro", "-o", "reconnect", "-o", "idmap=user"],
        ]);
    });
});

describe("the command that unmounts", () => {
    const linux = { platform: "linux", sshfs: "/usr/bin/sshfs", unmount: "/usr/bin/fusermount3" } as const;

    it.each([
        [linux, "usual", "/usr/bin/fusermount3 -u -- /mnt/x"],
        [linux, "gone", "/usr/bin/fusermount3 -uz -- /mnt/x"],
        [{ ...linux, unmount: "/bin/umount" }, "usual", "/bin/umount /mnt/x"],
        [{ ...linux, unmount: "/bin/umount" }, "gone", "/bin/umount -l /mnt/x"],
        [{ ...linux, platform: "darwin", unmount: "/sbin/umount" }, "usual", "/sbin/umount /mnt/x"],
        [{ ...linux, platform: "darwin", unmount: "/sbin/umount" }, "gone", "/sbin/umount -f /mnt/x"],
    ] as const)("%j, %s", (programs, how, command) => {
        expect(unmountCommand(programs, "/mnt/x", how).join(" ")).toBe(command);
    });
});

it("reads the table of mounts on macOS", () => {
    const text = [
        "/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)",
        "map auto_home on /System/Volumes/Data/home (autofs, automounted, nobrowse)",
        "admin@203.0.113.10:/srv/data on /Users/me/my data (1) (macfuse, nodev, nosuid, synchronous, mounted by me)",
        "fuse-t:/sshfs on /Users/me/other (nfs, nodev, nosuid, mounted by me)",
        "",
    ];
    expect(parseMountOutput(text.join("\n")).map(({ source, target, type }) => [source, target, type])).toEqual([
        ["/dev/disk3s1s1", "/", "apfs"],
        ["map auto_home", "/System/Volumes/Data/home", "autofs"],
        ["admin@203.0.113.10:/srv/data", "/Users/me/my data (1)", "macfuse"],
        ["fuse-t:/sshfs", "/Users/me/other", "nfs"],
    ]);
});

it.each([
    ["linux", 'ID=ubuntu\nID_LIKE=debian\nNAME="x"', "apt-get install sshfs"],
    ["linux", "ID=debian", "apt-get install sshfs"],
    ["linux", 'ID="almalinux"\nID_LIKE="rhel centos fedora"', "dnf install fuse-sshfs"],
    ["linux", 'ID="opensuse-leap"\nID_LIKE="suse opensuse"', "zypper install sshfs"],
    ["linux", "ID=arch", "pacman -S sshfs"],
    ["linux", "ID=alpine", "apk add sshfs"],
    ["linux", "ID=plan9", "sshfs or fuse-sshfs"],
    ["darwin", "", "FUSE-T"],
] as const)("tells on %s (%j) how to install sshfs: %s", (platform, release, command) => {
    expect(howToInstall(platform, release)).toContain(command);
});

it("says where there is no sshfs at all", () => {
    expect(() => findSshfs("win32")).toThrow(/SSHFS_UNAVAILABLE.*Linux and macOS, not with Windows/);
});

it.each([
    ["idmap=user", undefined],
    ["ServerAliveInterval=5", undefined],
    ["StrictHostKeyChecking=no", "for the argument connection to say"],
    ["StrictHostKeyChecking=yes", "for the argument connection to say"],
    ["stricthostkeychecking=no", "has to be checked"],
    ["UserKnownHostsFile=/dev/null", "for the argument connection to say"],
    ["NoHostAuthenticationForLocalhost=yes", "for the argument connection to say"],
    ["HostKeyAlias=x", "for the argument connection to say"],
    ["ProxyCommand=x", "not supported"],
    ["ssh_command=x", "no use"],
    ["ro", "readOnly"],
    ["allow-other", "did you mean allow_other"],
    ["a,StrictHostKeyChecking=no", "cannot be one option"],
])("takes the option %s for what it is", (option, problem) => {
    const mistake = clientOptionMistake(option);
    if (problem === undefined) expect(mistake).toBeUndefined();
    else expect(mistake).toContain(problem);
});

it.each([
    [{ path: "" }, "path"],
    [{ mountpoint: "a\nb" }, "mountpoint"],
    [{ readOnly: "yes" }, "readOnly"],
    [{ options: "ro" }, "options"],
    [{ options: ["x"] }, "options\\[0\\]"],
])("refuses %j before anything is done", async (wrong, argument) => {
    const args = { connection: { host: "203.0.113.10" }, path: "/srv", mountpoint: "/mnt/x", ...wrong };
    await expect(mountOnClient(args as never)).rejects.toThrow(
        new RegExp(`INVALID_ARGUMENT.*mountOnClient: ${argument}: `),
    );
});
