import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { forTerminal, StreamSplitter } from "../../src/ssh/terminal";

const mark = "fleet-12345";

/** What a splitter makes of a stream that arrives in pieces of these lengths. */
function split(stream: Buffer, lengths: number[]) {
    const out: Buffer[] = [];
    const errors: Buffer[] = [];
    const codes: number[] = [];
    const splitter = new StreamSplitter(
        mark,
        (chunk) => out.push(Buffer.from(chunk)),
        (chunk) => errors.push(Buffer.from(chunk)),
        (code) => codes.push(code),
    );
    let at = 0;
    for (const length of [...lengths, stream.length]) {
        splitter.push(stream.subarray(at, at + length));
        at += length;
    }
    splitter.flush();
    return { out: Buffer.concat(out), errors: Buffer.concat(errors), codes };
}

const frame = (errors: Buffer) => Buffer.from(`${mark}:${errors.toString("hex")}\n`);
const exit = (code: number) => Buffer.from(`${mark} exit ${code}\n`);
// Bytes that are likely to look like the beginning of a mark.
const bytes = fc
    .array(fc.oneof(fc.constantFrom(...Buffer.from(`${mark}: exit\n\n`)), fc.integer({ min: 0, max: 255 })))
    .map((list) => Buffer.from(list));

describe("the streams of a terminal", () => {
    it("are taken apart as they were put together, however they are cut into pieces", () => {
        fc.assert(
            fc.property(
                fc.array(fc.tuple(bytes, bytes)),
                fc.nat(255),
                fc.array(fc.nat(20)),
                fc.integer({ min: 1, max: 60 }),
                (parts, code, lengths, size) => {
                    const out = Buffer.concat(parts.map(([chunk]) => chunk));
                    const errors = Buffer.concat(parts.map(([, chunk]) => chunk));
                    fc.pre(!out.includes(`${mark}:`) && !errors.includes(`${mark} exit `));
                    const all = Buffer.concat([errors, exit(code)]);
                    const frames: Buffer[] = [];
                    for (let at = 0; at < all.length; at += size) {
                        frames.push(frame(all.subarray(at, at + size)));
                    }
                    const stream = Buffer.concat([...parts.map(([chunk]) => chunk), ...frames]);
                    fc.pre(stream.toString("latin1").split(`${mark}:`).length === frames.length + 1);
                    expect(split(stream, lengths)).toEqual({ out, errors, codes: [code] });
                },
            ),
        );
    });

    it("give what they have when the end is missing", () => {
        const { out, errors, codes } = split(
            Buffer.concat([frame(Buffer.from("err")), Buffer.from("out fleet-1")]),
            [],
        );
        expect({ out: out.toString(), errors: errors.toString(), codes }).toEqual({
            out: "out fleet-1",
            errors: "err",
            codes: [],
        });
    });

    it.each(["dash", "bash --posix", "busybox sh"])("are made by %s", (shell) => {
        const [program, ...args] = shell.split(" ") as [string, ...string[]];
        if (spawnSync(program, [...args, "-c", "true"]).status !== 0) {
            return;
        }
        const text = forTerminal("cat; echo error >&2; exit 3", mark, Buffer.from("input"));
        const { stdout, stderr } = spawnSync(program, [...args, "-c", text], { input: "input and more" });
        const { out, errors, codes } = split(stdout, []);
        expect({ out: out.toString(), errors: errors.toString(), codes, rest: stderr.toString() }).toEqual({
            out: "input",
            errors: "error\n",
            codes: [3],
            rest: "",
        });
    });
});
