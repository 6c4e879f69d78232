import { generateKeyPairSync } from "node:crypto";
import { privateKeyProblem } from "../../../src/provider/private-key";

const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 1024 });
const key = privateKey.export({ type: "pkcs1", format: "pem" }) as string;

describe("the text of a private key", () => {
    it.each([
        ["as ssh-keygen writes it", key],
        ["with the line ends of Windows", key.replace(/\n/g, "\r\n")],
        ["with blank lines around it", `\n\n${key}\n`],
        ["in PuTTY's form", "PuTTY-User-Key-File-2: ssh-rsa\nEncryption: none\n"],
    ])("is accepted %s", (_, text) => {
        expect(privateKeyProblem(text)).toBeUndefined();
    });

    it.each([
        ["empty", "", /empty/],
        ["a public key", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBx me@here", /public key/],
        ["a path", "/home/me/.ssh/id_ed25519", /path of its file/],
        ["with \\n as two characters", key.replace(/\n/g, "\\n"), /line breaks/],
        ["indented", key.replace(/\n/g, "\n    "), /indented/],
        ["cut off", key.slice(0, key.length / 2), /cut off/],
        ["something else", "hello\nworld", /begins with a line/],
    ])("is refused when it is %s, with the cure", (_, text, cure) => {
        expect(privateKeyProblem(text)).toMatch(cure);
        const secret = key.slice(100, 140);
        expect(privateKeyProblem(text)).not.toContain(secret);
    });
});
