import type { Duplex } from "node:stream";

/** What an SSH connection goes over: a socket, or something that behaves like one. */
export interface Stream extends Duplex {
    /** So many bytes have arrived. */
    readonly bytesRead: number;
    /** From now on the process does not end by itself. */
    ref(): unknown;
    /** From now on this stream does not keep the process from ending. */
    unref(): unknown;
}

/** Sends what is still to be sent, and then ends the stream in both directions. */
export function endSoon(stream: Stream): void {
    stream.end();
    if (stream.writableFinished) {
        stream.destroy();
    } else {
        stream.once("finish", () => stream.destroy());
    }
}
