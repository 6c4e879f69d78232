import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes } from "node:crypto";
import fc from "fast-check";
import { publicPartOfOpenSshKey, readSshStrings, sshString, writeOpenSshKey } from "../../../src/ssh/openssh-key";
import { parsePrivateKey, privateKeyMistake } from "../../../src/ssh/private-key";

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
const pem = rsa.export({ type: "pkcs1", format: "pem" }) as string;
const pkcs8 = rsa.export({ type: "pkcs8", format: "pem" }) as string;
const encrypted = rsa.export({ type: "pkcs1", format: "pem", cipher: "aes-128-cbc", passphrase: "x" }) as string;

describe("a private key", () => {
    it.each([
        ["PKCS#1", pem],
        ["PKCS#8", pkcs8],
        ["with the line ends of Windows", pkcs8.replaceAll("\n", "\r\n")],
        ["with the mark of a Windows editor before it", `\uFEFF${pem}`],
        ["with words before it", `Bag Attributes\nlocalKeyID: 01\n${pkcs8}`],
    ])("can be: %s", async (_, text) => {
        const key = await parsePrivateKey(text, undefined);
        expect(key.type).toBe("ssh-rsa");
        expect(key.isPrivateKey()).toBe(true);
    });

    // One key in 256 begins with a byte 0, at which conversions like to fail.
    it("of the type ed25519 stays the same key when it is converted from PKCS#8, whatever its bytes are", async () => {
        await fc.assert(
            fc.asyncProperty(fc.uint8Array({ minLength: 31, maxLength: 31 }), fc.constantFrom(0, 1, 255), check),
            { numRuns: 200, examples: [[new Uint8Array(31), 0]] },
        );
        async function check(rest: Uint8Array, first: number) {
            const prefix = Buffer.from("302e020100300506032b657004220420", "hex");
            const der = Buffer.concat([prefix, Buffer.from([first]), rest]);
            const own = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
            const key = await parsePrivateKey(own.export({ type: "pkcs8", format: "pem" }) as string, undefined);
            const point = (createPublicKey(own).export({ type: "spki", format: "der" }) as Buffer).subarray(-32);
            expect(readSshStrings(key.getPublicSSH())).toEqual([Buffer.from("ssh-ed25519"), point]);
            const data = randomBytes(20);
            expect(key.verify(data, key.sign(data) as Buffer)).toBe(true);
        }
    });
});

describe("a private key that cannot be used", () => {
    it.each([
        ["is empty", " \n"],
        ["is a public key", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIICZ me@here"],
        ["is a public key", createPublicKey(rsa).export({ type: "spki", format: "pem" }) as string],
        ["is a file name", "~/.ssh/id_ed25519"],
        ["is a file name", "C:\\Users\\me\\.ssh\\id_ed25519"],
        ["it has no BEGIN line", "hello"],
        ["it begins with BEGIN CERTIFICATE", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"],
        ["the two characters \\ and n", pem.replaceAll("\n", "\\n")],
        ["has indented lines", pem.replaceAll("\n", "\n    ")],
        ["has lost its line breaks", pem.replaceAll("\n", " ")],
        ["its END line is missing", pem.slice(0, 900)],
        ["Private-MAC, is missing", "PuTTY-User-Key-File-3: ssh-rsa\nEncryption: none\n"],
        ["is encrypted. Set connection.privateKeyPassword", encrypted],
        ["is damaged", pem.replace(/MII.{40}/, "AAAA")],
        ["is on the curve secp256k1", key("ec", { namedCurve: "secp256k1" })],
        ["is of the type ed448", key("ed448", undefined)],
    ])("is named: %s", async (words, text) => {
        const error = await parsePrivateKey(text, undefined).catch((error) => error);
        expect(error).toMatchObject({ code: "PRIVATE_KEY_INVALID", message: expect.stringContaining(words) });
        expect(error.message).toMatch(/connection\.privateKey/);
        expect(error.message).not.toContain(pem.slice(100, 140));
    });

    it("is not decrypted by a wrong passphrase", async () => {
        const error = await parsePrivateKey(encrypted, "y").catch((error) => error);
        expect(error.message).toContain("the passphrase is wrong");
        expect((await parsePrivateKey(encrypted, "x")).type).toBe("ssh-rsa");
    });

    it("never shows its bytes, wherever it is damaged", async () => {
        const point = randomBytes(32);
        const blob = Buffer.concat([sshString("ssh-ed25519"), sshString(point)]);
        const whole = writeOpenSshKey("ssh-ed25519", blob, [point, Buffer.concat([randomBytes(32), point])]);
        await fc.assert(
            fc.asyncProperty(fc.integer({ min: 40, max: whole.length - 40 }), fc.base64String(), async (at, junk) => {
                const text = whole.slice(0, at) + junk + whole.slice(at + junk.length);
                const outcome = await parsePrivateKey(text, undefined).catch((error) => error.message);
                if (typeof outcome === "string") {
                    expect(outcome).toMatch(/^\[PRIVATE_KEY_INVALID\] [ -~]+$/);
                }
            }),
        );
    });

    function key(type: string, options: object | undefined): string {
        const pair = generateKeyPairSync(type as "ec", options as { namedCurve: string });
        return pair.privateKey.export({ type: "pkcs8", format: "pem" }) as string;
    }
});

describe("what can be seen of a private key", () => {
    it.each([
        ["as ssh-keygen writes it", pem],
        ["as openssl writes it", pkcs8],
        ["with the line ends of Windows", pem.replaceAll("\n", "\r\n")],
        ["with blank lines around it", `\n\n${pem}\n`],
        ["in PuTTY's form", `PuTTY-User-Key-File-2: ssh-rsa\nEncryption: none\nPrivate-MAC: ${"0f".repeat(20)}\n`],
    ])("is no mistake %s", (_, text) => {
        expect(privateKeyMistake(text)).toBeUndefined();
    });
});

describe("OpenSSH's own form", () => {
    it("tells its public part, and nothing when it is something else", () => {
        const blob = Buffer.concat([sshString("ssh-ed25519"), sshString(randomBytes(32))]);
        expect(publicPartOfOpenSshKey(writeOpenSshKey("ssh-ed25519", blob, []))).toEqual(blob);
        expect(publicPartOfOpenSshKey(pem)).toBeUndefined();
        expect(publicPartOfOpenSshKey("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END")).toBeUndefined();
    });

    it("reads back the strings it writes, and refuses what does not come out even", () => {
        fc.assert(
            fc.property(fc.array(fc.uint8Array()), (parts) => {
                const strings = parts.map((part) => Buffer.from(part));
                const bytes = Buffer.concat(strings.map(sshString));
                expect(readSshStrings(bytes)).toEqual(strings);
                expect(readSshStrings(Buffer.concat([bytes, Buffer.from([0])]))).toBeUndefined();
            }),
        );
    });
});
