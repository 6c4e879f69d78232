import type { FleetError } from "../errors";

/** So long a refused login counts, in ms. Newer OpenSSH servers lock an address out after four of them. */
const memory = 60_000;

interface Refusal {
    error: FleetError;
    place: string;
    until: number;
}

const refusals = new Map<string, Refusal>();

/** Remembers that a server has refused a login, so that the next resource of the same machine does not try it again. */
export function rememberRefusal(identity: string, place: string, error: FleetError): void {
    refusals.set(identity, { error, place, until: Date.now() + memory });
}

/** The error of a login that was refused a short time ago. */
export function recentRefusal(identity: string): FleetError | undefined {
    const refusal = refusals.get(identity);
    return refusal !== undefined && refusal.until > Date.now() ? refusal.error : undefined;
}

/** Something was done on a server, which may have changed whom it lets in. */
export function forgetRefusals(place: string): void {
    for (const [identity, refusal] of refusals) {
        if (refusal.place === place) {
            refusals.delete(identity);
        }
    }
}

/** As if this process had just begun. */
export function forgetAllRefusals(): void {
    refusals.clear();
}
