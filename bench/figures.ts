import { performance } from "node:perf_hooks";

/** How long some work takes, in ms. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
    const start = performance.now();
    await work();
    return performance.now() - start;
}

/** The middle one; of an even number, the mean of the two in the middle. */
export function median(values: readonly number[]): number {
    const sorted = [...values].sort((a, b) => a - b);
    const middle = sorted.length / 2;
    return (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2;
}

/** Our figures and those of plain ssh, measured in turn: the ones with the same index belong together. */
export interface Pairs {
    ours: number[];
    plain: number[];
}

/** One line of a table: cells as text. */
export type Row = string[];

/** What was measured against plain ssh, as a line: name, both medians, the median of the pairs' ratios, and the goal. */
export function comparison(name: string, { ours, plain }: Pairs, goal = ""): Row {
    const ratio = median(ours.map((value, index) => value / plain[index]!));
    return [name, seconds(median(ours)), seconds(median(plain)), `${ratio.toFixed(2)}×`, goal];
}

/** What has no counterpart in plain ssh, as a line of the same table. */
export function alone(name: string, values: number[]): Row {
    return [name, seconds(median(values)), "", "", ""];
}

/** Such lines as a table. */
export function againstPlain(rows: readonly Row[]): string {
    return table(["", "this package", "plain ssh", "ratio", "goal"], rows);
}

/** ms as text. */
export function seconds(ms: number): string {
    return `${(ms / 1000).toFixed(2)} s`;
}

/** A table in Markdown. */
export function table(head: Row, rows: readonly Row[]): string {
    return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
