import type { Duplex } from "node:stream";
import type { CommandRequest, LinkedMachine, Machine, RunRequest, RunResult, UploadRequest } from "./machine";
import { type Action, beginLine, errorCode, transcribe } from "./transcript";
import type { Tunnel } from "./tunnel";

/** A machine whose every action is written to the transcript. */
export class TranscribedMachine implements Machine {
    constructor(
        readonly machine: LinkedMachine,
        /** Takes the secrets of its connection out of a text. */
        readonly mask: (text: string) => string,
    ) {}

    get name(): string {
        return this.machine.name;
    }

    get user(): string {
        return this.machine.user;
    }

    get hostKey(): string {
        return this.machine.hostKey;
    }

    get proxyHostKeys(): Readonly<Record<string, string>> {
        return this.machine.proxyHostKeys;
    }

    get loginKeys(): readonly string[] {
        return this.machine.loginKeys;
    }

    run(request: RunRequest): Promise<RunResult> {
        const { step, script, args = [], stdin } = request;
        return transcribe(this.#action("run", step, script.name), this.mask, async (outcome) => {
            outcome.bytesOut = [script.text, ...args].reduce((sum, text) => sum + Buffer.byteLength(text), 0);
            outcome.bytesOut += stdin?.length ?? 0;
            const result = await this.machine.run(request);
            outcome.code = result.code;
            outcome.bytesIn = Buffer.byteLength(result.stdout) + Buffer.byteLength(result.stderr);
            return result;
        });
    }

    upload(request: UploadRequest): Promise<void> {
        return transcribe(this.#action("upload", request.step), this.mask, (outcome) => {
            outcome.bytesOut = request.content.length;
            return this.machine.upload(request);
        });
    }

    openUnixSocket(path: string): Promise<Duplex> {
        return this.#stream(this.#action("openUnixSocket", `open ${path}`), () => this.machine.openUnixSocket(path));
    }

    openCommand(request: CommandRequest): Promise<Duplex> {
        return this.#stream(this.#action("openCommand", request.step), () => this.machine.openCommand(request));
    }

    close(): Promise<void> {
        return this.machine.close();
    }

    #action(action: Action["action"], step: string, script?: string): Action {
        return { machine: this.name, action, step, script };
    }

    /** A stream has its line when it is closed, or could not be opened. */
    async #stream(action: Action, open: () => Promise<Tunnel>): Promise<Duplex> {
        const finish = beginLine(action, this.mask);
        let stream: Tunnel;
        try {
            stream = await open();
        } catch (error) {
            finish({ error: errorCode(error) });
            throw error;
        }
        stream.once("close", () =>
            finish({
                error: stream.errored ? errorCode(stream.errored) : undefined,
                bytesIn: stream.bytesRead,
                bytesOut: stream.bytesWritten,
            }),
        );
        return stream;
    }
}
