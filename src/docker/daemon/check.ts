import { nearest } from "../../nearest";
import { keyNames, keyOf, misleadingNames, unusableNames } from "./keys";
import { type Content, isObject } from "./merge";
import { wrongBridge } from "./networks";
import { compareVersions } from "./version";

/** One thing wrong with settings. */
export interface Mistake {
    /** Where: the key, and what is inside of it. */
    path: string[];
    /** What is wrong and what would be right. */
    problem: string;
}

/** True where a value is known already; in a preview parts of the settings may not be. */
export type Known = (value: unknown) => boolean;

/** Names that are no keys of daemon.json. dockerd refuses some of them, and ignores others without a word. */
export function wrongNames(settings: Content): Mistake[] {
    return Object.keys(settings)
        .filter((name) => keyOf(name) === undefined)
        .map((name) => ({ path: [name], problem: wrongName(name) }));
}

function wrongName(name: string): string {
    const right = misleadingNames[name];
    if (right !== undefined) return `dockerd does not know this name in its file; write ${right}`;
    const why = unusableNames[name];
    if (why !== undefined) return `it cannot be set in daemon.json: ${why}`;
    const meant = nearest(name, keyNames);
    return `there is no such key in daemon.json${meant ? `; did you mean ${meant}?` : "; a key that is newer than this package goes into extra"}`;
}

/** Names that do not belong into `extra`. */
export function wrongExtras(extra: Content): Mistake[] {
    return Object.keys(extra).flatMap((name) => {
        if (keyOf(name) !== undefined) return [{ path: [name], problem: "it is a known key; write it into settings" }];
        const misleading = Object.hasOwn(misleadingNames, name) || Object.hasOwn(unusableNames, name);
        return misleading ? [{ path: [name], problem: wrongName(name) }] : [];
    });
}

/** Keys that an engine does not have yet, or no longer has. */
export function wrongVersions(settings: Content, engine: string): Mistake[] {
    const major = (version: string) => compareVersions(engine, version);
    const mistakes = Object.keys(settings).flatMap((name) => {
        const { since, until } = keyOf(name) ?? {};
        if (since !== undefined && major(since) < 0) {
            const instead = name === "proxies" ? "; use environment instead" : "";
            return [{ path: [name], problem: `Docker has it since ${since}, this engine is ${engine}${instead}` }];
        }
        if (until !== undefined && major(until) >= 0) {
            return [{ path: [name], problem: `Docker has it no longer since ${until}, this engine is ${engine}` }];
        }
        return [];
    });
    const needsExperimental = (key: string, version: string) => {
        if (settings[key] && settings[key] !== "" && settings.experimental !== true && major(version) < 0) {
            mistakes.push({ path: [key], problem: `it needs experimental: true before Docker ${version}` });
        }
    };
    const profile = settings["seccomp-profile"];
    if ((profile === "builtin" || profile === "unconfined") && major("23") < 0) {
        mistakes.push({
            path: ["seccomp-profile"],
            problem: "it is a path before Docker 23, and the builtin one without it",
        });
    }
    needsExperimental("ip6tables", "27");
    needsExperimental("metrics-addr", "24");
    return mistakes;
}

/**
 * Combinations with which a daemon does not start, does not do what is meant, or is open to everybody. What is not known
 * yet counts as right.
 *
 * @param whole whether these are all settings of the file: what is not in them is then not set at all
 * @param allowUnprotected whether the API may be open to everybody
 */
export function wrongCombinations(
    settings: Content,
    whole: boolean,
    known: Known = () => true,
    allowUnprotected = false,
): Mistake[] {
    const mistakes: Mistake[] = [];
    const wrong = (path: string[], problem: string) => mistakes.push({ path, problem });
    const has = (key: string) => settings[key] !== undefined;
    const isKnown = (...keys: string[]) => keys.every((key) => known(settings[key]));

    if (has("bip") && has("bridge") && isKnown("bridge"))
        wrong(["bip"], "it is the default bridge's; with bridge there is none");
    const { bip, "default-gateway": gateway } = settings;
    if (typeof bip === "string" && isKnown("bip")) {
        const found = wrongBridge(bip, typeof gateway === "string" && isKnown("default-gateway") ? gateway : undefined);
        if (found.bip !== undefined) wrong(["bip"], found.bip);
        if (found.gateway !== undefined) wrong(["default-gateway"], found.gateway);
    }
    if (has("host-gateway-ip") && has("host-gateway-ips"))
        wrong(["host-gateway-ip"], "write it into host-gateway-ips alone");
    if (settings.icc === false && settings.iptables === false)
        wrong(["icc"], "without iptables nothing enforces icc: false");
    if (isKnown("labels")) {
        const seen = new Map<string, string>();
        for (const label of list(settings.labels)) {
            const name = label.split("=", 1)[0]!;
            const other = seen.get(name);
            if (other !== undefined && other !== label)
                wrong(["labels"], `${other} and ${label} contradict each other`);
            seen.set(name, label);
        }
    }
    const systemd = list(settings["exec-opts"]).includes("native.cgroupdriver=systemd");
    const parent = settings["cgroup-parent"];
    if (systemd && typeof parent === "string" && isKnown("cgroup-parent") && !parent.endsWith(".slice")) {
        wrong(["cgroup-parent"], 'with the systemd cgroup driver it is a slice, such as "docker.slice"');
    }
    const { runtimes } = settings;
    if (isKnown("runtimes") && isObject(runtimes)) {
        for (const [name, runtime] of Object.entries(runtimes)) {
            const { path, runtimeType } = isObject(runtime) ? runtime : {};
            if (name === "runc") wrong(["runtimes", name], "the name runc belongs to Docker itself");
            if ((path === undefined) === (runtimeType === undefined)) {
                wrong(["runtimes", name], "it needs either path or runtimeType");
            }
        }
    }
    mistakes.push(...wrongTransport(settings, whole, known, allowUnprotected));
    return mistakes;
}

/** What is wrong about where the API listens and about its TLS. */
function wrongTransport(settings: Content, whole: boolean, known: Known, allowUnprotected: boolean): Mistake[] {
    const mistakes: Mistake[] = [];
    const wrong = (key: string, problem: string) => mistakes.push({ path: [key], problem });
    const verified = settings.tlsverify === true || !known(settings.tlsverify);
    if (whole && settings.tlsverify !== undefined && known(settings.tlsverify)) {
        const needed = settings.tlsverify === true ? ["tlscacert", "tlscert", "tlskey"] : ["tlscert", "tlskey"];
        for (const key of needed.filter((name) => settings[name] === undefined)) {
            const danger =
                key === "tlscacert" ? ", or everybody with a certificate of any public authority would be root" : "";
            wrong("tlsverify", `it needs ${key}${danger}`);
        }
    }
    if (settings.hosts === undefined || !known(settings.hosts)) return mistakes;
    const hosts = list(settings.hosts);
    if (!hosts.some((host) => host === "fd://" || /^unix:\/\/(\/var)?\/run\/docker\.sock$/.test(host))) {
        wrong(
            "hosts",
            'it needs "fd://" or "unix:///var/run/docker.sock" as well: the machine itself uses that socket',
        );
    }
    for (const host of hosts.filter((each) => each.startsWith("tcp://"))) {
        if (!/^tcp:\/\/(\[[^\]]+\]|[^:/[\]]+):\d+$/.test(host)) {
            wrong("hosts", `${host} needs an address and a port, such as "tcp://0.0.0.0:2376"`);
        }
        if (!verified && !allowUnprotected) {
            wrong(
                "hosts",
                `${host} without TLS makes everybody who reaches that port root; use the argument api in place of hosts`,
            );
        }
    }
    return mistakes;
}

function list(value: unknown): string[] {
    return Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
}
