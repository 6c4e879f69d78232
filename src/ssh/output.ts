/** Keeps what a stream brings, up to a limit. */
export class Collector {
    readonly #chunks: Buffer[] = [];
    #length = 0;

    constructor(
        readonly limit: number,
        /** Called when more comes than the limit allows; it is dropped. */
        readonly onOverflow: () => void,
    ) {}

    /** Takes the next piece. */
    push(chunk: Buffer): void {
        this.#length += chunk.length;
        if (this.#length > this.limit) {
            this.onOverflow();
        } else {
            this.#chunks.push(chunk);
        }
    }

    /** All of it as text. Decoded at the end, so that no character is torn apart between two pieces. */
    get text(): string {
        return Buffer.concat(this.#chunks).toString("utf8");
    }
}

/** Cuts a stream into complete lines as they arrive. */
export class Lines {
    #rest: Buffer = Buffer.alloc(0);

    constructor(readonly onLine: (line: string) => void) {}

    /** Takes the next piece. */
    push(chunk: Buffer): void {
        let all = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
        for (let end = all.indexOf(10); end !== -1; end = all.indexOf(10)) {
            this.onLine(all.toString("utf8", 0, end));
            all = all.subarray(end + 1);
        }
        this.#rest = all;
    }
}
