import fc from "fast-check";
import {
    formatOption,
    hasOption,
    isExpired,
    optionMistake,
    optionNames,
    parseOption,
    splitOptions,
} from "../../../src/host/authorized-keys/options";
import { type PathFacts, strictModesProblems } from "../../../src/host/authorized-keys/strict-modes";

const now = new Date("2027-01-31T12:00:00Z");
const mistake = (text: string) => optionMistake(parseOption(text), now);

describe("the options of a key", () => {
    it("are split and read as they were written, whatever their values hold", () => {
        const value = fc.string({ minLength: 1 }).filter((text) => !/[\n\r\0]|\\$|\\"/.test(text));
        const option = fc.tuple(fc.constantFrom(...optionNames), fc.option(value, { nil: undefined }));
        fc.assert(
            fc.property(fc.array(option, { minLength: 1, maxLength: 5 }), (list) => {
                const options = list.map(([name, given]) => ({
                    name,
                    ...(given === undefined ? {} : { value: given }),
                }));
                const text = options.map(formatOption).join(",");
                expect(splitOptions(text)).toEqual(options.map(formatOption));
                expect(splitOptions(text).map(parseOption)).toEqual(options);
            }),
        );
    });

    it("may be given with or without quotes", () => {
        expect(formatOption(parseOption("from=10.0.0.0/8,!10.1.*"))).toBe('from="10.0.0.0/8,!10.1.*"');
        expect(formatOption(parseOption('from="10.0.0.0/8"'))).toBe('from="10.0.0.0/8"');
        expect(formatOption(parseOption('command=echo "a"'))).toBe('command="echo \\"a\\""');
        expect(formatOption(parseOption("restrict"))).toBe("restrict");
    });

    it.each([
        ["restrict", undefined],
        ["X11-forwarding", undefined],
        ["FROM=10.0.0.1", undefined],
        ["restrict=yes", /takes no value/],
        ["from", /needs a value/],
        ["cert-authority", /no such option/],
        ["form=10.0.0.1", /no such option/],
        ["command=a\nb", /single line/],
        ["expiry-time=20270131", /expired/],
        ["expiry-time=20270201", undefined],
        ["expiry-time=20270130", /expired at 20270130/],
        ["expiry-time=202701311159Z", /expired/],
        ["expiry-time=202701311201Z", undefined],
        ["expiry-time=20271301", /written YYYYMMDD/],
        ["expiry-time=tomorrow", /written YYYYMMDD/],
    ])("%j is judged", (text, words) => {
        if (words === undefined) expect(mistake(text)).toBeUndefined();
        else expect(mistake(text)).toMatch(words);
    });

    it("tell whether a key has expired, and whether it has an option", () => {
        expect(isExpired('restrict,expiry-time="20260101"', now)).toBe(true);
        expect(isExpired('command="expiry-time=20260101"', now)).toBe(false);
        expect(hasOption('no-pty,from="a,command=b"', "command")).toBe(false);
        expect(hasOption("no-pty,COMMAND=b", "command")).toBe(true);
    });
});

describe("StrictModes", () => {
    const path = (name: string, mode: string, uid: number): PathFacts => ({
        path: name,
        mode,
        uid,
        owner: `user${uid}`,
        type: "directory",
    });
    const good = [
        path("/home/anna/.ssh/authorized_keys", "0600", 1000),
        path("/home/anna/.ssh", "0700", 0),
        path("/home/anna", "0755", 1000),
        path("/home", "0777", 7),
        path("/", "0755", 0),
    ];

    it("has nothing against files of the user or root up to the home directory, whatever is above", () => {
        expect(strictModesProblems(good, 1000, "/home/anna")).toEqual([]);
    });

    it("looks up to the root for a file elsewhere", () => {
        expect(strictModesProblems(good, 1000, "/srv/anna").map((problem) => problem.path)).toEqual(["/home"]);
    });

    it("names each path with its reasons", () => {
        const [first, ...rest] = good;
        const bad = [{ ...first!, mode: "0620", uid: 7, owner: "mallory" }, ...rest];
        expect(strictModesProblems(bad, 1000, "/home/anna")).toEqual([
            {
                path: "/home/anna/.ssh/authorized_keys",
                text: "/home/anna/.ssh/authorized_keys belongs to mallory and has mode 0620, so that others may write to it",
                tighten: true,
                own: true,
            },
        ]);
    });
});
