import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { closeAllConnections, connect } from "../../src/ssh";
import { convertPemKey } from "../../src/ssh/pem-key";
import { Sshd } from "../support/sshd";
import { describeSsh, failure } from "./support";

jest.setTimeout(60_000);
afterEach(closeAllConnections);

const phrase = "open sesame";

describeSsh("a login with a key as", () => {
    let sshd: Sshd;
    beforeAll(async () => {
        sshd = await Sshd.create();
    });
    afterAll(() => sshd.stop());

    /** Runs a tool in the server's directory. */
    const tool = (program: string, ...args: string[]) =>
        execFileSync(program, args, { cwd: sshd.directory, stdio: ["ignore", "pipe", "pipe"] });
    const read = (name: string) => readFileSync(join(sshd.directory, name), "utf8");

    /** Makes a key with openssl and lets it in. */
    function openssl(options: string[], passphrase: string | undefined): string {
        const lock = passphrase === undefined ? [] : ["-aes256", "-pass", `pass:${passphrase}`];
        tool("openssl", "genpkey", ...options, ...lock, "-out", "pkcs8");
        const unlock = passphrase === undefined ? [] : ["-passin", `pass:${passphrase}`];
        tool("openssl", "pkey", "-in", "pkcs8", ...unlock, "-pubout", "-out", "spki");
        writeFileSync(join(sshd.directory, "other.pub"), publicKeyFrom(options));
        sshd.authorize("other");
        return read("pkcs8");
    }

    /** What authorized_keys wants, from openssl's public key: ssh-keygen does not read ed25519 in that form. */
    function publicKeyFrom(options: string[]): string {
        if (!options.includes("ED25519")) {
            return tool("ssh-keygen", "-i", "-m", "PKCS8", "-f", "spki").toString();
        }
        const der = Buffer.from(read("spki").replace(/-.*-/g, ""), "base64");
        const type = "0000000b7373682d65643235353139";
        return `ssh-ed25519 ${Buffer.from(`${type}00000020${der.subarray(-32).toString("hex")}`, "hex").toString("base64")}`;
    }

    it.each([
        ["RSA", ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]],
        ["P-256", ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]],
        ["P-384", ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"]],
        ["P-521", ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"]],
        ["ed25519", ["-algorithm", "ED25519"]],
    ])("openssl makes it (PKCS#8): %s, plain and encrypted", async (_, options) => {
        await connect({ ...sshd.connection, privateKey: openssl(options, undefined) });
        await closeAllConnections();
        const privateKey = openssl(options, phrase);
        const error = await failure(connect({ ...sshd.connection, privateKey }));
        expect(error.message).toContain("connection.privateKey is encrypted. Set connection.privateKeyPassword");
        await connect({ ...sshd.connection, privateKey, privateKeyPassword: phrase });
    });

    it("openssl made it long ago: with parameters before it, encrypted with DES, damaged", async () => {
        tool("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-out", "pkcs8");
        tool("openssl", "pkey", "-in", "pkcs8", "-pubout", "-out", "spki");
        writeFileSync(join(sshd.directory, "other.pub"), publicKeyFrom([]));
        sshd.authorize("other");
        await connect({ ...sshd.connection, privateKey: read("pkcs8") });

        tool("openssl", "genrsa", "-traditional", "-out", "rsa", "2048");
        tool("openssl", "rsa", "-in", "rsa", "-traditional", "-des3", "-passout", `pass:${phrase}`, "-out", "des");
        writeFileSync(join(sshd.directory, "other.pub"), tool("ssh-keygen", "-y", "-f", "rsa"));
        sshd.authorize("other");
        await connect({ ...sshd.connection, privateKey: read("des"), privateKeyPassword: phrase });

        const old = ["-v1", "PBE-SHA1-RC2-40", "-provider", "legacy", "-provider", "default"];
        tool("openssl", "pkcs8", "-topk8", "-in", "rsa", ...old, "-passout", `pass:${phrase}`, "-out", "rc2");
        const error = await failure(
            connect({ ...sshd.connection, privateKey: read("rc2"), privateKeyPassword: phrase }),
        );
        expect(error.message).toContain("OpenSSL no longer supports");
        const half = read("rsa").split("\n");
        half.splice(5, 2);
        expect((await failure(connect({ ...sshd.connection, privateKey: half.join("\n") }))).message).toContain(
            "is damaged",
        );
    });

    it.each([
        ["rsa", "2"],
        ["rsa", "3"],
        ["ecdsa", "2"],
        ["ecdsa", "3"],
        ["ed25519", "2"],
        ["ed25519", "3"],
    ])("puttygen makes it: %s, version %s, plain and encrypted", async (type, version) => {
        sshd.makeKey("other", type, ...(type === "rsa" ? ["-b", "2048"] : []));
        sshd.authorize("other");
        const output = ["-O", "private", "--ppk-param", `version=${version}`, "-o", "ppk"];
        tool("puttygen", "other", ...output);
        expect(read("ppk")).toContain(`PuTTY-User-Key-File-${version}`);
        await connect({ ...sshd.connection, privateKey: read("ppk") });
        await closeAllConnections();

        writeFileSync(join(sshd.directory, "phrase"), phrase);
        tool("puttygen", "other", ...output, "--new-passphrase", "phrase");
        const privateKey = read("ppk").replaceAll("\n", "\r\n");
        const refused = async (more: object) =>
            (await failure(connect({ ...sshd.connection, privateKey, ...more }))).message;
        expect(await refused({})).toContain("is encrypted");
        expect(await refused({ privateKeyPassword: "wrong" })).toContain("the passphrase is wrong");
        expect(await refused({ privateKey: privateKey.slice(0, -20) })).toContain("is cut off");
        await connect({ ...sshd.connection, privateKey, privateKeyPassword: phrase });
    });

    it("puttygen makes it: ed25519 with zeros at both ends, which is a number to PuTTY", async () => {
        const prefix = Buffer.from("302e020100300506032b657004220420", "hex");
        const der = Buffer.concat([prefix, Buffer.alloc(1), randomBytes(29), Buffer.alloc(2)]);
        const pem = `-----BEGIN PRIVATE KEY-----\n${der.toString("base64")}\n-----END PRIVATE KEY-----\n`;
        writeFileSync(join(sshd.directory, "zeros"), convertPemKey(pem, undefined) as string, { mode: 0o600 });
        writeFileSync(join(sshd.directory, "other.pub"), tool("ssh-keygen", "-y", "-f", "zeros"));
        sshd.authorize("other");
        tool("puttygen", "zeros", "-O", "private", "-o", "ppk");
        await connect({ ...sshd.connection, privateKey: read("ppk") });
    });

    it.each(["aes256-ctr", "aes256-gcm@openssh.com", "3des-cbc"])("ssh-keygen encrypts it: %s", async (cipher) => {
        const privateKey = sshd.makeKey("other", "ed25519", "-Z", cipher, "-N", phrase);
        sshd.authorize("other");
        const error = await failure(connect({ ...sshd.connection, privateKey, privateKeyPassword: "wrong" }));
        expect(error.message).toContain("the passphrase is wrong");
        await connect({ ...sshd.connection, privateKey, privateKeyPassword: phrase });
    });

    it("ssh-keygen encrypts it with a cipher that cannot be read here: says how to change that", async () => {
        const privateKey = sshd.makeKey("other", "ed25519", "-Z", "chacha20-poly1305@openssh.com", "-N", phrase);
        const error = await failure(connect({ ...sshd.connection, privateKey, privateKeyPassword: phrase }));
        expect(error.message).toContain("ssh-keygen -p -Z aes256-ctr");
        // The cure is one.
        tool("ssh-keygen", "-p", "-Z", "aes256-ctr", "-P", phrase, "-N", phrase, "-f", "other");
        sshd.authorize("other");
        await connect({ ...sshd.connection, privateKey: read("other"), privateKeyPassword: phrase });
    });
});
