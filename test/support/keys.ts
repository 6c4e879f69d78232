import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The passphrase of the keys that have one. */
export const passphrase = "open sesame";

/** One key in all the forms in which it may lie on a user's disk. */
export class KeyForms {
    readonly #directory = mkdtempSync(join(tmpdir(), "fleet-keys-"));
    /** As authorized_keys has it. */
    readonly publicKey: string;

    constructor() {
        // An RSA key: the only type that all the forms know.
        this.#run("ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-C", "", "-f", "openssh");
        this.publicKey = this.#read("openssh.pub").trim();
    }

    /** Path of the key as ssh-keygen writes it. */
    get path(): string {
        return join(this.#directory, "openssh");
    }

    /** The key as ssh-keygen writes it, its old form (PEM), or encrypted. */
    openssh(options: { pem?: boolean; encrypted?: boolean } = {}): string {
        this.#run("cp", "openssh", "copy");
        const format = options.pem ? ["-m", "PEM"] : [];
        this.#run(
            "ssh-keygen",
            "-q",
            "-p",
            ...format,
            "-P",
            "",
            "-N",
            options.encrypted ? passphrase : "",
            "-f",
            "copy",
        );
        return this.#read("copy");
    }

    /** The key as openssl writes it. */
    pkcs8(encrypted = false): string {
        this.openssh({ pem: true });
        const lock = encrypted ? ["-v2", "aes-256-cbc", "-passout", `pass:${passphrase}`] : ["-nocrypt"];
        this.#run("openssl", "pkcs8", "-topk8", "-in", "copy", ...lock, "-out", "pkcs8");
        return this.#read("pkcs8");
    }

    /** The key as PuTTYgen writes it. */
    putty(version: 2 | 3, encrypted = false): string {
        writeFileSync(join(this.#directory, "phrase"), passphrase);
        const lock = encrypted ? ["--new-passphrase", "phrase"] : [];
        const output = ["-O", "private", "--ppk-param", `version=${version}`, "-o", "ppk"];
        this.#run("puttygen", "openssh", ...output, ...lock);
        return this.#read("ppk");
    }

    /** Paths of further keys, which nobody knows. */
    strangers(count: number): string[] {
        return Array.from({ length: count }, (_, index) => {
            const path = join(this.#directory, `stranger-${index}`);
            if (!existsSync(path)) {
                this.#run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path);
            }
            return path;
        });
    }

    /** Deletes them. */
    remove(): void {
        rmSync(this.#directory, { recursive: true, force: true });
    }

    #run(program: string, ...args: string[]): void {
        execFileSync(program, args, { cwd: this.#directory, stdio: ["ignore", "ignore", "pipe"] });
    }

    #read(name: string): string {
        return readFileSync(join(this.#directory, name), "utf8");
    }
}
