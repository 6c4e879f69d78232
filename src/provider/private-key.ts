/**
 * What is visibly wrong with the text of a private key, as an instruction; undefined when it may be one. Pure and cheap,
 * so that the usual slips show in a preview. Whether the key can really be used is found out when it is used.
 */
export function privateKeyProblem(text: string): string | undefined {
    const key = text.trim();
    if (key === "") return "the text of a private key, not an empty string";
    if (
        /^(ssh-|ecdsa-|sk-)\S+ AAAA/.test(key) ||
        key.startsWith("---- BEGIN SSH2 PUBLIC KEY") ||
        key.includes("BEGIN PUBLIC KEY")
    ) {
        return "this is a public key; give the text of the private key that belongs to it";
    }
    if (!key.includes("\n") && key.includes("\\n")) {
        return 'the line breaks are the two characters "\\n"; turn them into real line breaks, e.g. key.replace(/\\\\n/g, "\\n")';
    }
    if (!key.includes("\n") && !key.startsWith("-----BEGIN")) {
        return 'the text of a private key, not the path of its file; read the file, e.g. readFileSync(path, "utf8")';
    }
    if (!/^(-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----|PuTTY-User-Key-File-)/.test(key)) {
        return "a private key begins with a line -----BEGIN … PRIVATE KEY-----";
    }
    if (/\n[ \t]+\S/.test(key)) {
        return "the lines of the key are indented; remove the blanks at their beginnings";
    }
    if (key.startsWith("-----BEGIN") && !/-----END [A-Z0-9 ]*PRIVATE KEY-----$/.test(key)) {
        return "the key is cut off: its last line -----END … PRIVATE KEY----- is missing";
    }
    return undefined;
}
