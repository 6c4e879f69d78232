import { readdirSync, readFileSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import { basename, dirname, isAbsolute, join } from "node:path";
import { expandHome } from "./identity";
import { matchesPatterns } from "./patterns";
import { configError, type SshOptions, type SshQuery } from "./ssh-options";

/** A line as the library parses it; its own types are those of a module that this one cannot import. */
interface Line {
    /** The keyword; comments have none. */
    param?: string;
    value?: string | { val: string; separator: string; quoted?: boolean }[];
    /** The lines below a Host or Match. */
    config?: Line[];
    /** What a Match wants. */
    criteria?: Record<string, string | { val: string }[]>;
}

/** Keywords of which every occurrence counts; of all others the first one does. */
const cumulative = ["identityfile", "certificatefile"];

/** Includes may include; so deep is deep enough. */
const deepest = 16;

const needsSsh = "Install an OpenSSH client where pulumi runs, or give these arguments in the program.";

/**
 * Evaluates a configuration without an OpenSSH client: Host, Match (all, host, originalhost, user, localuser), Include. What
 * it cannot evaluate (`Match exec`, CanonicalizeHostname) is an error: to pass over it would lead elsewhere than ssh does.
 *
 * @throws FleetError SSH_CONFIG_INVALID
 */
export function readSshConfig(query: SshQuery): SshOptions {
    const options: SshOptions = new Map();
    if (query.user !== undefined) {
        options.set("user", [query.user]);
    }
    if (query.port !== undefined) {
        options.set("port", [String(query.port)]);
    }
    const ofTheUser = { query, options, base: join(homedir(), ".ssh") };
    if (query.path !== undefined) {
        evaluateFile(expandHome(query.path), ofTheUser, true, 0);
    } else {
        evaluateFile(join(ofTheUser.base, "config"), ofTheUser, false, 0);
        evaluateFile("/etc/ssh/ssh_config", { query, options, base: "/etc/ssh" }, false, 0);
    }
    options.set("hostname", [hostnameOf(query, options)]);
    options.set("port", options.get("port") ?? ["22"]);
    options.set("user", options.get("user") ?? [userInfo().username]);
    return options;
}

interface Evaluation {
    query: SshQuery;
    options: SshOptions;
    /** Where relative paths of Include lead. */
    base: string;
}

/** The name that is dialed, as far as it is known. */
function hostnameOf({ host }: SshQuery, options: SshOptions): string {
    const hostname = options.get("hostname")?.[0] ?? host;
    return hostname.replace(/%([%h])/g, (_, token) => (token === "h" ? host : "%"));
}

function evaluateFile(path: string, evaluation: Evaluation, required: boolean, depth: number): void {
    if (depth > deepest) {
        throw configError(`${path} is included by files that include each other.`);
    }
    let text: string;
    try {
        text = readFileSync(path, "utf8");
    } catch (error) {
        if (!required && (error as NodeJS.ErrnoException).code === "ENOENT") {
            return;
        }
        throw configError(`${path} cannot be read: ${(error as Error).message}.`);
    }
    const { parse } = require("ssh-config") as { parse: (text: string) => Line[] };
    let lines: Line[];
    try {
        lines = parse(text);
    } catch (error) {
        throw configError(`${path}: ${(error as Error).message}.`);
    }
    evaluate(lines, path, evaluation, depth);
}

function evaluate(lines: Line[], path: string, evaluation: Evaluation, depth: number): void {
    for (const line of lines) {
        if (line.param === undefined) {
            continue;
        }
        const keyword = line.param.toLowerCase();
        const { config = [], criteria = {} } = line;
        if (keyword === "host") {
            if (matchesPatterns(valuesOf(line), evaluation.query.host)) {
                evaluate(config, path, evaluation, depth);
            }
        } else if (keyword === "match") {
            if (matchesCriteria(criteria, path, evaluation)) {
                evaluate(config, path, evaluation, depth);
            }
        } else if (keyword === "include") {
            for (const included of valuesOf(line).flatMap((pattern) => filesOf(pattern, evaluation.base))) {
                evaluateFile(included, evaluation, true, depth + 1);
            }
        } else {
            set(evaluation.options, keyword, line, path);
        }
    }
}

function set(options: SshOptions, keyword: string, line: Line, path: string): void {
    const values = keyword === "proxycommand" ? [commandOf(line)] : valuesOf(line);
    if (keyword === "canonicalizehostname" && values[0]?.toLowerCase() !== "no") {
        throw configError(`${path}: CanonicalizeHostname is not known without an OpenSSH client.`, needsSsh);
    }
    if (cumulative.includes(keyword)) {
        options.set(keyword, [...new Set([...(options.get(keyword) ?? []), ...values])]);
        return;
    }
    // The two are words for one setting, of which the first counts; only "ProxyJump none" leaves room for a ProxyCommand.
    const isTaken =
        (keyword === "proxycommand" && (options.get("proxyjump") ?? ["none"])[0] !== "none") ||
        (keyword === "proxyjump" && options.has("proxycommand"));
    if (!options.has(keyword) && !isTaken) {
        options.set(keyword, values);
    }
}

function matchesCriteria(
    criteria: NonNullable<Line["criteria"]>,
    path: string,
    { query, options }: Evaluation,
): boolean {
    const user = userInfo().username;
    const subjects: Record<string, string> = {
        host: hostnameOf(query, options),
        originalhost: query.host,
        user: options.get("user")?.[0] ?? user,
        localuser: user,
    };
    return Object.entries(criteria).every(([given, patterns]) => {
        const criterion = given.toLowerCase();
        if (criterion === "all") {
            return true;
        }
        const subject = subjects[criterion.replace(/^!/, "")];
        if (subject === undefined) {
            throw configError(`${path}: Match ${given} is not known without an OpenSSH client.`, needsSsh);
        }
        const list = (typeof patterns === "string" ? patterns : patterns.map(({ val }) => val).join(",")).split(",");
        return matchesPatterns(list, subject) !== criterion.startsWith("!");
    });
}

/** The files of an Include, with `*` and `?` in the last part of the path. */
function filesOf(pattern: string, base: string): string[] {
    const home = expandHome(pattern);
    const absolute = isAbsolute(home) ? home : join(base, home);
    const [directory, name] = [dirname(absolute), basename(absolute)];
    if (/[*?]/.test(directory)) {
        throw configError(`Include ${pattern} is not known without an OpenSSH client.`, needsSsh);
    }
    let names: string[];
    try {
        names = readdirSync(directory);
    } catch {
        return [];
    }
    return names
        .filter((one) => one === name || (!one.startsWith(".") && matchesPatterns([name], one)))
        .sort()
        .map((one) => join(directory, one));
}

function valuesOf({ value = [] }: Line): string[] {
    return typeof value === "string" ? [value] : value.map(({ val }) => val);
}

/** A command is one text; the parser has taken it apart. */
function commandOf({ value = [] }: Line): string {
    return typeof value === "string"
        ? value
        : value
              .map(({ val, separator, quoted }) => `${separator}${quoted ? `"${val}"` : val}`)
              .join("")
              .trim();
}
