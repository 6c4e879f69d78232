import { FleetError } from "../errors";

/**
 * Quotes a text as one word of a POSIX shell. Inside single quotes nothing but the single quote itself is special.
 *
 * @throws FleetError INVALID_ARGUMENT for a NUL character, which no argument of a program can hold
 */
export function quote(text: string): string {
    if (text.includes("\0")) {
        throw new FleetError({ code: "INVALID_ARGUMENT", message: "An argument for a script must not contain NUL." });
    }
    return `'${text.replaceAll("'", "'\\''")}'`;
}
