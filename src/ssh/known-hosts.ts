import { createHmac } from "node:crypto";
import { matchesPatterns } from "./patterns";

/** The text of a known_hosts file. */
export interface KnownHostsFile {
    path: string;
    text: string;
}

/** A key in a known_hosts file. */
export interface KnownKey {
    /** `type base64`. */
    key: string;
    /** Path of the file. */
    file: string;
    /** Number of the line, from 1. */
    line: number;
}

/** What known_hosts files say about one host. */
export interface KnownKeys {
    /** Keys the host may show. */
    accepted: KnownKey[];
    /** Keys nobody may show any more. */
    revoked: KnownKey[];
    /** Certification authorities whose word on the host counts. */
    authorities: KnownKey[];
}

/** The name under which known_hosts lists a host: the port is written only when it is not 22. */
export function knownHostsName(host: string, port: number): string {
    return port === 22 ? host : `[${host}]:${port}`;
}

/**
 * Finds a host in known_hosts files as sshd(8) describes them: comma separated patterns with `*`, `?` and `!negation`, hashed
 * names (`|1|salt|hash`), `@revoked`, `@cert-authority`. Lines that cannot be read are passed over, as ssh does.
 */
export function findKnownKeys(files: KnownHostsFile[], host: string, port: number): KnownKeys {
    const name = knownHostsName(host.toLowerCase(), port);
    const found: KnownKeys = { accepted: [], revoked: [], authorities: [] };
    for (const { path, text } of files) {
        for (const [index, line] of text.split("\n").entries()) {
            const entry = parseLine(line);
            if (entry !== undefined && matches(entry.names, name)) {
                found[entry.kind].push({ key: entry.key, file: path, line: index + 1 });
            }
        }
    }
    return found;
}

const kinds = new Map<string, keyof KnownKeys>([
    ["@revoked", "revoked"],
    ["@cert-authority", "authorities"],
]);

function parseLine(line: string): { kind: keyof KnownKeys; names: string; key: string } | undefined {
    const text = line.replace(/^[ \t]+|[ \t\r]+$/g, "");
    if (text === "" || text.startsWith("#")) {
        return undefined;
    }
    const fields = text.split(/[ \t]+/);
    const kind = fields[0]?.startsWith("@") ? kinds.get(fields.shift() as string) : "accepted";
    const [names, type, base64] = fields;
    if (kind === undefined || names === undefined || names.startsWith("@") || !isKey(type, base64)) {
        return undefined;
    }
    return { kind, names, key: `${type} ${base64}` };
}

function isKey(type = "", base64 = ""): boolean {
    const blob = Buffer.from(base64, "base64");
    return (
        /^[A-Za-z0-9+/]+={0,2}$/.test(base64) &&
        blob.length > 4 + type.length &&
        blob.readUInt32BE(0) === type.length &&
        blob.toString("latin1", 4, 4 + type.length) === type
    );
}

function matches(names: string, name: string): boolean {
    if (names.startsWith("|")) {
        const [, version, salt = "", hash] = names.split("|");
        const digest = createHmac("sha1", Buffer.from(salt, "base64")).update(name).digest("base64");
        return version === "1" && digest === hash;
    }
    return matchesPatterns(names.toLowerCase().split(","), name);
}
