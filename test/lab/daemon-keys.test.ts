import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { Lab, type Release, releases } from "../../lab";
import { wrongVersions } from "../../src/docker/daemon/check";
import { keyNames, keyOf } from "../../src/docker/daemon/keys";
import type { Content } from "../../src/docker/daemon/merge";
import { compareVersions } from "../../src/docker/daemon/version";
import { DocsTable, markdownTable } from "../support/docs-table";
import { describeLab } from "../support/levels";
import { OpenSsl } from "../support/openssl";
import { Shell } from "../support/shell";

/** A daemon beside the machine's own. */
const base: Content = {
    "data-root": "/run/judge/data",
    "exec-root": "/run/judge/exec",
    pidfile: "/run/judge/pid",
    hosts: ["unix:///run/judge/socket"],
    bridge: "none",
    containerd: "/run/containerd/containerd.sock",
};
/** Samples that depend on the machine. */
const here: Content = {
    tlscert: "/run/judge/cert.pem",
    tlskey: "/run/judge/key.pem",
    "seccomp-profile": "/run/judge/seccomp.json",
    hosts: ["unix:///run/judge/socket", "unix:///run/judge/other"],
};
/** What some keys need beside them. */
const company: Content = {
    experimental: true,
    // They take their part only where there is TLS.
    tlscert: here.tlscert,
    tlskey: here.tlskey,
};
const sampleOf = (key: string): unknown => here[key] ?? keyOf(key)!.sample;

/** What one engine says of the keys. */
interface Verdicts {
    version: string;
    /** What is wrong with each key that it refuses. */
    refused: Map<string, string>;
    /** What it says that it has after each reload of nothing, of all samples, and of nothing again. */
    loaded: Content[];
}

/** A certificate and its key, by their names. */
function certificate(): Record<string, string> {
    const openssl = new OpenSsl();
    try {
        const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        openssl.run("req", "-x509", ...curve, "-subj", "/CN=judge", "-keyout", "key.pem", "-out", "cert.pem");
        const read = (name: string) => readFileSync(join(openssl.directory, name), "utf8");
        return { "cert.pem": read("cert.pem"), "key.pem": read("key.pem") };
    } finally {
        openssl.remove();
    }
}

/** Asks the dockerd of a release about every key, all at once. */
async function judge(lab: Lab, release: Release): Promise<Verdicts> {
    const host = await lab.up(lab.uniqueName("keys"), { release, layer: "docker" });
    const shell = await Shell.open(lab, host);
    try {
        const version = await shell.run("docker version --format '{{.Server.Version}}'");
        const files = keyNames.map((key) => {
            const { bridge: _, ...rest } = base;
            const content = { ...(key === "bip" ? rest : base), ...company, [key]: sampleOf(key) };
            return `cat >keys/${key}.json <<'END'\n${JSON.stringify(content)}\nEND`;
        });
        await shell.run(
            `systemctl stop docker.socket docker.service; mkdir -p /run/judge/keys /run/judge/reload; cd /run/judge\n${files.join("\n")}`,
        );
        for (const [name, text] of Object.entries({
            ...certificate(),
            "seccomp.json": '{"defaultAction":"SCMP_ACT_ALLOW"}',
        })) {
            await shell.run(`cat >/run/judge/${name} <<'END'\n${text}\nEND`);
        }
        const script = readFileSync(join(__dirname, "..", "support", "daemon-judge.sh"), "utf8");
        await shell.run(`cat >/run/judge/judge.sh <<'END_OF_SCRIPT'\n${script}\nEND_OF_SCRIPT`);
        const keys = await lines(shell, "sh /run/judge/judge.sh keys");
        const refused = new Map(
            keys.filter(([, , code]) => code !== "0").map(([, key = "", , words = ""]) => [key, words]),
        );
        const accepted = keyNames.filter((key) => !refused.has(key) && !contradicts(key, refused));
        const all = Object.fromEntries(accepted.map((key) => [key, sampleOf(key)]));
        const reloads = [base, { ...base, ...all }, base].map(
            (content, n) => `cat >reload/${n}.json <<'END'\n${JSON.stringify(content)}\nEND`,
        );
        await shell.run(`cd /run/judge\n${reloads.join("\n")}`);
        const said = await lines(shell, "sh /run/judge/judge.sh reload");
        expect(said.filter(([kind]) => kind !== "config" && kind !== "diagnostic")).toEqual([]);
        const of = (kind: string) => said.filter(([name]) => name === kind).map(([, , line = ""]) => line);
        const loaded = of("config").map((line, n) => ({
            ...loadedConfiguration(line),
            "network-diagnostic-port": Number(of("diagnostic")[n]),
        }));
        return { version, refused, loaded };
    } finally {
        shell.close();
        await host.down();
    }
}

/** Two of the keys exclude each other in one file. */
function contradicts(key: string, refused: Verdicts["refused"]): boolean {
    return key === "host-gateway-ip" && !refused.has("host-gateway-ips");
}

async function lines(shell: Shell, command: string): Promise<string[][]> {
    return (await shell.run(command)).split("\n").map((line) => line.split("\t"));
}

/** The JSON in the daemon's log: `msg="Reloaded configuration: {…}"`, or `… config="{…}"`. */
function loadedConfiguration(line: string): Content {
    const quoted = /"(?:Reloaded configuration: )?(\{.*\})"$/.exec(line)![1]!;
    return JSON.parse(JSON.parse(`"${quoted}"`));
}

function isEmpty(value: unknown): boolean {
    return !value || (typeof value === "object" && Object.keys(value).length === 0);
}

/** 28 takes it, for the sake of old files, and does nothing with it. */
function idle(key: string, version: string): boolean {
    return key === "allow-nondistributable-artifacts" && compareVersions(version, "28") >= 0;
}

/** What it takes to change a key, as the running daemon showed it; undefined where its sample is what it has anyway. */
function changeShown(key: string, [before, with_, after]: Content[]): string | undefined {
    const [was, became, stays] = [before, with_, after].map((content) => content![key]);
    if (!isDeepStrictEqual(was, became)) return isDeepStrictEqual(became, stays) ? "reload, sticky" : "reload";
    // It does not say what is empty or false.
    const isDefault = isDeepStrictEqual(was, sampleOf(key)) || (was === undefined && isEmpty(sampleOf(key)));
    return isDefault ? undefined : "restart";
}

function cell(key: string, { version, refused, loaded }: Verdicts): string {
    if (refused.has(key)) return "refused";
    return idle(key, version) ? "ignored" : (changeShown(key, loaded) ?? "accepted");
}

describeLab("the table of daemon.json's keys", () => {
    let lab: Lab;
    let verdicts: Verdicts[];

    beforeAll(async () => {
        lab = await Lab.open();
        verdicts = await Promise.all(releases.map((release) => judge(lab, release)));
    });

    afterAll(async () => {
        await lab?.close();
    });

    it("has those keys that each engine has", () => {
        for (const { version, refused } of verdicts) {
            const isRight = (key: string) => wrongVersions({ ...company, [key]: sampleOf(key) }, version).length === 0;
            const surprises = keyNames
                .filter((key) => refused.has(key) === isRight(key))
                .map((key) => [key, refused.get(key) ?? "accepted"]);
            expect({ version, surprises }).toEqual({ version, surprises: [] });
        }
    });

    it("says what it takes to change each, as running daemons show it", () => {
        for (const { version, refused, loaded } of verdicts) {
            const shown = keyNames
                .filter((key) => !refused.has(key))
                .map((key) => [key, changeShown(key, loaded) ?? keyOf(key)!.change]);
            const said = shown.map(([key]) => [key, idle(key!, version) ? "restart" : keyOf(key!)!.change]);
            expect({ version, keys: Object.fromEntries(shown) }).toEqual({ version, keys: Object.fromEntries(said) });
        }
    });

    it("is the one in docs/daemon-config.md (UPDATE_DOCS=1 rewrites it)", () => {
        const rows = keyNames.map((key) => [`\`${key}\``, ...verdicts.map((verdict) => cell(key, verdict))]);
        const engines = verdicts.map(({ version }) => version.split(/[^\d.]/, 1)[0]!);
        const table = new DocsTable("daemon-config.md", "keys");
        const text = markdownTable([["Key", ...engines], ...rows]);
        table.update(text);
        expect(table.text).toBe(text);
    });
});
