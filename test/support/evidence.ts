import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Everything that a run left behind and showed, and the search for secrets in it. */
export class Evidence {
    readonly #pieces: { place: string; content: Buffer }[] = [];

    /** Adds a piece. @param place what it is, for the report */
    add(place: string, content: Buffer | string): void {
        this.#pieces.push({ place, content: typeof content === "string" ? Buffer.from(content) : content });
    }

    /** Adds every file below a directory. Symbolic links are not followed. */
    addTree(place: string, directory: string): void {
        for (const entry of readdirSync(directory, { withFileTypes: true })) {
            const path = join(directory, entry.name);
            if (entry.isDirectory()) {
                this.addTree(place, path);
            } else if (entry.isFile() && lstatSync(path).size < 100_000_000) {
                this.add(`${place} ${path}`, readFileSync(path));
            }
        }
    }

    /** Of how many bytes it consists. */
    get size(): number {
        return this.#pieces.reduce((sum, { content }) => sum + content.length, 0);
    }

    /** The places in which a secret is, each with the name of the secret, never with its value. */
    search(secrets: Record<string, string>): string[] {
        const forms = Object.entries(secrets).flatMap(([name, secret]) =>
            encodings(secret).map((form) => ({ name, form: Buffer.from(form) })),
        );
        return this.#pieces.flatMap(({ place, content }) => {
            const found = forms.filter(({ form }) => content.includes(form)).map(({ name }) => name);
            return [...new Set(found)].map((name) => `${name} is in ${place}`);
        });
    }
}

/** A secret as it is, and in the clothes in which it may travel. */
export function encodings(secret: string): string[] {
    // Inside of something longer, base64 has three forms, whose first and last letters depend on the neighbours.
    const base64 = [0, 1, 2].map((offset) => {
        const text = Buffer.concat([Buffer.alloc(offset), Buffer.from(secret)]).toString("base64");
        return text.replace(/=+$/, "").slice(offset === 0 ? 0 : offset + 1, -1);
    });
    return [secret, Buffer.from(secret).toString("hex"), encodeURIComponent(secret), ...base64];
}

/** The lines of a private key that hold more than its header and the public key, each under a name of its own. */
export function secretLines(name: string, privateKey: string): Record<string, string> {
    const lines = privateKey.split("\n").filter((line) => line !== "" && !line.startsWith("-----"));
    const blob = Buffer.from(lines.join(""), "base64");
    // OpenSSH: magic, cipher, kdf, its options, number of keys, public key, then what is secret.
    let offset = "openssh-key-v1\0".length;
    const skip = () => {
        offset += 4 + blob.readUInt32BE(offset);
    };
    skip();
    skip();
    skip();
    offset += 4;
    skip();
    const secret = lines.filter((line, index) => {
        const start = (lines.slice(0, index).join("").length / 4) * 3;
        return start >= offset && line.length >= 16;
    });
    if (secret.length === 0) {
        throw new Error(`${name} has no line with a secret`);
    }
    return Object.fromEntries(secret.map((line, index) => [`line ${index + 1} of the secret part of ${name}`, line]));
}
