import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import fc from "fast-check";
import { dropKey, findKey, type KeyLine, listKeys, putKey } from "../../src/host/authorized-keys/file";
import { closeAllConnections, connect } from "../../src/ssh";
import { fingerprintOf, generateKeyPair, parsePublicKey } from "../../src/ssh/key-pair";
import { Sshd } from "../support/sshd";
import { describeSsh } from "./support";

const pool = Array.from({ length: 6 }, (_, index) => parsePublicKey(generateKeyPair(`${index}`).publicKey)!);

const comment = fc.oneof(
    fc.constant(""),
    fc.constantFrom("anna@laptop", "two words", 'with "quotes" # and marks', "größe"),
);
const options = fc.constantFrom(
    "",
    "restrict",
    'from="10.0.0.0/8,!10.1.*"',
    'command="echo \\"a, b\\" # no" ,no-pty'.replace(" ,", ","),
    'environment="A=x y",restrict,pty',
    'from="192.0.2.1",command="/bin/sh -c \'ssh-ed25519 AAAA\'"',
);
const foreign = fc.constantFrom(
    "",
    "   ",
    "# a comment",
    "  # ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA==",
    "nonsense",
    "ssh-ed25519",
    "ssh-ed25519 AAAA broken",
    "ssh-rsa AAAAC3NzaC1lZDI1NTE5 other type inside",
    "1024 35 1234567890 old protocol",
    "\u00e9\u4e16 not a key",
    'command="never closed ssh-ed25519 AAAA',
    "\ttabs\tonly",
);
const keyLine = fc
    .tuple(options, fc.constantFrom(...pool), comment, fc.constantFrom("", " ", "\t"), fc.constantFrom(" ", "\t", "  "))
    .map(([option, key, words, indent, gap]) => {
        // After options ssh-keygen, unlike sshd, takes a single blank only: see the last test.
        return indent + (option && `${option} `) + [key.type, key.base64, words].filter(Boolean).join(gap);
    });
/** A file as people and programs leave them. */
const file = fc
    .tuple(
        fc.array(fc.tuple(fc.oneof(foreign, keyLine, keyLine), fc.constantFrom("\n", "\n", "\n", "\r\n")), {
            maxLength: 8,
        }),
        fc.boolean(),
    )
    .map(([lines, isEnded]) => {
        const text = lines.map(([line, end]) => line + end).join("");
        return Buffer.from(isEnded ? text : text.replace(/\r?\n$/, ""));
    });
const wanted: fc.Arbitrary<KeyLine> = fc
    .tuple(options, fc.constantFrom(...pool), comment)
    .map(([option, key, words]) => ({ options: option, type: key.type, base64: key.base64, comment: words }));

/** The fingerprints that ssh-keygen finds in a file. */
function oracle(content: Buffer): string[] {
    try {
        const said = execFileSync("sh", ["-c", "cat | ssh-keygen -l -f /dev/stdin"], { input: content, stdio: "pipe" });
        return said
            .toString("utf8")
            .split("\n")
            .flatMap((line) => line.split(" ")[1] ?? []);
    } catch {
        // "is not a public key file": there is none in it.
        return [];
    }
}

const fingerprints = (content: Buffer) => listKeys(content).map(({ base64 }) => fingerprintOf(base64));
const linesOf = (content: Buffer) => content.toString("latin1").split("\n");

describeSsh("the editor of authorized_keys", () => {
    it("finds the keys that ssh-keygen finds, in the same order", () => {
        fc.assert(
            fc.property(file, (content) => {
                expect(fingerprints(content)).toEqual(oracle(content));
            }),
            { numRuns: 150 },
        );
    });

    it("puts a key in so that ssh-keygen finds it once, and every foreign line stays, byte for byte, in its order", () => {
        fc.assert(
            fc.property(file, wanted, (content, line) => {
                const changed = putKey(content, line);
                expect(findKey(changed, line.base64)).toEqual(line);
                expect(oracle(changed).filter((print) => print === fingerprintOf(line.base64))).toHaveLength(1);
                const others = (bytes: Buffer) =>
                    linesOf(bytes).filter((text) => !text.includes(line.base64) && text !== "");
                const [before, after] = [others(content), others(changed)];
                // A file without a last line end gets one, of the kind that the file has.
                expect(after.map((text) => text.replace(/\r$/, ""))).toEqual(
                    before.map((text) => text.replace(/\r$/, "")),
                );
            }),
            { numRuns: 100 },
        );
    });

    it("takes a key out that it has put in, and leaves the very bytes that were there", () => {
        fc.assert(
            fc.property(file, wanted, (content, line) => {
                const without = dropKey(content, line.base64);
                fc.pre(without.length === 0 || without.at(-1) === 0x0a);
                expect(dropKey(putKey(without, line), line.base64).equals(without)).toBe(true);
            }),
        );
    });

    it("drops every line of a key and nothing else", () => {
        fc.assert(
            fc.property(file, fc.constantFrom(...pool), (content, key) => {
                const changed = dropKey(content, key.base64);
                expect(fingerprints(changed)).toEqual(
                    fingerprints(content).filter((print) => print !== fingerprintOf(key.base64)),
                );
                const kept = content.toString("latin1").match(/[^\n]*\n|[^\n]+$/g) ?? [];
                const mine = (text: string) =>
                    listKeys(Buffer.from(text, "latin1")).some((line) => line.base64 === key.base64);
                expect(changed.toString("latin1")).toBe(kept.filter((text) => !mine(text)).join(""));
            }),
        );
    });

    it("does nothing twice", () => {
        fc.assert(
            fc.property(file, wanted, (content, line) => {
                const once = putKey(content, line);
                expect(putKey(once, line).equals(once)).toBe(true);
            }),
        );
    });

    it("finds a key behind several blanks, as sshd does", async () => {
        const sshd = await Sshd.create();
        const pair = generateKeyPair("blanks");
        const line = `\t restrict \t ${pair.publicKey.replace(" ", " \t")}  a comment\r\n`;
        writeFileSync(`${sshd.directory}/authorized_keys`, line);
        await connect({ ...sshd.connection, privateKey: pair.privateKey }, { fresh: true });
        expect(listKeys(Buffer.from(line))).toEqual([
            { options: "restrict", ...parsePublicKey(pair.publicKey)!, comment: "a comment" },
        ]);
        await closeAllConnections();
        await sshd.stop();
    });

    it("leaves bytes alone that are no UTF-8", () => {
        const odd = Buffer.concat([Buffer.from([0xff, 0xfe, 0x0a]), Buffer.from("# \xe9\n", "latin1")]);
        const line: KeyLine = { options: "", type: pool[0]!.type, base64: pool[0]!.base64, comment: "x" };
        expect(putKey(odd, line).subarray(0, odd.length).equals(odd)).toBe(true);
        expect(dropKey(putKey(odd, line), line.base64).equals(odd)).toBe(true);
    });
});
