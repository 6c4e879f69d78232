/** Negative when engine `a` is older than `b`, 0 when they agree as far as both say. `28.5.2+dfsg4` is 28.5.2. */
export function compareVersions(a: string, b: string): number {
    const numbers = (version: string) =>
        version
            .split(/[^\d.]/, 1)[0]!
            .split(".")
            .map(Number);
    const [left, right] = [numbers(a), numbers(b)];
    for (let index = 0; index < Math.min(left.length, right.length); index++) {
        const difference = left[index]! - right[index]!;
        if (difference !== 0) return difference;
    }
    return 0;
}
