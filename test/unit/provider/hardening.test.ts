import { sshHardening } from "../../../src/provider/ssh-hardening";

async function mistakes(hardening: unknown): Promise<string[]> {
    const inputs = { connection: { host: "web", privateKey: undefined }, hardening };
    const { failures } = await sshHardening.check({}, inputs);
    return failures.map(({ property, reason }) => `${property}: ${reason}`);
}

describe("the argument hardening", () => {
    it("takes every keyword", async () => {
        const all = {
            passwordAuthentication: false,
            kbdInteractiveAuthentication: false,
            permitRootLogin: "prohibit-password",
            maxAuthTries: 4,
            loginGraceTime: 30,
            x11Forwarding: false,
            allowAgentForwarding: false,
            allowTcpForwarding: "local",
            allowUsers: ["admin", "ops@10.*"],
            allowGroups: ["ssh-users"],
        };
        expect(await mistakes(all)).toEqual([]);
    });

    it.each([
        ["nothing", {}, /at least one setting/],
        ["a misspelled keyword", { permitRootlogin: "no" }, /did you mean permitRootLogin/],
        ["true for permitRootLogin", { permitRootLogin: true }, /"yes", "prohibit-password" or "no"/],
        ["a text for a number", { maxAuthTries: "4" }, /a number of refused logins/],
        ["one try", { maxAuthTries: 1 }, /at least 2/],
        ["no time", { loginGraceTime: 0 }, /at least 10/],
        ["another word for forwarding", { allowTcpForwarding: "both" }, /true, false, "local" or "remote"/],
        ["an empty list of users", { allowUsers: [] }, /would let nobody in/],
        ["two users in one text", { allowUsers: ["admin ops"] }, /without blanks/],
        ["a line break in a user", { allowUsers: ["admin\nPasswordAuthentication yes"] }, /without blanks/],
        [
            "questions where passwords are refused",
            { passwordAuthentication: false, kbdInteractiveAuthentication: true },
            /lets passwords in by another name/,
        ],
    ])("refuses %s", async (_, hardening, words) => {
        expect(await mistakes(hardening)).toEqual([expect.stringMatching(words)]);
    });
});
