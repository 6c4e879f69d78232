import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { upstreamVersion, versionMatches } from "../../../src/host/engine";

const functions = readFileSync(join(__dirname, "../../../src/host/packages/apt.sh"), "utf8");

/** The shell's answers, for several pairs in one sh. */
function inShell(pairs: [string, string][]): boolean[] {
    const calls = 'while [ $# -gt 0 ]; do if version_matches "$1" "$2"; then echo yes; else echo no; fi; shift 2; done';
    const output = execFileSync("sh", ["-c", `${functions}\n${calls}`, "sh", ...pairs.flat()], { encoding: "utf8" });
    return output
        .trim()
        .split("\n")
        .map((line) => line === "yes");
}

const cases: [string, string, boolean][] = [
    ["26.1.5+dfsg1-9+b9", "26", true],
    ["26.1.5+dfsg1-9+b9", "26.1", true],
    ["26.1.5+dfsg1-9+b9", "26.1.5", true],
    ["26.1.5+dfsg1-9+b9", "26.1.5+dfsg1-9+b9", true],
    ["26.1.5+dfsg1-9+b9", "2", false],
    ["26.1.5+dfsg1-9+b9", "26.1.5.1", false],
    ["5:28.5.2-1~debian.13~trixie", "28.5", true],
    ["5:28.50.2-1~debian.13~trixie", "28.5", false],
    ["5:20.10.24~3-0~debian-bookworm", "20.10.24", true],
];

describe("versions", () => {
    it.each(cases)("%s and the wish %s: %s", (version, wanted, expected) => {
        expect(versionMatches(version, wanted)).toBe(expected);
    });

    it("are compared alike on the machine and here", () => {
        expect(inShell(cases.map(([version, wanted]) => [version, wanted]))).toEqual(
            cases.map(([, , expected]) => expected),
        );
        const part = fc.stringMatching(/^[0-9]{1,2}$/);
        const version = fc.tuple(
            fc.constantFrom("", "5:"),
            part,
            part,
            part,
            fc.constantFrom("", "-1", "+dfsg1-9+b9", "~3-0~debian"),
        );
        const pair = version.chain(([epoch, a, b, c, rest]) =>
            fc.tuple(
                fc.constant(`${epoch}${a}.${b}.${c}${rest}`),
                fc.oneof(fc.constantFrom(a, `${a}.${b}`, `${a}.${b}.${c}`, `${epoch}${a}.${b}.${c}${rest}`), part),
            ),
        );
        fc.assert(
            fc.property(fc.array(pair, { minLength: 1, maxLength: 40 }), (pairs) => {
                expect(inShell(pairs)).toEqual(pairs.map(([installed, wanted]) => versionMatches(installed, wanted)));
            }),
            { numRuns: 20 },
        );
    });

    it("lose their packaging", () => {
        expect(upstreamVersion("5:28.5.2-1~debian.13~trixie")).toBe("28.5.2");
        expect(upstreamVersion("28.5.2+dfsg4")).toBe("28.5.2");
    });
});
