import { generateKeyPairSync } from "node:crypto";
import { placeOf, resolveConnection } from "../../../src/ssh/connection";
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

describe("jump hosts", () => {
    it("are checked and filled in to any depth", () => {
        const proxy = { host: "B", proxy: { host: "[2001:DB8::1]", user: "jump" } };
        expect(resolveConnection({ host: "a", proxy })).toMatchObject({
            host: "a",
            proxy: { host: "b", port: 22, user: "root", proxy: { host: "2001:db8::1", user: "jump" } },
        });
        expect(() => resolveConnection({ host: "a", proxy: { host: "b", proxy: { host: "" } } })).toThrow(
            "connection.proxy.proxy.host must be",
        );
    });

    it("make the same address another place", () => {
        const place = (proxy?: { host: string; proxy?: { host: string } }) =>
            placeOf(resolveConnection({ host: "10.0.0.5", proxy }));
        expect(new Set([place(), place({ host: "b" }), place({ host: "c" })]).size).toBe(3);
        expect(place({ host: "b", proxy: { host: "c" } })).toBe("10.0.0.5:22 via b:22 via c:22");
    });
});

describe("masking", () => {
    it("takes out every secret, the longer ones first, and every line of a key", () => {
        const proxy = { host: "y", proxy: { host: "z", password: "abcdefghi" } };
        const connection = { host: "x", password: "abc", sudoPassword: "abcdef", privateKey: pem, proxy };
        const line = pem.split("\n")[3]!;
        expect(mask(`abcdef abc ${line} abcdefghi.`, connection)).toBe("[secret] [secret] [secret] [secret].");
    });
});
