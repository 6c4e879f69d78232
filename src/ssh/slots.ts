/** sshd allows 10 sessions per connection unless told otherwise (MaxSessions); two are left for emergencies. */
const most = 8;

/** Limits how many of something there are at a time, by default of the sessions on one connection; the others wait in line. */
export class SessionSlots {
    #limit: number;
    #taken = 0;
    readonly #waiting: (() => void)[] = [];

    constructor(limit = most) {
        this.#limit = limit;
    }

    /** Waits for a free slot. @returns a function that frees it */
    async take(): Promise<() => void> {
        while (this.#taken >= this.#limit) {
            await new Promise<void>((resolve) => this.#waiting.push(resolve));
        }
        this.#taken += 1;
        let freed = false;
        return () => {
            if (!freed) {
                freed = true;
                this.#taken -= 1;
                this.#waiting.shift()?.();
            }
        };
    }

    /** The server would not open one more session than we have now: from here on that many are enough. */
    shrink(): void {
        this.#limit = Math.max(1, Math.min(this.#limit, this.#taken));
    }

    /** Whether nothing is open. */
    get isIdle(): boolean {
        return this.#taken === 0;
    }

    /** The connection is gone: nobody needs to wait any more, every request fails at once. */
    close(): void {
        this.#limit = Number.POSITIVE_INFINITY;
        for (const go of this.#waiting.splice(0)) {
            go();
        }
    }
}
