import { execFileSync } from "node:child_process";
import {
    chownSync,
    lstatSync,
    mkdirSync,
    mkdtempSync,
    readdirSync,
    readFileSync,
    rmSync,
    statSync,
    symlinkSync,
    writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { closeAllConnections, connect, type Machine } from "../../src/ssh";
import { canCreateUsers, Sshd } from "../support/sshd";
import { describeSsh, failure, until } from "./support";
import { Wire } from "./wire";

jest.setTimeout(120_000);

describeSsh("uploading a file", () => {
    let sshd: Sshd;
    let machine: Machine;
    let directory: string;
    beforeAll(async () => {
        sshd = await Sshd.create();
        machine = await connect(sshd.connection);
    });
    beforeEach(() => {
        directory = mkdtempSync(join(tmpdir(), "fleet-upload-"));
    });
    afterEach(() => rmSync(directory, { recursive: true, force: true }));
    afterAll(async () => {
        await closeAllConnections();
        await sshd.stop();
    });
    const upload = (name: string, content: string | Buffer, more: object = {}) =>
        machine.upload({
            step: "write",
            path: join(directory, name),
            content: Buffer.from(content),
            mode: "0644",
            sudo: false,
            ...more,
        });

    it("writes any bytes with the mode that was asked for, whatever the name", async () => {
        const content = Buffer.from(Array.from({ length: 1_000_003 }, (_, i) => (i * 31) % 256));
        for (const [name, mode] of [
            ["plain", "0600"],
            ["with 'blank' and $x", "4755"],
            ["-n", "0400"],
            ["ü\nx", "0644"],
        ] as const) {
            await upload(name, content, { mode });
            expect(readFileSync(join(directory, name)).equals(content)).toBe(true);
            expect(statSync(join(directory, name)).mode & 0o7777).toBe(Number.parseInt(mode, 8));
        }
        expect(readdirSync(directory)).toHaveLength(4);
    });

    it("writes an empty file", async () => {
        await upload("empty", "");
        expect(statSync(join(directory, "empty")).size).toBe(0);
    });

    it("replaces a file as a whole: who has the old one open keeps it", async () => {
        writeFileSync(join(directory, "f"), "old");
        const inode = statSync(join(directory, "f")).ino;
        await upload("f", "new");
        expect(readFileSync(join(directory, "f"), "utf8")).toBe("new");
        expect(statSync(join(directory, "f")).ino).not.toBe(inode);
    });

    it("follows a link", async () => {
        writeFileSync(join(directory, "real"), "old");
        symlinkSync("real", join(directory, "link"));
        await upload("link", "new");
        expect(lstatSync(join(directory, "link")).isSymbolicLink()).toBe(true);
        expect(readFileSync(join(directory, "real"), "utf8")).toBe("new");
    });

    it("keeps the owner of a file, or sets it", async () => {
        if (!canCreateUsers) {
            return;
        }
        writeFileSync(join(directory, "f"), "old");
        chownSync(join(directory, "f"), 1234, 5678);
        await upload("f", "new");
        expect(statSync(join(directory, "f"))).toMatchObject({ uid: 1234, gid: 5678 });
        await upload("f", "newer", { owner: "daemon:root" });
        expect(statSync(join(directory, "f"))).toMatchObject({ uid: 1, gid: 0 });
    });

    it.each([
        ["a directory that is missing", "missing/f", {}, "No such file or directory"],
        ["an owner who does not exist", "f", { owner: "nobody-of-this-name" }, "invalid user"],
        ["the name of a directory", "directory", {}, "is a directory"],
    ])("fails with the tool's own words for %s, and leaves nothing", async (_, name, more, words) => {
        mkdirSync(join(directory, "directory"));
        const error = await failure(upload(name, "x", more));
        expect(error.code).toBe("UPLOAD_FAILED");
        expect(error.message).toContain(words);
        expect(readdirSync(directory)).toEqual(["directory"]);
        expect(readdirSync(join(directory, "directory"))).toEqual([]);
    });

    it.each([{ path: "relative" }, { path: "/" }, { path: "/tmp/" }, { mode: "rw-r--r--" }])(
        "refuses %p before it sends anything",
        async (more) => {
            expect((await failure(upload("f", "x", more))).code).toBe("INVALID_ARGUMENT");
        },
    );

    it("says that the disk is full, and keeps the old file", async () => {
        if (!canCreateUsers) {
            return;
        }
        execFileSync("mount", ["-t", "tmpfs", "-o", "size=256k", "tmpfs", directory]);
        try {
            await upload("f", "old");
            const error = await failure(upload("f", Buffer.alloc(2_000_000, "x")));
            expect(error.code).toBe("UPLOAD_FAILED");
            expect(error.message).toContain("No space left on device");
            expect(readdirSync(directory)).toEqual(["f"]);
            expect(readFileSync(join(directory, "f"), "utf8")).toBe("old");
        } finally {
            execFileSync("umount", [directory]);
        }
    });

    it("keeps the old file and nothing else when the connection breaks on the way", async () => {
        writeFileSync(join(directory, "f"), "old");
        const wire = await Wire.create(sshd.port);
        const over = await connect({ ...sshd.connection, port: wire.port });
        wire.cutAfter = wire.sent + 3_000_000;
        const error = await failure(
            over.upload({
                step: "write f",
                path: join(directory, "f"),
                content: Buffer.alloc(10_000_000, "x"),
                mode: "0644",
                sudo: false,
            }),
        );
        expect(error).toMatchObject({ code: "CONNECTION_LOST", step: "write f" });
        await until(() => readdirSync(directory).length === 1, "the removal of the temporary file");
        expect(readFileSync(join(directory, "f"), "utf8")).toBe("old");
        await wire.close();
    });
});
