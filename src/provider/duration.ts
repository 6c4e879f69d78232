import { z } from "zod";

const units: Record<string, number> = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 };

/** An argument that is a length of time, such as `"90d"`. @param what what it is, e.g. `"a validity"` */
export function duration(what: string) {
    return z.string(what).regex(/^[1-9]\d{0,5}[smhdw]$/, `${what} such as "90d"; the units are s, m, h, d and w`);
}

/** As {@link duration}; `"0"` is none. */
export function durationOrNone(what: string) {
    return z
        .string(what)
        .regex(/^(?:0|[1-9]\d{0,5}[smhdw])$/, `${what} such as "90d", or "0"; the units are s, m, h, d and w`);
}

/** A length of time in ms. */
export function millisecondsOf(text: string): number {
    return text === "0" ? 0 : Number(text.slice(0, -1)) * units[text.slice(-1)]! * 1_000;
}
