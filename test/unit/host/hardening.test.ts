import fc from "fast-check";
import {
    completeHardening,
    type Hardening,
    hardeningKeys,
    hardeningText,
    readSetting,
    sameSetting,
    settingsOf,
} from "../../../src/host/sshd/settings";

const name = fc.stringMatching(/^[a-z][a-z0-9@.*-]{0,11}$/);
const hardening: fc.Arbitrary<Hardening> = fc.record(
    {
        passwordAuthentication: fc.boolean(),
        kbdInteractiveAuthentication: fc.boolean(),
        permitRootLogin: fc.constantFrom("yes" as const, "prohibit-password" as const, "no" as const),
        maxAuthTries: fc.integer({ min: 1, max: 20 }),
        loginGraceTime: fc.integer({ min: 1, max: 600 }),
        x11Forwarding: fc.boolean(),
        allowAgentForwarding: fc.boolean(),
        allowTcpForwarding: fc.oneof(fc.boolean(), fc.constantFrom("local" as const, "remote" as const)),
        allowUsers: fc.array(name, { minLength: 1, maxLength: 4 }),
        allowGroups: fc.array(name, { minLength: 1, maxLength: 4 }),
    },
    { requiredKeys: [] },
);

describe("the settings of hardening", () => {
    it("refuse questions where they refuse passwords", () => {
        expect(hardeningText({ passwordAuthentication: false }).split("\n").slice(1)).toEqual([
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "ChallengeResponseAuthentication no",
        ]);
        expect(completeHardening({ passwordAuthentication: true })).toEqual({ passwordAuthentication: true });
    });

    it("are written one keyword a line, as sshd_config spells them", () => {
        const lines = hardeningText({ x11Forwarding: false, allowUsers: ["admin", "ops"], maxAuthTries: 4 }).split(
            "\n",
        );
        expect(lines.slice(1)).toEqual(["MaxAuthTries 4", "X11Forwarding no", "AllowUsers admin ops"]);
    });

    it("are the same when they are read back from what was written", () => {
        fc.assert(
            fc.property(hardening, (wanted) => {
                const lines = hardeningText(wanted).split("\n").slice(1);
                for (const [key, value] of settingsOf(completeHardening(wanted))) {
                    const found = lines
                        .filter((line) => line.toLowerCase().startsWith(`${key.toLowerCase()} `))
                        .map((line) => line.slice(key.length + 1));
                    expect(found).toHaveLength(1);
                    expect(sameSetting(readSetting(key, found), value)).toBe(true);
                }
            }),
        );
    });

    it("know all keywords of the type", () => {
        const every = fc.sample(hardening, 200).flatMap((wanted) => Object.keys(wanted));
        expect([...new Set(every)].sort()).toEqual([...hardeningKeys].sort());
    });

    it.each([
        ["permitRootLogin", ["without-password"], "prohibit-password"],
        ["permitRootLogin", ["Prohibit-Password"], "prohibit-password"],
        ["permitRootLogin", ["yes"], "yes"],
        ["allowTcpForwarding", ["all"], true],
        ["allowTcpForwarding", ["local"], "local"],
        ["maxAuthTries", ["6"], 6],
        ["loginGraceTime", ["2m"], "2m"],
        ["allowUsers", ["admin", "ops@10.*"], ["admin", "ops@10.*"]],
        ["allowUsers", [], []],
    ] as const)("read %s %j as %j", (key, words, value) => {
        expect(readSetting(key, words)).toEqual(value);
    });

    it("do not mind the order of a list", () => {
        expect(sameSetting(["a", "b"], ["b", "a"])).toBe(true);
        expect(sameSetting(["a", "b"], ["b"])).toBe(false);
    });
});
