/**
 * Whether a name is meant by patterns with `*`, `?` and `!negation`, as OpenSSH has them in ssh_config and known_hosts: one
 * that is negated decides against it, whatever the others say.
 */
export function matchesPatterns(patterns: string[], name: string): boolean {
    let matched = false;
    for (const pattern of patterns) {
        if (!pattern.startsWith("!")) {
            matched ||= wildcard(pattern, name);
        } else if (wildcard(pattern.slice(1), name)) {
            return false;
        }
    }
    return matched;
}

function wildcard(pattern: string, name: string): boolean {
    const source = pattern.replace(/[^*?]/g, (c) => `\\u{${c.codePointAt(0)?.toString(16)}}`);
    return new RegExp(`^${source.replaceAll("*", ".*").replaceAll("?", ".")}$`, "su").test(name);
}
