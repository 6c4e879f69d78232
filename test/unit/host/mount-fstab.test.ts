import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { fstabOf } from "../../../src/host/mount/fstab";
import { sourceMistake, targetMistake } from "../../../src/host/mount/source";
import type { UnitWish } from "../../../src/host/mount/units";
import { oddPath } from "../../support/odd-paths";

const where = (program: string) => spawnSync("sh", ["-c", `command -v ${program}`], { encoding: "utf8" }).stdout.trim();
const base: Omit<UnitWish, "target" | "source"> = {
    type: "bind",
    options: [],
    fsType: undefined,
    automount: false,
    requiredByDocker: false,
    owner: "urn",
};
const ours = (target: string, more: Partial<UnitWish> = {}) =>
    fstabOf({ ...base, source: "/opt", target, ...more }).line;

/** One line as findmnt tells of it. */
interface Row {
    source: string;
    target: string;
    fstype: string;
    options: string;
    freq: number;
    passno: number;
}

/** What findmnt reads in a file in the form of /etc/fstab. */
function findmnt(file: string): Row[] {
    if (
        readFileSync(file, "utf8")
            .split("\n")
            .every((line) => /^\s*(?:#|$)/.test(line))
    )
        return [];
    const columns = "SOURCE,TARGET,FSTYPE,OPTIONS,FREQ,PASSNO";
    const json = execFileSync("findmnt", ["--fstab", "--tab-file", file, "--list", "--json", "-o", columns], {
        stdio: ["ignore", "pipe", "ignore"],
    });
    const { filesystems } = JSON.parse(json.toString()) as { filesystems: Row[] };
    return filesystems;
}

describe("a line of /etc/fstab", () => {
    let directory: string;
    let file: string;
    beforeAll(() => {
        directory = mkdtempSync(join(tmpdir(), "fstab-"));
        file = join(directory, "fstab");
    });
    afterAll(() => rmSync(directory, { recursive: true }));

    it.each<[string, Partial<UnitWish>, string]>([
        ["a directory", { type: "bind", source: "/opt/a b" }, "/opt/a\\040b /srv/x none bind 0 0"],
        [
            "memory",
            { type: "tmpfs", source: "tmpfs", options: ["size=1m"] },
            "tmpfs /srv/x tmpfs nosuid,nodev,size=1m 0 0",
        ],
        ["a disk", { type: "block", source: "LABEL=my disk" }, "LABEL=my\\040disk /srv/x auto nofail 0 0"],
        [
            "a disk of known kind",
            { type: "block", source: "/dev/sdb", fsType: "xfs" },
            "/dev/sdb /srv/x xfs nofail 0 0",
        ],
        [
            "a directory that sshfs brings",
            { type: "sshfs", source: "u@s:/x", options: ["reconnect", "allow_other"] },
            "u@s:/x /srv/x fuse.sshfs _netdev,default_permissions,ServerAliveInterval=15,ServerAliveCountMax=3,ConnectTimeout=10,BatchMode=yes,StrictHostKeyChecking=yes,reconnect,allow_other 0 0",
        ],
        ["a server's directory", { type: "nfs4", source: "s:/x" }, "s:/x /srv/x nfs4 _netdev,nofail,hard 0 0"],
    ])("of %s", (_, wish, line) => {
        expect(ours("/srv/x", wish)).toBe(line);
    });

    (where("findmnt") ? it : it.skip)("is read by findmnt as it was meant, whatever the paths", () => {
        const wishes = fc.sample(fc.tuple(oddPath, oddPath), 4000).flatMap(([to, from]) => {
            const [target, source] = [`/srv${to}`, `/opt${from}`];
            const isPossible =
                targetMistake(target) === undefined && sourceMistake("bind", source, target) === undefined;
            return isPossible ? [{ target, source }] : [];
        });
        expect(wishes.length).toBeGreaterThan(50);
        writeFileSync(file, wishes.map(({ target, source }) => `${ours(target, { source })}\n`).join(""));
        expect(findmnt(file)).toEqual(
            wishes.map(({ target, source }) => ({
                source,
                target,
                fstype: "none",
                options: "bind",
                freq: 0,
                passno: 0,
            })),
        );
    });

    describe.each(["awk", "mawk", "gawk", "busybox", "original-awk"])("is put into the file with %s", (program) => {
        const itWhere = where(program) && where("findmnt") ? it : it.skip;
        let environment: NodeJS.ProcessEnv;
        beforeAll(() => {
            const bin = join(directory, program);
            mkdirSync(bin);
            if (where(program)) symlinkSync(where(program), join(bin, "awk"));
            environment = { ...process.env, PATH: `${bin}:${process.env.PATH}` };
        });

        /** What the script makes of /etc/fstab. */
        function edited(text: string, target: string, line: string): string {
            writeFileSync(file, text);
            const library = join(__dirname, "../../../src/host/mount/fstab.sh");
            const script = '. "$1"; FSTAB=$2 mount_target=$3; fstab_edited "$4"';
            return execFileSync("sh", ["-euc", script, "sh", library, file, target, line], {
                env: environment,
            }).toString();
        }

        const foreign = (name: string) => {
            const target = ours(name).split(" ")[1]!;
            return fc.oneof(
                fc.constantFrom(
                    "",
                    "  \t ",
                    "# /etc/fstab: static file system information.",
                    `#old ${target} tmpfs defaults 0 0`,
                    ` # ${target}`,
                    "UUID=0a1b\t/boot\text4\tdefaults,noatime\t0 2",
                    "/dev/sdä1  /mnt/ä\\040b  auto  noauto,user  0  0",
                    `none ${target}x tmpfs defaults 0 0`,
                    `none ${target}/below tmpfs defaults`,
                    `${target} /elsewhere none bind 0 0`,
                    "proc /proc proc defaults 0 0\r",
                ),
                oddPath.map((path) => ours(`/mnt${path.replace(/[\n\\]/g, "")}`)),
            );
        };
        /** Our line as others could have written it. */
        const written = (target: string) =>
            fc.constantFrom(
                ours(target),
                `none\t${ours(target).split(" ")[1]}/\ttmpfs\tro\t0\t0`,
                `  none  ${ours(target).split(" ")[1]!.replace("/srv", "//s\\162v")}  tmpfs`,
            );
        const cases = fc
            .tuple(fc.constantFrom("/srv/data", "/srv/a b", "/srv/ä-#%", "/srv/it's"), fc.nat())
            .chain(([target]) =>
                fc.record({
                    target: fc.constant(target),
                    before: fc.array(foreign(target), { maxLength: 5 }),
                    own: fc.option(written(target)),
                    after: fc.array(foreign(target), { maxLength: 5 }),
                    isOpen: fc.boolean(),
                }),
            );

        itWhere("in place or at the end, is taken out again, and every other byte is kept", () => {
            fc.assert(
                fc.property(cases, ({ target, before, own, after, isOpen }) => {
                    const line = ours(target, { options: ["ro"] });
                    const text = (middle: string[]) => {
                        const lines = [...before, ...middle, ...after];
                        return lines.join("\n") + (isOpen || lines.length === 0 ? "" : "\n");
                    };
                    const original = text(own === null ? [] : [own]);
                    // A last line that is empty and has no line feed is none.
                    fc.pre(!isOpen || original === "" || !/(?:^|\n)$/.test(original));
                    const atEnd = isOpen && original !== "" ? `${original}\n${line}` : `${original}${line}\n`;
                    const expected = own === null ? atEnd : text([line]);
                    const added = edited(original, target, line);
                    expect(added).toBe(expected);
                    expect(edited(added, target, line)).toBe(added);
                    const without = edited(added, target, "");
                    expect(without).toBe(own === null ? original : text([]));

                    // findmnt reads the others as before, and ours as it is meant.
                    writeFileSync(file, original);
                    const others = findmnt(file).filter(
                        (row) => row.target.replace(/(.)\/+$/, "$1").replace(/^\/+/, "/") !== target,
                    );
                    writeFileSync(file, added);
                    const now = findmnt(file);
                    const mine = { source: "/opt", target, fstype: "none", options: "bind,ro", freq: 0, passno: 0 };
                    expect(now.filter((row) => row.target === target)).toEqual([mine]);
                    expect(now.filter((row) => row.target !== target)).toEqual(others);
                }),
                { numRuns: 40 },
            );
        });
    });
});
