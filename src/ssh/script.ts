import { readFileSync } from "node:fs";
import { join } from "node:path";
import { quote } from "./quote";

/** A shell script that runs on a machine. */
export interface Script {
    /** File name, for messages. */
    readonly name: string;
    /** POSIX sh. */
    readonly text: string;
}

const cache = new Map<string, Script>();

/**
 * A script that lies in a file beside its caller. The file is read when the text is first needed, and once.
 *
 * @param directory the caller's `__dirname`
 * @param name file name, e.g. `"probe.sh"`
 */
export function loadScript(directory: string, name: string): Script {
    const path = join(directory, name);
    let script = cache.get(path);
    if (script === undefined) {
        let text: string | undefined;
        script = {
            name,
            get text() {
                text ??= readFileSync(path, "utf8");
                return text;
            },
        };
        cache.set(path, script);
    }
    return script;
}

/** What {@link composeScript} adds to a script that must run alone on its machine. */
export interface LockRequest {
    /** Word that begins every line in which lock.sh talks to us. */
    mark: string;
    /** Who takes the lock, for those who have to wait. */
    holder: string;
    /** How long to wait for it, in seconds. */
    seconds: number;
}

const prelude = loadScript(__dirname, "prelude.sh");
const lock = loadScript(__dirname, "lock.sh");

/**
 * The text that is sent to a machine: the prelude, the arguments as positional parameters, the script.
 *
 * All of it is one brace group. A shell runs nothing of a group before it has read its end, so a text that was cut off by
 * a broken connection is a syntax error and never half a script.
 */
export function composeScript(script: Script, args: readonly string[], lockRequest?: LockRequest): string {
    const parameters = ["set --", ...args.map(quote)].join(" ");
    const body = `${parameters}\n${script.text}\n`;
    if (lockRequest === undefined) {
        return `{\n${prelude.text}\n${body}}`;
    }
    const { mark, holder, seconds } = lockRequest;
    // The lock belongs to the outer shell, which waits; the script runs in a subshell without the descriptor, so that a
    // background process it leaves cannot keep the lock.
    return [
        `{\n${prelude.text}\n${lock.text}\nfleet_lock ${quote(mark)} ${quote(holder)} ${seconds}`,
        `(\n${body}) 9>&-\nexit "$?"\n}`,
    ].join("\n");
}

/** The text of a script that a machine keeps and runs by itself, with arguments from its command line. */
export function standaloneScript(script: Script): string {
    return `#!/bin/sh\n{\n${prelude.text}\n${script.text}\n}`;
}
