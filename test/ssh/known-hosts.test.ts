import { spawnSync } from "node:child_process";
import { createHmac } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { fingerprintOf } from "../../src/ssh";
import { findKnownKeys } from "../../src/ssh/known-hosts";
import { describeSsh } from "./support";

jest.setTimeout(120_000);

describeSsh("known_hosts, against ssh-keygen", () => {
    let directory: string;
    let file: string;
    let keys: string[];
    beforeAll(() => {
        directory = mkdtempSync(join(tmpdir(), "fleet-known-hosts-"));
        file = join(directory, "known_hosts");
        keys = ["ed25519", "ecdsa", "rsa"].map((type) => {
            const path = join(directory, type);
            spawnSync("ssh-keygen", ["-q", "-t", type, "-N", "", "-C", "", "-f", path]);
            return readFileSync(`${path}.pub`, "utf8").trim();
        });
    });
    afterAll(() => rmSync(directory, { recursive: true }));

    /** What ssh-keygen finds: number and kind of each line. */
    function theirs(name: string): string[] {
        const { stdout } = spawnSync("ssh-keygen", ["-F", name, "-f", file], { encoding: "utf8" });
        return [...stdout.matchAll(/^# Host .* found: line (\d+)(?: (CA|REVOKED))?/gm)]
            .map(([, line, kind = "ACCEPTED"]) => `${line} ${kind}`)
            .sort();
    }

    function ours(host: string, port: number): string[] {
        const found = findKnownKeys([{ path: file, text: readFileSync(file, "utf8") }], host, port);
        const lines = (list: { line: number }[], kind: string) => list.map(({ line }) => `${line} ${kind}`);
        return [
            ...lines(found.accepted, "ACCEPTED"),
            ...lines(found.revoked, "REVOKED"),
            ...lines(found.authorities, "CA"),
        ].sort();
    }

    const hashed = (name: string, salt: Uint8Array) => {
        const digest = createHmac("sha1", salt).update(name).digest("base64");
        return `|1|${Buffer.from(salt).toString("base64")}|${digest}`;
    };
    const hosts = ["web1", "web2.example.org", "10.0.0.5", "2001:db8::1", "fe80::1%eth0"];
    const ports = [22, 2222];
    const names = hosts.flatMap((host) => ports.map((port) => (port === 22 ? host : `[${host}]:${port}`)));
    const pattern = fc.oneof(
        fc.constantFrom(...names, ...names.map((name) => name.toUpperCase())),
        fc.constantFrom(
            "*",
            "web*",
            "*.example.org",
            "web?",
            "10.0.0.*",
            "[*]:2222",
            "[web?]:*",
            "?*",
            "*1",
            "",
            "!",
            "\\d",
        ),
    );
    const patterns = fc
        .array(
            fc.tuple(fc.boolean(), pattern).map(([negated, text]) => (negated ? `!${text}` : text)),
            { minLength: 1, maxLength: 3 },
        )
        .map((list) => list.join(","));
    const where = fc.oneof(
        { weight: 3, arbitrary: patterns },
        {
            weight: 2,
            arbitrary: fc
                .tuple(fc.constantFrom(...names), fc.uint8Array({ minLength: 20, maxLength: 20 }))
                .map(([name, salt]) => hashed(name, salt)),
        },
        { weight: 1, arbitrary: fc.constantFrom("|1|bad", "|2|AAAA|BBBB", "|1||") },
    );
    const line = fc.oneof(
        {
            weight: 8,
            arbitrary: fc
                .record({
                    // With a tab behind it ssh does not know a marker; we do, for @revoked is not to be passed over.
                    marker: fc.constantFrom("", "", "", "@revoked ", "@cert-authority ", "@other "),
                    where,
                    key: fc.nat(2),
                    blank: fc.constantFrom(" ", "\t", "  "),
                    before: fc.constantFrom("", " ", "\t"),
                    after: fc.constantFrom("", " a comment", "\tmore", " ", "\r"),
                })
                .map(({ marker, where, key, blank, before, after }) => ({
                    text: (all: string[]) => `${before}${marker}${where}${blank}${all[key]}${after}`,
                })),
        },
        {
            weight: 1,
            arbitrary: fc
                .constantFrom(
                    "",
                    "# web1 ssh-ed25519 AAAA",
                    "web3",
                    "web3 ssh-ed25519",
                    "@revoked",
                    "nonsense in a line",
                )
                .map((text) => ({ text: () => text })),
        },
    );

    // Broken keys are left out: -F lists their lines, and ssh passes them over.
    it("finds the same lines, whatever is in the file", () => {
        fc.assert(
            fc.property(
                fc.array(line, { minLength: 1, maxLength: 12 }),
                fc.constantFrom(...hosts),
                fc.constantFrom(...ports),
                (lines, host, port) => {
                    const text = `${lines.map(({ text }) => text(keys)).join("\n")}\n`;
                    writeFileSync(file, text);
                    const name = port === 22 ? host : `[${host}]:${port}`;
                    expect({ text, found: ours(host, port) }).toEqual({ text, found: theirs(name) });
                },
            ),
            { numRuns: 200 },
        );
    });

    it("finds the same keys before and after all names are hashed", () => {
        writeFileSync(file, names.map((name, index) => `${name} ${keys[index % 3]}\n`).join(""));
        const before = names.map((_, index) => ours(hosts[index >> 1]!, ports[index % 2]!));
        spawnSync("ssh-keygen", ["-H", "-f", file]);
        expect(readFileSync(file, "utf8")).toMatch(/^(\|1\|\S+ \S+ \S+\s*)+$/);
        expect(names.map((_, index) => ours(hosts[index >> 1]!, ports[index % 2]!))).toEqual(before);
        expect(before).toEqual(names.map((_, index) => [`${index + 1} ACCEPTED`]));
    });

    it("names a key by the fingerprint that ssh-keygen prints", () => {
        for (const type of ["ed25519", "ecdsa", "rsa"]) {
            const path = join(directory, `${type}.pub`);
            const { stdout } = spawnSync("ssh-keygen", ["-l", "-f", path], { encoding: "utf8" });
            expect(stdout.split(" ")[1]).toBe(fingerprintOf(readFileSync(path, "utf8").split(" ")[1]!));
        }
    });
});
