import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** OpenSSL's command line tool: an opinion on keys and certificates that is independent of our code and of Node. */
export class OpenSsl {
    /** Where the files are. */
    readonly directory = mkdtempSync(join(tmpdir(), "docker-fleet-openssl-"));

    /** Writes a file and returns its name, for arguments. */
    file(name: string, text: string): string {
        writeFileSync(join(this.directory, name), text);
        return name;
    }

    /** Runs `openssl` in the directory; returns what it printed to stdout. @throws Error with its stderr */
    run(...args: string[]): string {
        return execFileSync("openssl", args, { cwd: this.directory, encoding: "utf8", stdio: "pipe" });
    }

    /** The extensions, subject or whatever `openssl x509` is asked for. */
    show(certificate: string, ...args: string[]): string {
        return this.run("x509", "-in", this.file("shown.pem", certificate), "-noout", ...args);
    }

    /**
     * What `openssl verify -x509_strict` says: `"OK"`, or its complaints.
     *
     * @param certificate it, and in the same text those that may lead to the trusted ones
     * @param trusted the trusted ones
     * @param options further ones, e.g. `["-purpose", "sslserver"]`
     */
    verify(certificate: string, trusted: string, options: string[] = []): string {
        const { status, stdout, stderr } = spawnSync(
            "openssl",
            [
                ...["verify", "-x509_strict", "-no-CApath", "-no-CAstore", ...options],
                ...["-CAfile", this.file("trusted.pem", trusted), "-untrusted", this.file("chain.pem", certificate)],
                "chain.pem",
            ],
            { cwd: this.directory, encoding: "utf8" },
        );
        return status === 0 && stdout.trim() === "chain.pem: OK" ? "OK" : `${stdout}${stderr}`;
    }

    remove(): void {
        rmSync(this.directory, { recursive: true, force: true });
    }
}
