import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Shell } from "./shell";

/** What happens to a script when it comes to a certain command; fault.sh tells what each does. */
export type Fault = "kill" | "kill later" | "close" | "wait";

/** Commands that scripts run, and that can be the moment of a fault. */
const commands = ["base64", "cp", "ln", "mktemp", "mv", "rm", "rmdir", "timeout"];

/** Makes scripts fail on a lab host, at the command that one wants. */
export class Faults {
    static async open(shell: Shell): Promise<Faults> {
        const text = readFileSync(join(__dirname, "fault.sh"), "utf8");
        await shell.run(
            [
                "mkdir -p /run/fault",
                `cat >/run/fault/fault.sh <<'END_OF_FAULT'\n${text}\nEND_OF_FAULT`,
                `for name in ${commands.join(" ")}; do install -m 0755 /run/fault/fault.sh /usr/local/sbin/$name; done`,
            ].join("\n"),
        );
        return new Faults(shell);
    }

    private constructor(private readonly shell: Shell) {}

    /** @param at a command line as an extended regular expression: `"^mv .* /etc/docker/daemon.json$"` */
    async arm(at: string, fault: Fault): Promise<void> {
        await this.shell.run(
            `cd /run/fault && rm -f at go reached && echo '${fault}' >do && printf '%s\\n' '${at}' >new && mv new at`,
        );
    }

    /** Whether a script has come to the command. */
    async reached(): Promise<boolean> {
        return (await this.shell.ask("ls /run/fault/reached")) !== "";
    }

    /** Waits until a script has come to the command. */
    async waitUntilReached(): Promise<void> {
        while (!(await this.reached())) await pause(200);
    }

    /** Lets a script go on that waits. */
    async go(): Promise<void> {
        await this.shell.run("touch /run/fault/go");
    }

    /** Waits until no script changes the machine any more; no fault is left. */
    async settled(): Promise<void> {
        await this.shell.run("rm -f /run/fault/at; flock -w 200 /run/pulumi-docker-fleet.lock true");
    }
}
