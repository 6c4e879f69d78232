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
