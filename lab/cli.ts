import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Lab, type LabHost, type Layer, layers, releases } from "./index";
import { hostDirectory, readRecord } from "./records";

const usage = `Real Debian hosts on this machine.

npm run lab -- up NAME... [--release ${releases.join("|")}] [--layer ${Object.keys(layers).join("|")}]
               down NAME... | down --all
               off NAME              cut the power, keep the disk; "up NAME" boots it again
               ls
               ssh [USER@]NAME [COMMAND]   as root, admin or ops
               cut NAME | heal NAME        pull the network cable, plug it in again
               delay NAME MS [LOSS]        add to the round trip, and lose so many percent; 0 takes it back
Logins: root (key), admin (key, or password lab-pass; sudo with that password), ops (key, sudo without password).`;

async function main(args: string[]): Promise<number> {
    const command = args[0] ?? "help";
    // Whatever follows the name in "ssh NAME ls -la" is the remote command's own.
    if (command === "ssh" && args[1]) return await ssh(args[1], args.slice(2));
    const { positionals, values } = parseArgs({
        args: args.slice(1),
        allowPositionals: true,
        options: { release: { type: "string" }, layer: { type: "string" }, all: { type: "boolean" } },
    });
    const [name, ms, loss = "0"] = positionals;
    const kind = {
        release: oneOf(releases, values.release),
        layer: oneOf(Object.keys(layers) as Layer[], values.layer),
    };
    const lab = command === "help" ? undefined : await Lab.open({ keep: true });
    if (lab && command === "up" && name) {
        const hosts = await Promise.all(positionals.map((each) => lab.up(each, kind)));
        for (const host of hosts) console.log(`${host.name} ${host.address}`);
    } else if (lab && command === "down" && (name || values.all)) {
        const hosts = values.all ? (await lab.list()).filter(isFree) : positionals.map((each) => lab.host(each));
        for (const host of hosts) await host.down();
    } else if (lab && command === "ls") {
        for (const host of await lab.list()) console.log(row(host));
    } else if (lab && command === "off" && name) await lab.host(name).off();
    else if (lab && command === "cut" && name) await lab.host(name).cut();
    else if (lab && command === "heal" && name) await lab.host(name).heal();
    else if (lab && command === "delay" && name && /^\d+$/.test(ms ?? "") && /^\d+$/.test(loss))
        await lab.host(name).delay(Number(ms), Number(loss));
    else {
        console.log(usage);
        return command === "help" ? 0 : 2;
    }
    return 0;
}

async function ssh(target: string, command: string[]): Promise<number> {
    const [user, name] = target.includes("@") ? (target.split("@") as [string, string]) : ["root", target];
    const lab = await Lab.open({ keep: true });
    const child = spawn("ssh", [...lab.host(name).sshArguments(user), ...command], { stdio: "inherit" });
    return await new Promise((resolve) => child.on("exit", (code) => resolve(code ?? 255)));
}

/** "All" is not what a test run that goes on right now works with. */
function isFree(host: LabHost): boolean {
    const owner = readRecord(host.name)?.owner;
    if (owner)
        console.error(`lab: ${host.name} is in use by process ${owner.pid}; to take it down all the same, name it`);
    return owner === undefined;
}

function row(host: LabHost): string {
    const directory = hostDirectory(host.name);
    const owner = readRecord(host.name)?.owner;
    const notes = [
        host.isUp ? "up" : "off",
        existsSync(join(directory, "cut")) ? "cut" : "",
        existsSync(join(directory, "delay")) ? delayText(readFileSync(join(directory, "delay"), "utf8")) : "",
        owner ? `of process ${owner.pid}` : "",
    ];
    const kind = host.layer ? `${host.release}+${host.layer}` : host.release;
    return `${host.name.padEnd(13)}${host.address.padEnd(16)}${kind.padEnd(16)}${notes.filter(Boolean).join(", ")}`;
}

/** What LabHost.delay has written. */
function delayText(file: string): string {
    const [ms, loss] = file.trim().split(" ");
    return `delay ${ms} ms${loss === "0" ? "" : `, loss ${loss} %`}`;
}

function oneOf<T extends string>(allowed: readonly T[], value: string | undefined): T | undefined {
    if (value !== undefined && !allowed.includes(value as T))
        throw new Error(`lab: "${value}" is not one of ${allowed.join(", ")}`);
    return value as T;
}

main(process.argv.slice(2)).then(
    (code) => {
        process.exitCode = code;
    },
    (error: unknown) => {
        console.error(error instanceof Error ? error.message : error);
        process.exitCode = 1;
    },
);
