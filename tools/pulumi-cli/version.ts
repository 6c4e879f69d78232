/** Compares two versions such as `1.25.11` by their numbers: negative where the first is the older one. */
export function compareVersions(first: string, second: string): number {
    const [left, right] = [first, second].map((version) => version.split(".").map(Number));
    for (let index = 0; index < 3; index++) {
        const difference = (left![index] ?? 0) - (right![index] ?? 0);
        if (difference !== 0) {
            return difference;
        }
    }
    return 0;
}
