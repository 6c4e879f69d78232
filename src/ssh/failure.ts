import type { FleetErrorDetails } from "../errors";

/** One failed dial: what it would be as an error, and whether waiting can help. */
export interface Failure {
    details: FleetErrorDetails;
    /** A few words for the progress line. */
    reason: string;
    /** "as told": as often as the connection allows. */
    retry: "as told" | "briefly" | "never";
}

/** Thrown by what opens the stream of a dial, where it knows more than an error of the operating system tells. */
export class DialFailure extends Error {
    constructor(readonly failure: Failure) {
        super(failure.reason);
    }
}

/** An error of a socket; of the system's, of ssh2's, or of several addresses that were tried. */
export type SocketError = Error & { code?: string | number; address?: string; errors?: SocketError[] };

const words: Record<string, string> = {
    ECONNREFUSED: "connection refused",
    ECONNRESET: "connection reset",
    EPIPE: "connection reset",
    ETIMEDOUT: "no answer",
    EHOSTUNREACH: "no route to host",
    ENETUNREACH: "network unreachable",
    EHOSTDOWN: "host is down",
    ENOTFOUND: "host name not found",
    EAI_AGAIN: "the name server does not answer",
};

/** What an error of a socket means, in a few words; of several addresses, what became of each. */
export function socketErrorWords(error: SocketError): string {
    if (error.errors !== undefined && error.errors.length > 0) {
        return error.errors.map((each) => `${each.address}: ${socketErrorWords(each)}`).join(", ");
    }
    return words[error.code ?? ""] ?? error.message;
}

/** A text as the beginning of a sentence. */
export function capital(text: string): string {
    return text.charAt(0).toUpperCase() + text.slice(1);
}
