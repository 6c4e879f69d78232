import { type ChildProcessByStdio, execFile, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { promisify } from "node:util";
import type { Lab, LabHost, Release } from "../../lab";
import type { ClientMount, ClientMountArgs } from "../../src/client/mount";
import { Shell } from "./shell";

const run = promisify(execFile);
const repository = join(__dirname, "..", "..");

/** What the compiled package needs on a computer to connect and mount. */
const modules = ["ssh2", "asn1", "bcrypt-pbkdf", "safer-buffer", "tweetnacl", "ssh-config"];

/** A lab host as the computer of somebody who runs programs: with Node, this package, sshfs, and FUSE for ordinary users. */
export class ClientComputer {
    static async open(lab: Lab, release: Release): Promise<ClientComputer> {
        const [host] = await Promise.all([
            lab.up(lab.uniqueName("client"), { release }),
            run(process.execPath, [join(repository, "tools", "build.mjs"), "--if-needed"]),
        ]);
        const shell = await Shell.open(lab, host);
        await shell.run("apt-get -q update && apt-get -q -y install --no-install-recommends sshfs libstdc++6");
        // The device comes from the machine below, where it may be root's alone.
        await shell.run("mknod -m 666 /dev/fuse.user c 10 229 && mount --bind /dev/fuse.user /dev/fuse");
        const options = { encoding: "buffer" as const, maxBuffer: 512 * 1024 * 1024 };
        const packages = modules.map((name) => join("node_modules", name));
        const pack = async (args: string[]) => (await run("tar", ["-ch", ...args], options)).stdout;
        await host.exec("mkdir -p /opt/client && tar -x -C /opt/client", {
            input: await pack(["-C", repository, "dist", "package.json", ...packages]),
        });
        await host.exec("tar -x -C /opt/client", { input: await pack(["-C", __dirname, "client-program.js"]) });
        const node = ["--transform", "s,.*,node,", "-P", process.execPath];
        await host.exec("tar -x -C /usr/local/bin", { input: await pack(node) });
        return new ClientComputer(host, shell);
    }

    private constructor(
        readonly host: LabHost,
        /** Root's shell on it. */
        readonly shell: Shell,
    ) {}

    /** Starts a program of one of its users. */
    program(user: "root" | "ops"): ClientProgram {
        return new ClientProgram(this.host.sshArguments(user));
    }

    /** What mounts have left; nothing where they are gone. */
    traces(): Promise<string> {
        return this.shell.ask(
            "ls -d /run/user/*/pulumi-docker-fleet-* /tmp/pulumi-docker-fleet-* 2>/dev/null; findmnt -n -t fuse.sshfs; " +
                "pgrep -a sshfs; pgrep -af '^ssh |serve\\.sh'",
        );
    }

    close(): void {
        this.shell.close();
    }
}

/** A program that mounts, on the client. */
export class ClientProgram {
    readonly #child: ChildProcessByStdio<Writable, Readable, null>;
    readonly #lines: Interface;

    constructor(ssh: string[]) {
        const command = "exec node /opt/client/client-program.js";
        this.#child = spawn("ssh", [...ssh, command], { stdio: ["pipe", "pipe", "inherit"] });
        this.#lines = createInterface({ input: this.#child.stdout });
    }

    mount(args: ClientMountArgs): Promise<Omit<ClientMount, "unmount">> {
        return this.#ask({ mount: args });
    }

    /** @param mountpoint as {@link mount} has told it */
    async unmount(mountpoint: string): Promise<void> {
        await this.#ask({ unmount: mountpoint });
    }

    /** Ends the program, which does not unmount. */
    end(): Promise<void> {
        return new Promise((resolve) => {
            if (this.#child.exitCode !== null || this.#child.signalCode !== null) resolve();
            this.#child.once("close", () => resolve());
            this.#child.stdin.end();
        });
    }

    async #ask<T>(command: object): Promise<T> {
        this.#child.stdin.write(`${JSON.stringify(command)}\n`);
        const line = await new Promise<string>((resolve, reject) => {
            const ended = () => reject(new Error("the program on the client has ended"));
            this.#lines.once("close", ended);
            this.#lines.once("line", (text) => {
                this.#lines.off("close", ended);
                resolve(text);
            });
        });
        const answer = JSON.parse(line);
        if (answer.error !== undefined) throw new Error(answer.error.message);
        return answer;
    }
}
