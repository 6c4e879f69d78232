import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Owner } from "./owner";
import { hostsDirectory } from "./paths";
import type { Layer, Release } from "./trees";

/** What is kept about a host from its creation until it is down. */
export interface HostRecord {
    name: string;
    address: string;
    release: Release;
    layer?: Layer;
    /** The directories its disk is laid over, topmost first. */
    lower: string[];
    /** "ssh-ed25519 AAAA…" */
    hostKey: string;
    /** The process whose end makes the host litter; none for hosts that stay until somebody takes them down. */
    owner?: Owner;
}

/** Where a host's disk and papers are. */
export const hostDirectory = (name: string): string => join(hostsDirectory, name);

/** Writes a host's record, whole or not at all. */
export function writeRecord(record: HostRecord): void {
    const directory = hostDirectory(record.name);
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, "record.json.new"), JSON.stringify(record));
    renameSync(join(directory, "record.json.new"), join(directory, "record.json"));
}

/** The record of a host, undefined when there is no such host. */
export function readRecord(name: string): HostRecord | undefined {
    try {
        return JSON.parse(readFileSync(join(hostDirectory(name), "record.json"), "utf8"));
    } catch {
        return undefined;
    }
}

/** Names of all host directories, also of those that a crash left without a record. */
export function listNames(): string[] {
    try {
        return readdirSync(hostsDirectory).sort();
    } catch {
        return [];
    }
}

/** The records of all hosts. */
export function listRecords(): HostRecord[] {
    return listNames().flatMap((name) => readRecord(name) ?? []);
}
