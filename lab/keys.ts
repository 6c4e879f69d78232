import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { knownHostsPath, privateKeyPath } from "./paths";
import { run } from "./run";

/** Makes the login key of all hosts where it is missing. The caller holds the state lock. */
export async function ensureLoginKey(): Promise<void> {
    mkdirSync(dirname(privateKeyPath), { recursive: true, mode: 0o700 });
    if (!existsSync(privateKeyPath)) await makeKey("ed25519", privateKeyPath, "lab");
    if (!existsSync(knownHostsPath)) writeFileSync(knownHostsPath, "");
}

/** Makes a host's keys in its directory and returns the public ones as "TYPE BASE64", ed25519 first. */
export async function makeHostKeys(directory: string, name: string): Promise<string[]> {
    return await Promise.all(
        ["ed25519", "ecdsa"].map(async (type) => {
            const file = join(directory, `ssh_host_${type}_key`);
            await makeKey(type, file, `root@${name}`);
            return readFileSync(`${file}.pub`, "utf8").split(" ").slice(0, 2).join(" ");
        }),
    );
}

async function makeKey(type: string, file: string, comment: string): Promise<void> {
    await run("ssh-keygen", ["-q", "-t", type, "-N", "", "-C", comment, "-f", file]);
}

/** Replaces what known_hosts says about a host; no keys: forgets it. The caller holds the state lock. */
export function setKnownHost(name: string, address: string, hostKeys: string[]): void {
    if (!existsSync(knownHostsPath)) return;
    const others = readFileSync(knownHostsPath, "utf8")
        .split("\n")
        .filter((line) => {
            const names = line.split(" ")[0]!.split(",");
            return line !== "" && !names.includes(name) && !names.includes(address);
        });
    const lines = [...others, ...hostKeys.map((key) => `${name},${address} ${key}`)];
    writeFileSync(`${knownHostsPath}.new`, lines.map((line) => `${line}\n`).join(""));
    renameSync(`${knownHostsPath}.new`, knownHostsPath);
}
