import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A table as Markdown, its columns aligned. */
export function markdownTable(rows: string[][]): string {
    const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
    const line = (cells: string[]) => `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |`;
    const rule = widths.map((width) => "-".repeat(width));
    return [rows[0]!, rule, ...rows.slice(1)].map(line).join("\n");
}

/** The table of a page in docs between `<!-- NAME -->` and `<!-- /NAME -->`, and whether that page may be changed now. */
export class DocsTable {
    readonly #path: string;

    constructor(
        page: string,
        private readonly name: string,
    ) {
        this.#path = join(__dirname, "..", "..", "docs", page);
    }

    /** What the page says. */
    get text(): string {
        return this.#parts()[1]!.trim();
    }

    /** Makes the page say this, where UPDATE_DOCS=1 allows it; else leaves it to the caller to compare. */
    update(table: string): void {
        if (process.env.UPDATE_DOCS === "1") {
            const [before, , after] = this.#parts();
            writeFileSync(this.#path, `${before}\n\n${table}\n\n${after}`);
        }
    }

    #parts(): string[] {
        const [begin, end] = [`<!-- ${this.name} -->`, `<!-- /${this.name} -->`];
        const page = readFileSync(this.#path, "utf8");
        const [from, to] = [page.indexOf(begin) + begin.length, page.indexOf(end)];
        if (from < begin.length || to < from) {
            throw new Error(`${this.#path} has no ${begin} … ${end}`);
        }
        return [page.slice(0, from), page.slice(from, to), page.slice(to)];
    }
}
