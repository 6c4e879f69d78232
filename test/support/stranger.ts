import { get } from "node:http";

/** A stranger who asks a port for the API all the time, without TLS. */
export class Stranger {
    /** How often what was answered. */
    readonly answers: Record<string, number> = {};
    private stopped = false;
    private readonly asking: Promise<void>;

    constructor(host: string, port: number) {
        this.asking = (async () => {
            while (!this.stopped) {
                const answer = await plainRequest(host, port);
                this.answers[answer] = (this.answers[answer] ?? 0) + 1;
                await new Promise((resolve) => setTimeout(resolve, 5));
            }
        })();
    }

    async stop(): Promise<Record<string, number>> {
        this.stopped = true;
        await this.asking;
        return this.answers;
    }
}

/** What a plain request for the API gets: `200 OK`, or the code of the error. */
export function plainRequest(host: string, port: number, path = "/_ping"): Promise<string> {
    return new Promise((resolve) => {
        const request = get({ host, port, path, agent: false, timeout: 3_000 }, (response) => {
            let text = "";
            response.on("data", (data) => (text += data));
            response.on("end", () => resolve(`${response.statusCode} ${text.trim()}`));
            response.on("error", () => resolve("reset"));
        });
        request.on("timeout", () => request.destroy());
        request.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    });
}
