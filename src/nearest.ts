/** The name of `names` that a typing mistake most likely meant, or undefined when none is near. */
export function nearest(typed: string, names: readonly string[]): string | undefined {
    let best: string | undefined;
    let least = Math.max(2, Math.floor(typed.length / 3)) + 1;
    for (const name of names) {
        const distance = editDistance(typed.toLowerCase(), name.toLowerCase());
        if (distance < least) {
            [best, least] = [name, distance];
        }
    }
    return best;
}

/** How many letters must be added, removed or replaced (Levenshtein). */
function editDistance(a: string, b: string): number {
    let row = Array.from({ length: b.length + 1 }, (_, index) => index);
    for (let i = 1; i <= a.length; i++) {
        const next = [i];
        for (let j = 1; j <= b.length; j++) {
            const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
            next[j] = Math.min(replaced, row[j]! + 1, next[j - 1]! + 1);
        }
        row = next;
    }
    return row[b.length]!;
}
