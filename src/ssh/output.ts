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
    /** Pieces of a line whose end has not come; put together once, or a long line would be copied for every piece of it. */
    #pieces: Buffer[] = [];

    constructor(readonly onLine: (line: string) => void) {}

    /** Takes the next piece. */
    push(chunk: Buffer): void {
        let start = 0;
        for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
            this.onLine(this.#take(chunk.subarray(start, end)));
            start = end + 1;
        }
        if (start < chunk.length) {
            this.#pieces.push(chunk.subarray(start));
        }
    }

    #take(last: Buffer): string {
        if (this.#pieces.length === 0) {
            return last.toString("utf8");
        }
        const line = Buffer.concat([...this.#pieces, last]).toString("utf8");
        this.#pieces = [];
        return line;
    }
}
