import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { encodePath, parseMountinfo } from "../../../src/host/mount/mountinfo";
import { effectiveOptions, mountTypes, optionMistake, typeFacts } from "../../../src/host/mount/options";
import { sourceMistake, targetMistake } from "../../../src/host/mount/source";
import { udevName, unitName } from "../../../src/host/mount/unit-name";
import { unitsOf } from "../../../src/host/mount/units";
import { mount } from "../../../src/provider/mount";
import { findmntColumns, oddPath as path, readFindmnt, readMountinfo } from "../../support/odd-paths";

const has = (program: string) => spawnSync("sh", ["-c", `command -v ${program}`]).status === 0;
const run = (program: string, args: string[]) => execFileSync(program, args, { encoding: "utf8" }).trimEnd();

describe("the name of a mount's unit", () => {
    it.each([
        ["/", "-.mount"],
        ["/srv/data", "srv-data.mount"],
        ["/mnt/my-data/a b/.x", "mnt-my\\x2ddata-a\\x20b-.x.mount"],
        ["/.x", "\\x2ex.mount"],
    ])("of %s is %s", (target, name) => {
        expect(unitName(target, "mount")).toBe(name);
    });

    (has("systemd-escape") ? it : it.skip)("is the one that systemd-escape makes", () => {
        const paths = fc.sample(path, 400);
        const names = run("systemd-escape", ["--path", "--suffix=mount", "--", ...paths]).split(" ");
        expect(paths.map((target) => unitName(target, "mount"))).toEqual(names);
    });

    it("is written into /dev/disk as udev does", () => {
        expect(udevName("my disk/ä-1")).toBe("my\\x20disk\\x2fä-1");
    });
});

describe("mountinfo", () => {
    const findmnt = (file: string) =>
        readFindmnt(run("findmnt", ["--kernel", "-F", file, ...findmntColumns.split(" ")]));

    (has("findmnt") ? it : it.skip)("says what findmnt says, of this computer", () => {
        const text = readFileSync("/proc/self/mountinfo", "utf8");
        expect(readMountinfo(text).length).toBeGreaterThan(3);
        expect(readMountinfo(text)).toEqual(findmnt("/proc/self/mountinfo"));
    });

    (has("findmnt") ? it : it.skip)("says what findmnt says, of any table", () => {
        const field = path.map(encodePath);
        const option = fc.tuple(fc.constantFrom("rw", "ro", "x-y"), fc.option(field)).map(([name, value]) => {
            return value === null ? name : `${name}=${value.replaceAll(",", "\\054")}`;
        });
        const options = fc.array(option, { minLength: 1, maxLength: 4 }).map((all) => all.join(","));
        const tags = fc
            .subarray(["shared:12", "master:3", "propagate_from:2", "unbindable"])
            .map((all) => all.join(" "));
        const row = fc.record({
            root: fc.oneof(fc.constant("/"), field),
            target: field,
            flags: options,
            tags,
            type: fc.constantFrom("ext4", "tmpfs", "fuse.sshfs"),
            source: fc.oneof(field, fc.constant("none")),
            options,
        });
        const rows = fc.sample(row, 500).map((each, index) => {
            const before = [
                `${index + 10} ${index + 9} 98:${index} ${each.root} ${each.target} ${each.flags}`,
                each.tags,
            ];
            return [...before.filter((text) => text !== ""), `- ${each.type} ${each.source} ${each.options}`].join(" ");
        });
        const directory = mkdtempSync(join(tmpdir(), "mountinfo-"));
        try {
            writeFileSync(join(directory, "table"), `${rows.join("\n")}\n`);
            expect(readMountinfo(rows.join("\n"))).toEqual(findmnt(join(directory, "table")));
        } finally {
            rmSync(directory, { recursive: true });
        }
    });

    it("reads every path as it was written", () => {
        fc.assert(
            fc.property(path, path, (target, source) => {
                const line = `36 35 98:0 ${encodePath(source)} ${encodePath(target)} rw,noatime shared:1 master:2 - ext3 ${encodePath(source)} rw,errors=continue`;
                expect(parseMountinfo(line)).toEqual([
                    {
                        id: 36,
                        parent: 35,
                        device: "98:0",
                        root: source,
                        target,
                        flags: ["rw", "noatime"],
                        type: "ext3",
                        source,
                        options: ["rw", "errors=continue"],
                    },
                ]);
            }),
        );
        expect(parseMountinfo("nonsense\n\n1 2 3:4 / / rw - ext4")).toEqual([]);
    });
});

describe("options", () => {
    it("of a type are all known to it", () => {
        for (const type of mountTypes) {
            expect(typeFacts[type].defaults.map((option) => optionMistake(type, option))).toEqual(
                typeFacts[type].defaults.map(() => undefined),
            );
        }
    });

    it.each([
        ["tmpfs", "sise=1m", /tmpfs has no option sise; did you mean size/],
        ["tmpfs", "size=", /nothing after/],
        ["tmpfs", "ro,noexec", /without commas/],
        ["nfs4", "x-systemd.automount", /fstab only/],
        ["cifs", "password=geheim", /use the argument credentials/],
        ["sshfs", "StrictHostKeyChecking=no", /has to be checked/],
        ["sshfs", "stricthostkeychecking=no", /has to be checked/],
        ["sshfs", "UserKnownHostsFile=/dev/null", /has to be checked/],
        ["sshfs", "NoHostAuthenticationForLocalhost=yes", /has to be checked/],
        ["sshfs", "VerifyHostKeyDNS=yes", /has to be checked/],
        ["block", "remount", /remounts by itself/],
        ["tmpfs", "bind", /that is what the type bind does/],
    ] as const)("of %s: %s is refused", (type, option, words) => {
        expect(optionMistake(type, option)).toMatch(words);
    });

    it.each([
        ["bind", "rbind"],
        ["block", "data=journal"],
        ["sshfs", "IdentityFile=/root/.ssh/id"],
        ["nfs", "vers=4.2"],
    ] as const)("of %s: %s is fine", (type, option) => {
        expect(optionMistake(type, option)).toBeUndefined();
    });

    it("by default are those that the docs tell", () => {
        const page = readFileSync(join(__dirname, "../../../docs/mounts.md"), "utf8").replaceAll("\n", " ");
        const listed = (text: string) => [...text.matchAll(/`([^`]+)`/g)].map(([, option]) => option);
        const cell = (type: string) => new RegExp(`\\| +[^|]*\`${type}\`[^|]*\\|[^|]*\\|([^|]*)\\|`).exec(page)![1]!;
        for (const type of mountTypes.filter((each) => each !== "sshfs")) {
            expect([type, listed(cell(type))]).toEqual([type, typeFacts[type].defaults]);
        }
        expect(listed(/sshfs has by default: ([^.]*)\./.exec(page)![1]!)).toEqual(typeFacts.sshfs.defaults);
    });

    it("win over the defaults that they contradict", () => {
        expect(effectiveOptions("nfs", ["soft", "timeo=50"])).toEqual(["_netdev", "nofail", "soft", "timeo=50"]);
        expect(effectiveOptions("tmpfs", ["dev"])).toEqual(["nosuid", "dev"]);
        expect(effectiveOptions("sshfs", ["ServerAliveInterval=5"])).not.toContain("ServerAliveInterval=15");
    });
});

describe("the unit", () => {
    const base = { fsType: undefined, automount: false, requiredByDocker: false, owner: "urn", options: [] };

    it.each(["/", "/etc", "/usr/local", "/proc/x", "srv", "/srv/", "/srv/../etc", "/srv//x", "/srv/a\nb", "/srv/a\\b"])(
        "is not written for %j",
        (target) => expect(targetMistake(target)).toEqual(expect.any(String)),
    );

    it("says what is wanted, and nothing of it can add a line or a specifier", () => {
        fc.assert(
            fc.property(path, path, (from, to) => {
                const target = `/srv${to}`;
                const source = `/opt${from}`;
                fc.pre(targetMistake(target) === undefined && sourceMistake("bind", source, target) === undefined);
                const [unit] = unitsOf({ ...base, type: "bind", source, target }).files;
                expect(unit!.content.split("\n").slice(2)).toEqual([
                    "[Unit]",
                    `Description=${target.replaceAll("%", "%%")} (pulumi-docker-fleet)`,
                    "",
                    "[Mount]",
                    `What=${source.replaceAll("%", "%%")}`,
                    `Where=${target.replaceAll("%", "%%")}`,
                    "Type=none",
                    "Options=bind",
                    "TimeoutSec=30",
                    "",
                    "[Install]",
                    "WantedBy=local-fs.target",
                    "",
                ]);
            }),
        );
    });

    it("of a server's directory waits for the network, and holds up no boot", () => {
        const units = unitsOf({ ...base, type: "nfs4", source: "server:/export", target: "/srv/x", automount: true });
        expect(units.start).toBe("srv-x.automount");
        expect(units.files.map(({ path }) => path)).toEqual([
            "/etc/systemd/system/srv-x.mount",
            "/etc/systemd/system/srv-x.automount",
        ]);
        expect(units.files[0]!.content).toContain("Options=_netdev,nofail,hard\n");
        expect(units.files[0]!.content).not.toContain("[Install]");
        expect(units.files[1]!.content).toContain("WantedBy=remote-fs.target\n");
    });
});

describe("the arguments of a Mount", () => {
    const connection = { host: "192.0.2.1" };
    const reasons = async (args: object) =>
        (await mount.check({}, { connection, target: "/srv/x", ...args })).failures.map(({ reason }) => reason);

    it.each<[object, RegExp]>([
        [{ type: "nfs3" }, /argument type: expected "bind", "tmpfs"/],
        [{ type: "tmpfs", source: "x" }, /argument source: a tmpfs has no source/],
        [{ type: "bind" }, /argument source: is missing: expected a directory/],
        [{ type: "bind", source: "/srv/x/y" }, /lies in the mount point/],
        [{ type: "block", source: "sda1" }, /UUID=…/],
        [{ type: "sshfs", source: "-oProxyCommand=x:/y" }, /user@host:\/path/],
        [{ type: "nfs4", source: "server" }, /server:\/path/],
        [{ type: "cifs", source: "server/share" }, /\/\/server\/share/],
        [{ type: "nfs4", source: "s:/x", owner: "1" }, /argument owner: it is for the types bind, tmpfs, block only/],
        [{ type: "block", source: "UUID=1", format: "ext4" }, /argument format: a device that is to be formatted/],
        [{ type: "tmpfs", options: ["ro", "sise=1"] }, /argument options\[1\]: tmpfs has no option sise/],
        [
            { type: "nfs4", source: { host: connection, path: "/x" } },
            /argument source: another machine is a source for/,
        ],
        [{ type: "sshfs", source: { host: connection, path: "x" } }, /argument source.*expected an absolute path/],
        [{ type: "tmpfs", mode: "rwx" }, /argument mode: expected an octal number/],
    ])("%j are refused", async (args, words) => {
        const found = await reasons(args);
        expect(found).toHaveLength(1);
        expect(found[0]).toMatch(words);
    });

    it("may be another machine, also one of which not all is known yet", async () => {
        const unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
        expect(await reasons({ type: "sshfs", source: { host: connection, path: "/x" } })).toEqual([]);
        expect(await reasons({ type: "sshfs", source: { host: { host: unknown }, path: "/x" } })).toEqual([]);
        expect(await reasons({ type: "sshfs", source: unknown })).toEqual([]);
    });

    it("never show a password", async () => {
        const found = await reasons({
            type: "cifs",
            source: "//s/x",
            credentials: { username: "u", password: "a\nb" },
        });
        expect(found).toEqual([expect.stringContaining("credentials.password")]);
        expect(found[0]).not.toContain("a\\nb");
    });
});
