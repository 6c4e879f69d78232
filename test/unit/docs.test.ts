import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import ts from "typescript";
import { errorCodes } from "../../src/errors";

const root = join(__dirname, "..", "..");
const read = (path: string) => readFileSync(join(root, path), "utf8");
const generated = join("docs", "api");
const pages = [
    "README.md",
    ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
        .filter((name) => name.endsWith(".md"))
        .map((name) => join("docs", name)),
];
const written = pages.filter((page) => !page.startsWith(generated));

/** A page without its code blocks, in which nothing is a link or a heading. */
function prose(page: string): string {
    return read(page).replace(/^```[\s\S]*?^```$/gm, "");
}

/** The names under which a page's headings can be linked to. */
function anchors(page: string): string[] {
    const headings = [...prose(page).matchAll(/^#+ (.+)$/gm)].map(([, text = ""]) => text);
    const ids = [...read(page).matchAll(/<a id="([^"]+)">/g)].map(([, id = ""]) => id);
    const name = (text: string) =>
        text
            .toLowerCase()
            .replace(/[^\w\- ]/g, "")
            .replaceAll(" ", "-");
    return [...ids, ...headings.map(name)];
}

describe("the page on errors", () => {
    const sections = prose(join("docs", "errors.md")).split(/^### /m).slice(1);

    it("has one section for each code, and none for anything else", () => {
        expect(sections.map((section) => section.split("\n")[0]).sort()).toEqual([...errorCodes].sort());
    });

    it("says in each what happened and what to do", () => {
        const says = (section: string) =>
            /\*\*What happened\.\*\*/.test(section) && /\*\*What to do\.\*\*/.test(section);
        expect(sections.filter((section) => !says(section))).toEqual([]);
    });

    it("is about codes that something raises", () => {
        const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
            .filter((name) => /\.(ts|sh)$/.test(name) && name !== "errors.ts")
            .map((name) => read(join("src", name)))
            .join("\n");
        const raised = (code: string) => sources.includes(`"${code}"`) || sources.includes(`fail ${code} `);
        expect(errorCodes.filter((code) => !raised(code))).toEqual([]);
    });
});

it.each(written)("links in %s lead to what is there", (page) => {
    const links = [...prose(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = ""]) => link);
    const broken = links
        .filter((link) => !/^[a-z]+:/.test(link))
        .filter((link) => {
            const [path = "", anchor] = link.split("#");
            const target = path === "" ? page : join(dirname(page), path);
            if (!existsSync(join(root, target))) return true;
            return anchor !== undefined && target.endsWith(".md") && !anchors(target).includes(anchor);
        });
    expect(broken).toEqual([]);
});

it("shows programs that pass the type checker", () => {
    const snippets = new Map<string, string>();
    for (const page of written) {
        const blocks = [...read(page).matchAll(/^```ts\n([\s\S]*?)^```$/gm)];
        blocks.forEach(([, code = ""], number) => {
            snippets.set(join(root, `${page}.${number}.ts`), code);
        });
    }
    expect(snippets.size).toBeGreaterThan(0);
    const { config } = ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile);
    const { options } = ts.parseJsonConfigFileContent({ ...config, files: [], include: [] }, ts.sys, root);
    options.paths = { "pulumi-docker-fleet": [join(root, "src", "index.ts")] };
    const host = ts.createCompilerHost(options);
    const { readFile, fileExists, getSourceFile } = host;
    host.readFile = (file) => snippets.get(file) ?? readFile(file);
    host.fileExists = (file) => snippets.has(file) || fileExists(file);
    host.getSourceFile = (file, language, ...others) => {
        const code = snippets.get(file);
        return code === undefined
            ? getSourceFile(file, language, ...others)
            : ts.createSourceFile(file, code, language, true);
    };
    const program = ts.createProgram([...snippets.keys()], options, host);
    const problems = [...snippets.keys()].flatMap((file) => {
        const source = program.getSourceFile(file)!;
        const found = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
        return found.map(
            ({ messageText }) => `${relative(root, file)}: ${ts.flattenDiagnosticMessageText(messageText, " ")}`,
        );
    });
    expect(problems).toEqual([]);
});

it("holds an API reference that is made from the doc comments as they are (npm run docs)", () => {
    const fresh = mkdtempSync(join(tmpdir(), "docker-fleet-docs-"));
    try {
        const typedoc = join(root, "node_modules", "typedoc", "bin", "typedoc");
        execFileSync(process.execPath, [typedoc, "--out", fresh], { cwd: root, stdio: ["ignore", "ignore", "pipe"] });
        const files = readdirSync(fresh);
        expect(readdirSync(join(root, generated))).toEqual(files);
        for (const file of files) {
            expect(read(join(generated, file))).toBe(readFileSync(join(fresh, file), "utf8"));
        }
    } finally {
        rmSync(fresh, { recursive: true, force: true });
    }
});
