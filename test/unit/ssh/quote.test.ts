import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import fc from "fast-check";
import { quote } from "../../../src/ssh/quote";
import { composeScript } from "../../../src/ssh/script";

const shells = [["dash"], ["busybox", "ash"], ["bash", "--posix"]].filter(([program]) =>
    ["/bin", "/usr/bin"].some((directory) => existsSync(`${directory}/${program}`)),
);
const print = { name: "print.sh", text: 'for a; do printf "%s\\0" "$a"; done' };
/** Every code point but NUL and lone surrogates, which no UTF-8 text holds. */
const text = fc.string({ unit: "binary", maxLength: 40 }).map((s) => s.replace(/\0|\p{Surrogate}/gu, ""));

function through(shell: string[], args: string[]): string[] {
    const [program, ...options] = shell;
    const input = composeScript(print, args);
    // As on a machine: from standard input through eval.
    const result = spawnSync(program!, [...options, "-c", 'eval "$(cat)"'], { input, encoding: "utf8" });
    expect(result.stderr).toBe("");
    return result.stdout.split("\0").slice(0, -1);
}

describe("quoting", () => {
    it("refuses NUL", () => {
        expect(() => quote("a\0b")).toThrow("INVALID_ARGUMENT");
    });

    it.each(shells.map((shell) => [shell.join(" "), shell] as const))("survives %s, whatever the text", (_, shell) => {
        fc.assert(
            fc.property(fc.array(text, { maxLength: 10 }), (args) => {
                expect(through(shell, args)).toEqual(args);
            }),
            { numRuns: 60 },
        );
    });

    it.each(shells.map((shell) => [shell.join(" "), shell] as const))("survives %s with each character", (_, shell) => {
        const args = Array.from({ length: 0x2ff }, (_, i) => String.fromCodePoint(i + 1));
        expect(through(shell, args)).toEqual(args);
    });
});

describe("a script that was cut off", () => {
    it.each(shells.map((shell) => [shell.join(" "), shell] as const))(
        "runs nothing in %s, wherever the cut",
        (_, shell) => {
            const whole = Buffer.from(composeScript({ name: "x", text: "echo one\necho '}'\necho two" }, ["a'b"]));
            const [program, ...options] = shell;
            const run = (input: Buffer) =>
                spawnSync(program!, [...options, "-c", 'eval "$(cat)"'], { input, encoding: "utf8" });
            expect(run(whole).stdout).toBe("one\n}\ntwo\n");
            for (let length = 1; length < whole.length; length += 23) {
                expect(run(whole.subarray(0, length)).stdout).toBe("");
            }
            expect(run(whole.subarray(0, -1)).stdout).toBe("");
        },
    );
});
