import { createHmac } from "node:crypto";

/** What a known_hosts file says about one host. */
export interface KnownKeys {
    /** Keys the host may show, as `type base64`. */
    accepted: string[];
    /** Keys nobody may show any more. */
    revoked: string[];
}

/** The name under which known_hosts lists a host: the port is written only when it is not 22. */
export function knownHostsName(host: string, port: number): string {
    return port === 22 ? host : `[${host}]:${port}`;
}

/**
 * Finds a host in the text of a known_hosts file as sshd(8) describes it: comma separated patterns with `*`, `?` and
 * `!negation`, hashed names (`|1|salt|hash`), `@revoked`. Lines that cannot be read are passed over, as ssh does.
 * `@cert-authority` lines are passed over too: host certificates are not supported.
 */
export function findKnownKeys(text: string, host: string, port: number): KnownKeys {
    const name = knownHostsName(host.toLowerCase(), port);
    const found: KnownKeys = { accepted: [], revoked: [] };
    for (const raw of text.split("\n")) {
        const line = raw.trim();
        if (line === "" || line.startsWith("#")) {
            continue;
        }
        const fields = line.split(/[ \t]+/);
        const marker = fields[0]?.startsWith("@") ? fields.shift() : undefined;
        const [names, type, key] = fields;
        if (names === undefined || type === undefined || key === undefined || !matches(names, name)) {
            continue;
        }
        if (marker === undefined) {
            found.accepted.push(`${type} ${key}`);
        } else if (marker === "@revoked") {
            found.revoked.push(`${type} ${key}`);
        }
    }
    return found;
}

function matches(names: string, name: string): boolean {
    if (names.startsWith("|1|")) {
        const [, , salt, hash] = names.split("|");
        return (
            createHmac("sha1", Buffer.from(salt ?? "", "base64"))
                .update(name)
                .digest("base64") === hash
        );
    }
    let matched = false;
    for (const pattern of names.toLowerCase().split(",")) {
        if (pattern.startsWith("!")) {
            if (wildcard(pattern.slice(1), name)) {
                return false;
            }
        } else {
            matched ||= wildcard(pattern, name);
        }
    }
    return matched;
}

function wildcard(pattern: string, name: string): boolean {
    const source = pattern.replace(/[^*?]/g, (c) => `\\u{${c.codePointAt(0)?.toString(16)}}`);
    return new RegExp(`^${source.replaceAll("*", ".*").replaceAll("?", ".")}$`, "su").test(name);
}
