import type { PseudoTtyOptions } from "ssh2";
import { loadScript } from "./script";

/**
 * Modes of a terminal that passes every byte as it is and echoes nothing, from its first moment. A password is never shown,
 * and what follows it is never changed.
 */
export const rawTerminal: PseudoTtyOptions = {
    term: "dumb",
    modes: {
        ...Object.fromEntries(
            [
                ...["ECHO", "ECHONL", "ICANON", "ISIG", "IEXTEN", "OPOST", "ICRNL", "INLCR", "IGNCR"],
                ...["IXON", "IXOFF", "IXANY", "ISTRIP", "PARMRK", "INPCK", "PARENB"],
            ].map((mode) => [mode, 0]),
        ),
        CS8: 1,
    },
};

const library = loadScript(__dirname, "terminal.sh");

/**
 * A script as it has to be sent to a terminal, which has one stream for everything, no end of input, and a hangup:
 *
 * - its input is counted, and ends for the script where it ends for us (`"open"`: it does not end);
 * - its errors go through {@link StreamSplitter}'s lines, and so does its exit code at the end;
 * - its output is a pipe, as without a terminal: programs print no colours and progress bars into it;
 * - it runs on when the connection is lost, as it does without a terminal.
 *
 * @param mark begins the lines that {@link StreamSplitter} looks for
 */
export function forTerminal(script: string, mark: string, input: Buffer | "open" | undefined): string {
    const open = input === "open";
    const length = open || input === undefined ? 0 : input.length;
    return [
        library.text,
        open ? "" : "trap '' HUP",
        // 4: the terminal; 3: the errors, encoded.
        `{ { ${length > 0 ? `head -c ${length} 2>/dev/null | ` : ""}{ (`,
        script,
        `) 2>&3 3>&- 4>&-${length > 0 || open ? "" : " </dev/null"}; fleet_code=$?`,
        // sudo with use_pty (1.9.13) never ends when it has input left over for a command that has ended.
        length > 0 ? "cat >/dev/null" : "",
        `printf '%s exit %s\\n' '${mark}' "$fleet_code" >&3; } | cat >&4 3>&-; } 3>&1 | fleet_encode '${mark}:' >&4; } 4>&1`,
    ].join("\n");
}

/** Takes apart what {@link forTerminal} makes a script write to its terminal. */
export class StreamSplitter {
    readonly #frame: Buffer;
    readonly #exit: Buffer;
    #held: Buffer = Buffer.alloc(0);
    #errors: Buffer = Buffer.alloc(0);

    constructor(
        mark: string,
        readonly onStdout: (chunk: Buffer) => void,
        readonly onStderr: (chunk: Buffer) => void,
        readonly onExit: (code: number) => void,
    ) {
        this.#frame = Buffer.from(`${mark}:`);
        this.#exit = Buffer.from(`${mark} exit `);
    }

    /** Takes the next piece of what comes from the terminal. */
    push(chunk: Buffer): void {
        let all = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
        for (;;) {
            const start = all.indexOf(this.#frame);
            const end = start === -1 ? -1 : all.indexOf(10, start);
            const out = start === -1 ? all.length - startOf(this.#frame, all) : start;
            if (out > 0) {
                this.onStdout(all.subarray(0, out));
            }
            if (end === -1) {
                this.#held = all.subarray(out);
                return;
            }
            this.#pushErrors(Buffer.from(all.toString("latin1", start + this.#frame.length, end), "hex"));
            all = all.subarray(end + 1);
        }
    }

    /** Nothing more will come: hands out what was held back. */
    flush(): void {
        const [out, errors] = [this.#held, this.#errors];
        this.#held = this.#errors = Buffer.alloc(0);
        if (out.length > 0) {
            this.onStdout(out);
        }
        if (errors.length > 0) {
            this.onStderr(errors);
        }
    }

    #pushErrors(chunk: Buffer): void {
        const all = Buffer.concat([this.#errors, chunk]);
        const at = all.indexOf(this.#exit);
        const out = at === -1 ? all.length - startOf(this.#exit, all) : at;
        if (out > 0) {
            this.onStderr(all.subarray(0, out));
        }
        this.#errors = all.subarray(out);
        const code = at === -1 ? undefined : /^(\d+)\n/.exec(this.#errors.toString("latin1", this.#exit.length))?.[1];
        if (code !== undefined) {
            this.#errors = Buffer.alloc(0);
            this.onExit(Number(code));
        }
    }
}

/** How many bytes at the end of a text may be the beginning of a word. */
function startOf(word: Buffer, text: Buffer): number {
    for (let length = Math.min(word.length - 1, text.length); length > 0; length--) {
        if (text.subarray(text.length - length).equals(word.subarray(0, length))) {
            return length;
        }
    }
    return 0;
}
