import { generateKeyPairSync } from "node:crypto";
import { resolveConnection } from "../../../src/ssh/connection";
import { mask } from "../../../src/ssh/mask";

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

describe("masking", () => {
    it("takes out every secret, the longer ones first, and every line of a key", () => {
        const connection = { host: "x", password: "abc", sudoPassword: "abcdef", privateKey: pem };
        const line = pem.split("\n")[3]!;
        expect(mask(`abcdef abc ${line}.`, connection)).toBe("[secret] [secret] [secret].");
    });
});
