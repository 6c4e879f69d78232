import { generateKeyPairSync } from "node:crypto";
import { resolveConnection } from "../../../src/ssh/connection";
import { mask } from "../../../src/ssh/mask";
import { parsePrivateKey, privateKeyMistake } from "../../../src/ssh/private-key";

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const pem = rsa.privateKey.export({ type: "pkcs1", format: "pem" }) as string;

describe("connection", () => {
    it("fills in the defaults", () => {
        expect(resolveConnection({ host: "Web1.Example.org" })).toMatchObject({
            host: "web1.example.org",
            port: 22,
            user: "root",
            strictHostKeyChecking: "accept-new",
            dialErrorLimit: 10,
            perDialTimeout: 15,
        });
    });

    it.each([
        ["host", ""],
        ["host", "root@web1"],
        ["host", "ssh://web1"],
        ["port", 0],
        ["port", 65_536],
        ["port", "22"],
        ["user", ""],
        ["user", "a b"],
        ["password", 5],
        ["sudoPassword", "two\nlines"],
        ["strictHostKeyChecking", "no"],
        ["dialErrorLimit", -2],
        ["perDialTimeout", 0],
    ])("refuses a wrong %s: %p, by its name", (key, value) => {
        expect(() => resolveConnection({ host: "web1", [key]: value } as never)).toThrow(
            expect.objectContaining({
                code: "INVALID_ARGUMENT",
                message: expect.stringContaining(`connection.${key}`),
            }),
        );
    });
});

describe("a private key that cannot be used", () => {
    it("is not one that can", () => {
        expect(parsePrivateKey(pem, undefined).isPrivateKey()).toBe(true);
        expect(parsePrivateKey(pem.replaceAll("\n", "\r\n"), undefined).isPrivateKey()).toBe(true);
    });

    it.each([
        ["is empty", " \n"],
        ["is a public key", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIICZ me@here"],
        ["is a file name", "~/.ssh/id_ed25519"],
        ["it has no BEGIN line", "hello"],
        ["the two characters \\ and n", pem.replaceAll("\n", "\\n")],
        ["has indented lines", pem.replaceAll("\n", "\n    ")],
        ["is in PKCS#8 format", rsa.privateKey.export({ type: "pkcs8", format: "pem" }) as string],
        ["its END line is missing", pem.slice(0, 900)],
        [
            "is encrypted",
            rsa.privateKey.export({ type: "pkcs1", format: "pem", cipher: "aes-128-cbc", passphrase: "x" }) as string,
        ],
        ["cannot be read", pem.replace(/MII.{40}/, "AAAA")],
    ])("is named: %s", (words, text) => {
        expect(() => parsePrivateKey(text, undefined)).toThrow(
            expect.objectContaining({ code: "PRIVATE_KEY_INVALID", message: expect.stringContaining(words) }),
        );
        expect(() => parsePrivateKey(text, undefined)).toThrow(/connection\.privateKey/);
        expect(() => parsePrivateKey(text, undefined)).not.toThrow(pem.slice(100, 140));
    });

    it.each([
        ["as ssh-keygen writes it", pem],
        ["with the line ends of Windows", pem.replaceAll("\n", "\r\n")],
        ["with blank lines around it", `\n\n${pem}\n`],
        ["in PuTTY's form", "PuTTY-User-Key-File-2: ssh-rsa\nEncryption: none\n"],
    ])("shows no mistake %s", (_, text) => {
        expect(privateKeyMistake(text)).toBeUndefined();
    });
});

describe("masking", () => {
    it("takes out every secret, the longer ones first, and every line of a key", () => {
        const connection = { host: "x", password: "abc", sudoPassword: "abcdef", privateKey: pem };
        const line = pem.split("\n")[3]!;
        expect(mask(`abcdef abc ${line}.`, connection)).toBe("[secret] [secret] [secret].");
    });
});
