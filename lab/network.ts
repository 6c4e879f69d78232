import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bootId } from "./owner";
import { stateDirectory } from "./paths";
import { run } from "./run";

/** The bridge all hosts are on. */
export const bridge = "pdflab0";
/** First three numbers of the hosts' addresses. */
const prefix = "10.213.77";
/** The machine's own address on the bridge, the hosts' default route. */
export const gateway = `${prefix}.1`;

const subnet = `${prefix}.0/24`;
const stateFile = join(stateDirectory, "network.json");

/** Settings of the machine as they were before the first host. */
interface Before {
    boot: string;
    /** Files under /proc/sys and what was in them. */
    sysctls: Record<string, string>;
    /** The number given out last; numbers are reused as late as possible, since others may remember them. */
    last: number;
}

const rules = [
    ["nat", "POSTROUTING", "-s", subnet, "!", "-d", subnet, "-j", "MASQUERADE"],
    // In front of the rules of a Docker on this machine, whose policy drops what is not its own.
    ["filter", "FORWARD", "-i", bridge, "-j", "ACCEPT"],
    ["filter", "FORWARD", "-o", bridge, "-j", "ACCEPT"],
] as const;

/** Makes bridge, address translation and forwarding where they are missing. The caller holds the state lock. */
export async function ensureNetwork(): Promise<void> {
    const uplink = /^default .*\bdev (\S+)/m.exec((await run("ip", ["-4", "route", "show", "default"])).stdout)?.[1];
    // Forwarding is switched on for two links, not for the machine: whoever else switches on ip_forward keeps it.
    const wanted: Record<string, string> = {
        "/proc/sys/fs/inotify/max_user_instances": "8192",
        ...(uplink ? { [`/proc/sys/net/ipv4/conf/${uplink}/forwarding`]: "1" } : {}),
    };
    if (state()?.boot !== bootId()) {
        const sysctls = Object.fromEntries(
            Object.keys(wanted).map((file) => [file, readFileSync(file, "utf8").trim()]),
        );
        save({ boot: bootId(), sysctls, last: 10 });
    }
    for (const [file, value] of Object.entries(wanted)) {
        if (Number(readFileSync(file, "utf8")) < Number(value)) writeFileSync(file, value);
    }
    if (!existsSync(`/sys/class/net/${bridge}`)) {
        await run("ip", ["link", "add", bridge, "type", "bridge"]);
        await run("ip", ["address", "add", `${gateway}/24`, "dev", bridge]);
        await run("ip", ["link", "set", bridge, "up"]);
        writeFileSync(`/proc/sys/net/ipv4/conf/${bridge}/forwarding`, "1");
    }
    for (const [table, ...rule] of rules) {
        if ((await iptables(table, "-C", rule, true)) !== 0) await iptables(table, "-I", rule);
    }
}

/** Puts the machine's network back to what it was. The caller holds the state lock. */
export async function removeNetwork(): Promise<void> {
    for (const [table, ...rule] of rules) {
        while ((await iptables(table, "-C", rule, true)) === 0) await iptables(table, "-D", rule);
    }
    if (existsSync(`/sys/class/net/${bridge}`)) await run("ip", ["link", "delete", bridge]);
    const before = state();
    if (before?.boot === bootId()) {
        for (const [file, value] of Object.entries(before.sysctls)) {
            // Somebody, most likely a Docker, made the machine a router meanwhile: the link's setting is theirs now.
            const theirs =
                file.endsWith("/forwarding") && readFileSync("/proc/sys/net/ipv4/ip_forward", "utf8")[0] === "1";
            if (existsSync(file) && !theirs) writeFileSync(file, value);
        }
    }
    rmSync(stateFile, { force: true });
}

/** An address that none of the given ones is. The caller holds the state lock. */
export function nextAddress(taken: string[]): string {
    const before = state()!;
    for (let step = 1; step <= 240; step++) {
        const number = 11 + ((before.last - 11 + step) % 240);
        const address = `${prefix}.${number}`;
        if (taken.includes(address)) continue;
        save({ ...before, last: number });
        return address;
    }
    throw new Error("lab: all 240 addresses are taken");
}

async function iptables(table: string, action: string, rule: readonly string[], allowFailure = false): Promise<number> {
    return (await run("iptables", ["-w", "10", "-t", table, action, ...rule], { allowFailure })).code;
}

function state(): Before | undefined {
    return existsSync(stateFile) ? JSON.parse(readFileSync(stateFile, "utf8")) : undefined;
}

function save(before: Before): void {
    mkdirSync(stateDirectory, { recursive: true });
    writeFileSync(`${stateFile}.new`, JSON.stringify(before));
    renameSync(`${stateFile}.new`, stateFile);
}
