import { spawn } from "node:child_process";

// Node's pipes are sockets, which ssh-keygen cannot open by their name.
const piped = 'cat | ssh-keygen "$@" -f /dev/stdin';

/** What ssh-keygen prints, given a text as its file; nothing touches the disk. @throws Error with its last words */
export function sshKeygen(options: string[], file: string | Buffer): Promise<string> {
    return new Promise((resolve, reject) => {
        const child = spawn("sh", ["-c", piped, "sh", ...options], { stdio: ["pipe", "pipe", "pipe"] });
        let said = "";
        let words = "";
        child.stdout.on("data", (chunk) => {
            said += chunk;
        });
        child.stderr.on("data", (chunk) => {
            words += chunk;
        });
        child.on("error", reject);
        child.on("close", (code) => (code === 0 ? resolve(said) : reject(new Error(`${code}: ${words || said}`))));
        child.stdin.on("error", () => {});
        child.stdin.end(file);
    });
}

/**
 * Makes keys with `generate` and has ssh-keygen read each one and print its public half.
 *
 * @returns how many were made, and what is wrong with which
 */
export async function checkKeys(
    count: number,
    generate: (comment: string) => { privateKey: string; publicKey: string },
): Promise<{ count: number; mistakes: string[] }> {
    const mistakes: string[] = [];
    const check = async (index: number) => {
        const comment = `key ${index}`;
        const { privateKey, publicKey } = generate(comment);
        const expected = `${publicKey} ${comment}\n`;
        const said = await sshKeygen(["-y"], privateKey).catch((error: Error) => error.message);
        if (said !== expected) mistakes.push(`key ${index}: ssh-keygen says ${said.trim()}, we say ${expected.trim()}`);
    };
    let next = 0;
    const worker = async () => {
        while (next < count) await check(next++);
    };
    await Promise.all(Array.from({ length: 4 }, worker));
    return { count, mistakes };
}
