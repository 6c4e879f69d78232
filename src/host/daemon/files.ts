import { type ApiWish, tlsFiles } from "../../docker/daemon/api";
import { type Claim, type Content, environmentClaim, everything, print, sameContent } from "../../docker/daemon/merge";
import { dropIn, environmentFile, givenFlags, hostsDropIn, readEnvironmentFile } from "../../docker/daemon/unit";
import { sha256 } from "../../sha256";
import { type DaemonFacts, daemonFile, type FileChange } from "../daemon";
import { environmentConf, environmentPath, hostsPath, parseOr, type Unit, unitOf } from "./found";
import type { DaemonWish } from "./wish";

/** The change of daemon.json, if there is one. A file without settings is left, unless it came with us and shall go with us. */
export function fileChanges(
    facts: DaemonFacts,
    file: Content,
    wanted: Content,
    goes: boolean,
    passes: boolean,
): FileChange[] {
    const absent = facts.file.sum === "absent";
    const shallBeAbsent = Object.keys(wanted).length === 0 && (absent || goes);
    const isRight = shallBeAbsent ? absent : !absent && sameContent(file, wanted) && facts.file.content.trim() !== "";
    if (isRight && !passes) return [];
    return [shallBeAbsent ? { path: daemonFile, content: undefined, mode: "0644" } : fileWith(facts, wanted)];
}

/** daemon.json with this content. */
export function fileWith(facts: DaemonFacts, content: Content): FileChange {
    return {
        path: daemonFile,
        content: print(content, facts.file.content),
        mode: hasCredentials(content) ? "+0600" : "0644",
    };
}

function hasCredentials({ proxies }: Content): boolean {
    return /\/\/[^/@"]*@/.test(JSON.stringify(proxies ?? {}));
}

/** The drop-in that has to come or go because of `hosts`. */
export function hostsFiles(
    facts: DaemonFacts,
    unit: Unit,
    claims: readonly Claim[],
    owned: readonly Claim[],
    wanted: Content,
): FileChange[] {
    const isOurs = (list: readonly Claim[]) => list.includes("hosts") || list.includes(everything);
    if (!isOurs(claims) && !isOurs(owned)) return [];
    const given = givenFlags(unit.words).some(({ key }) => key === "hosts");
    const content = wanted.hosts !== undefined && given ? hostsDropIn(unit.command) : undefined;
    return fileIfOther(facts, { path: hostsPath, content, mode: "0644" });
}

/** True when the drop-in that belongs to `hosts` is as it has to be. */
export function hostsAreRight(facts: DaemonFacts, claims: readonly Claim[]): boolean {
    const file = parseOr(facts.file.content, {});
    return hostsFiles(facts, unitOf(facts), claims, claims, file).length === 0;
}

/** The certificates that have to come, in the place of those that are not as they were written, or to go. */
export function certificateFiles(facts: DaemonFacts, { api }: DaemonWish, owned: readonly Claim[]): FileChange[] {
    const wanted = Object.values((api && tlsFiles(api)) ?? {});
    const missing = wanted.filter((file) => !isAsWritten(facts, file));
    const isOurs = wanted.length > 0 || owned.includes("tlskey") || owned.includes(everything);
    const left = isOurs ? facts.certificates.filter(({ path }) => !wanted.some((file) => file.path === path)) : [];
    return [
        ...missing.map(({ path, content }) => ({ path, content, mode: "+0400" })),
        ...left.map(({ path }) => ({ path, content: undefined, mode: "0400" })),
    ];
}

function isAsWritten(facts: DaemonFacts, { path, content }: { path: string; content: string }): boolean {
    const found = facts.certificates.find((each) => each.path === path);
    return found?.sum === sha256(content) && found.mode === "400" && found.owner === "root";
}

/** Whether certificates change under the names that they have. */
export function exchanged(facts: DaemonFacts, changes: readonly FileChange[]): boolean {
    return changes.some(({ path, content }) => {
        const found = facts.certificates.find((each) => each.path === path);
        return content !== undefined && found !== undefined && found.sum !== sha256(content);
    });
}

/** Whether the certificates on the machine are those of the wish, and nobody but root can read them. */
export function certificatesAreRight(facts: DaemonFacts, api: ApiWish | undefined): boolean {
    return Object.values((api && tlsFiles(api)) ?? {}).every((file) => isAsWritten(facts, file));
}

/** The drop-in of the environment, and its file, that have to come or go. */
export function environmentFiles(
    facts: DaemonFacts,
    { environment }: DaemonWish,
    owned: readonly Claim[],
): FileChange[] {
    if (environment === undefined && !owned.includes(environmentClaim)) return [];
    const content = environment && environmentFile(environment);
    return [
        ...fileIfOther(facts, { path: environmentPath, content, mode: "+0600" }),
        ...fileIfOther(facts, { path: environmentConf, content: environment && environmentDropIn(), mode: "0644" }),
    ];
}

function environmentDropIn(): string {
    // A file of its own, since anybody may ask systemd for the Environment of a unit.
    return dropIn([`EnvironmentFile=-${environmentPath}`]);
}

/** The daemon's environment as our drop-in gives it; undefined where there is none. */
export function foundEnvironment(facts: DaemonFacts): Record<string, string> | undefined {
    const at = (path: string) => facts.dropIns.find((found) => found.path === path);
    return at(environmentConf)?.content === environmentDropIn() && at(environmentPath)
        ? readEnvironmentFile(at(environmentPath)!.content)
        : undefined;
}

function fileIfOther(facts: DaemonFacts, file: FileChange): FileChange[] {
    return facts.dropIns.find(({ path }) => path === file.path)?.content === file.content ? [] : [file];
}

/** What these files are now: a change ends where somebody else has written one since. */
export function guardsOf(facts: DaemonFacts, files: readonly FileChange[]): { path: string; sum: string }[] {
    return files
        .filter(({ path }) => path !== daemonFile)
        .map(({ path }) => ({
            path,
            sum: [...facts.dropIns, ...facts.certificates].find((found) => found.path === path)?.sum ?? "absent",
        }));
}
