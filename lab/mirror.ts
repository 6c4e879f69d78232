import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";

/** Where Debian's packages come from. */
export interface Mirror {
    main: string;
    /** Empty when the machine uses none. */
    security: string;
    /** The proxy apt is set to use, or empty. */
    proxy: string;
}

/** One source of packages, from either form of apt's source files. */
interface Source {
    uri: string;
    suites: string[];
    components: string[];
}

const debianSuite = /^(bullseye|bookworm|trixie|forky|duke|sid|oldoldstable|oldstable|stable|testing|unstable)$/;

/** The mirror the machine's own apt uses; undefined where it has none of Debian's. */
export function findMirror(): Mirror | undefined {
    const sources = apt().filter((source) => source.components.includes("main"));
    const main = sources.find((source) => source.suites.some((suite) => debianSuite.test(suite)));
    if (!main) return undefined;
    const security = sources.find((source) => source.suites.some((suite) => /^[a-z]+-security$/.test(suite)));
    return { main: main.uri, security: security?.uri ?? "", proxy: proxy() };
}

function apt(): Source[] {
    const directory = "/etc/apt/sources.list.d";
    const extra = existsSync(directory) ? readdirSync(directory).map((name) => `${directory}/${name}`) : [];
    return ["/etc/apt/sources.list", ...extra].filter(existsSync).flatMap((file) => {
        if (file.endsWith(".sources")) return parseDeb822(readFileSync(file, "utf8"));
        if (file.endsWith(".list")) return parseOneLine(readFileSync(file, "utf8"));
        return [];
    });
}

/** Reads the one-line form: `deb [options] URI SUITE COMPONENT…`. */
export function parseOneLine(text: string): Source[] {
    return text.split("\n").flatMap((line) => {
        const match = /^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+([^#]*)/.exec(line);
        return match ? sources([match[1]!], [match[2]!], words(match[3]!)) : [];
    });
}

/** Reads the deb822 form: stanzas of `Key: value`, values going on in lines that start with a blank. */
export function parseDeb822(text: string): Source[] {
    const clean = text.replace(/^#.*\n?/gm, "");
    return clean.split(/\n\s*\n/).flatMap((stanza) => {
        const field = (key: string) =>
            words(new RegExp(`^${key}:((?:.*)(?:\\n[ \\t].*)*)`, "im").exec(stanza)?.[1] ?? "");
        const off = field("Enabled")[0]?.toLowerCase() === "no" || !field("Types").includes("deb");
        return off ? [] : sources(field("URIs"), field("Suites"), field("Components"));
    });
}

function sources(uris: string[], suites: string[], components: string[]): Source[] {
    return uris
        .map((uri) => (uri.startsWith("mirror+file:") ? firstOfList(uri.slice("mirror+file:".length)) : uri))
        .filter((uri) => /^https?:\/\//.test(uri))
        .map((uri) => ({ uri: uri.replace(/\/+$/, ""), suites, components }));
}

// Debian's cloud images name a file that lists mirrors.
function firstOfList(file: string): string {
    const path = file.replace(/^\/+/, "/");
    return existsSync(path) ? (words(readFileSync(path, "utf8"))[0] ?? "") : "";
}

function words(text: string): string[] {
    return text.split(/\s+/).filter((word) => word !== "");
}

function proxy(): string {
    const dump = execFileSync("apt-config", ["dump", "--format", "%v", "Acquire::http::Proxy"], { encoding: "utf8" });
    return dump.trim() === "DIRECT" ? "" : dump.trim();
}
