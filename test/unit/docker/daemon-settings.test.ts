import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import ts from "typescript";
import { wrongCombinations, wrongExtras, wrongNames, wrongVersions } from "../../../src/docker/daemon/check";
import { daemonKeys, keyNames, keyOf, misleadingNames, unusableNames } from "../../../src/docker/daemon/keys";
import { compareVersions } from "../../../src/docker/daemon/version";

const say = (mistakes: { path: string[]; problem: string }[]) =>
    mistakes.map(({ path, problem }) => `${path.join(".")}: ${problem}`);

describe("the table of daemon.json's keys", () => {
    it.each(keyNames)("takes its own sample of %s, and its default", (name) => {
        const key = keyOf(name)!;
        expect(key.schema.safeParse(key.sample)).toMatchObject({ success: true });
        if (key.default !== undefined) expect(key.schema.safeParse(key.default)).toMatchObject({ success: true });
    });

    it("says the same as the doc comments", () => {
        const file = join(__dirname, "../../../src/docker/daemon/settings.ts");
        const source = ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.Latest, true);
        const settings = source.statements.find(ts.isInterfaceDeclaration)!;
        for (const member of settings.members) {
            const name = (member.name as ts.StringLiteral | ts.Identifier).text;
            const key = daemonKeys[name as keyof typeof daemonKeys];
            const comment = ts
                .getJSDocCommentsAndTags(member)
                .map((doc) => String(doc.comment))
                .join(" ");
            const since = /Since ([\d.]+)\. /.exec(comment)?.[1];
            const until = /Removed in ([\d.]+)\. /.exec(comment)?.[1];
            const change = / (Reload|Restart)(; restart for what acts at the start only)?\.$/.exec(comment)?.[1];
            expect({ name, since, until, change, says: /Default: /.test(comment) }).toEqual({
                name,
                since: key.since,
                until: key.until,
                change: key.change === "restart" ? "Restart" : "Reload",
                says: true,
            });
        }
    });

    it("has no name that is also called wrong", () => {
        for (const name of [...Object.keys(misleadingNames), ...Object.keys(unusableNames)]) {
            expect(keyOf(name)).toBeUndefined();
        }
    });

    it.each<[keyof typeof daemonKeys, unknown, string]>([
        ["log-opts", { "max-file": 3 }, "in quotes"],
        ["default-shm-size", 64, "in quotes"],
        ["dns", ["dns.example.com"], "IP address"],
        ["registry-mirrors", ["mirror.example.com"], "http"],
        ["registry-mirrors", ["https://user:pass@mirror.example.com"], "without a user"],
        ["labels", ["zone"], "zone=a"],
        ["exec-opts", ["native.umask=normal"], "native.cgroupdriver"],
        ["hosts", ["0.0.0.0:2376"], "tcp://"],
        ["max-concurrent-downloads", 0, "from 1"],
        ["bip", "172.26.0.1", "172.26.0.1/16"],
        ["default-ulimits", { nofile: 1024 }, "nofile"],
    ])("refuses %s: %j", (name, value, words) => {
        const result = daemonKeys[name].schema.safeParse(value);
        expect(result.success).toBe(false);
        expect(JSON.stringify(result.error!.issues)).toContain(words);
    });
});

describe("names", () => {
    it("are known, near to a known one, flags that dockerd ignores in its file, or unusable", () => {
        expect(
            say(wrongNames({ debug: true, "log-opt": {}, "live-restor": true, "resolv-conf": "x", "brand-new": 1 })),
        ).toEqual([
            "log-opt: dockerd does not know this name in its file; write log-opts",
            "live-restor: there is no such key in daemon.json; did you mean live-restore?",
            "resolv-conf: it cannot be set in daemon.json: dockerd refuses it; use dns, dns-opts and dns-search",
            "brand-new: there is no such key in daemon.json; a key that is newer than this package goes into extra",
        ]);
    });

    it("belong either into settings or into extra", () => {
        expect(say(wrongExtras({ debug: true, "brand-new": 1, label: "x" }))).toEqual([
            "debug: it is a known key; write it into settings",
            "label: dockerd does not know this name in its file; write labels",
        ]);
    });
});

describe("engine versions", () => {
    it("are compared as far as both say", () => {
        expect(compareVersions("20.10.24+dfsg1", "23")).toBeLessThan(0);
        expect(compareVersions("28.5.2+dfsg4", "28")).toBe(0);
        expect(compareVersions("29.10.0", "29.7")).toBeGreaterThan(0);
        expect(compareVersions("5.0", "29.7")).toBeLessThan(0);
    });

    it("have keys from and up to a version", () => {
        const settings = { proxies: {}, "log-format": "json", "oom-score-adjust": 0, "metrics-addr": ":9" };
        expect(say(wrongVersions(settings, "20.10.24+dfsg1"))).toEqual([
            "proxies: Docker has it since 23, this engine is 20.10.24+dfsg1; use environment instead",
            "log-format: Docker has it since 25, this engine is 20.10.24+dfsg1",
            "metrics-addr: it needs experimental: true before Docker 24",
        ]);
        const profile = { "seccomp-profile": "unconfined" };
        expect(say(wrongVersions(profile, "20.10.24"))).toEqual([
            "seccomp-profile: it is a path before Docker 23, and the builtin one without it",
        ]);
        expect(wrongVersions(profile, "26.1.5")).toEqual([]);
        expect(say(wrongVersions(settings, "28.5.2"))).toEqual([
            "oom-score-adjust: Docker has it no longer since 25, this engine is 28.5.2",
        ]);
    });
});

describe("combinations", () => {
    it.each<[object, string]>([
        [{ bip: "10.0.0.1/24", bridge: "br0" }, "bip: it is the default bridge's; with bridge there is none"],
        [{ icc: false, iptables: false }, "icc: without iptables nothing enforces icc: false"],
        [{ labels: ["a=1", "a=2"] }, "labels: a=1 and a=2 contradict each other"],
        [{ runtimes: { runc: { path: "/x" } } }, "runtimes.runc: the name runc belongs to Docker itself"],
        [{ runtimes: { x: {} } }, "runtimes.x: it needs either path or runtimeType"],
        [
            { "cgroup-parent": "docker", "exec-opts": ["native.cgroupdriver=systemd"] },
            'cgroup-parent: with the systemd cgroup driver it is a slice, such as "docker.slice"',
        ],
        [
            { tlsverify: true, tlscert: "/c", tlskey: "/k" },
            "tlsverify: it needs tlscacert, or everybody with a certificate of any public authority would be root",
        ],
        [
            { hosts: ["fd://", "tcp://0.0.0.0:2375"] },
            "hosts: tcp://0.0.0.0:2375 without TLS makes everybody who reaches that port root; use the argument api in place of hosts",
        ],
        [
            { hosts: ["tcp://0.0.0.0:2376"], tlsverify: true, tlscacert: "/a", tlscert: "/c", tlskey: "/k" },
            'hosts: it needs "fd://" or "unix:///var/run/docker.sock" as well: the machine itself uses that socket',
        ],
        [
            { hosts: ["fd://", "tcp://:2376"], tlsverify: true, tlscacert: "/a", tlscert: "/c", tlskey: "/k" },
            'hosts: tcp://:2376 needs an address and a port, such as "tcp://0.0.0.0:2376"',
        ],
    ])("that cannot be meant are found: %j", (settings, problem) => {
        expect(say(wrongCombinations(settings as Record<string, unknown>, true))).toEqual([problem]);
    });

    it("count as right as long as a part of them is not known", () => {
        const unknown = "?";
        const settings = {
            hosts: ["fd://", "tcp://0.0.0.0:2376"],
            tlsverify: unknown,
            labels: unknown,
            bip: "10.0.0.1/24",
            bridge: unknown,
            runtimes: unknown,
        };
        expect(wrongCombinations(settings, true, (value) => value !== unknown)).toEqual([]);
    });

    it("never throw, whatever the settings are made of", () => {
        const settings = fc.dictionary(fc.constantFrom(...keyNames, "x"), fc.jsonValue());
        fc.assert(
            fc.property(settings, fc.boolean(), (given, whole) => {
                expect(Array.isArray(wrongCombinations(given, whole))).toBe(true);
                expect(Array.isArray(wrongNames(given))).toBe(true);
            }),
        );
    });
});
