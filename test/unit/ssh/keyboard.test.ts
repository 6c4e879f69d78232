import { answerWithPassword } from "../../../src/ssh/keyboard";

const hidden = (...prompts: string[]) => prompts.map((prompt) => ({ prompt, echo: false }));

describe("the questions of a login", () => {
    it.each([["Password: "], ["(root@web1) Password: "], ["admin's password:"], ["Passwort: "], ["Heslo: "], [""]])(
        "get the password: %s",
        (prompt) => {
            expect(answerWithPassword("p")(hidden(prompt))).toEqual(["p"]);
        },
    );

    it("get it in several rounds and several at a time, as long as each is another one for a password", () => {
        const answer = answerWithPassword("p");
        expect(answer([])).toEqual([]);
        expect(answer(hidden("Password: ", "LDAP Password: "))).toEqual(["p", "p"]);
        expect(answer(hidden("Unix password: "))).toEqual(["p"]);
        expect(answer(hidden("Password: "))).toEqual({ prompt: "Password: ", kind: "again" });
    });

    it.each([
        ["Verification code: "],
        ["One-time password (OATH) for `admin': "],
        ["Enter PASSCODE: "],
        ["Password & verification code: "],
        ["Duo two-factor login for admin\n\nPasscode or option (1-2): "],
        ["YubiKey for `admin': "],
        ["Enter PIN for authenticator: "],
    ])("are for people: %s", (prompt) => {
        expect(answerWithPassword("p")(hidden(prompt))).toEqual({ prompt, kind: "other" });
    });

    it("are for people when the answer would be seen, and when a second one is not for a password", () => {
        expect(answerWithPassword("p")([{ prompt: "Password: ", echo: true }])).toMatchObject({ kind: "other" });
        expect(answerWithPassword("p")(hidden("Password: ", "Favourite colour: "))).toMatchObject({ kind: "other" });
        const answer = answerWithPassword("p");
        answer(hidden("Password: "));
        expect(answer(hidden("Heslo: "))).toMatchObject({ kind: "other" });
    });

    it.each([["Current password: "], ["New password: "], ["Retype new password: "]])(
        "are about a new password: %s",
        (prompt) => {
            expect(answerWithPassword("p")(hidden(prompt))).toEqual({ prompt, kind: "new password" });
        },
    );
});
