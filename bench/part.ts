import type { Lab } from "../lab";

/** Tells what is going on. */
export type Say = (line: string) => void;

/** A part of the bench, which can be run alone. */
export interface Part {
    /** What it is about, in a few words. */
    about: string;
    /** Measures, and returns what goes into docs/performance.md. */
    measure(lab: Lab, say: Say): Promise<string>;
}
