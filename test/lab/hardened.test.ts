import { Lab, type LabHost } from "../../lab";
import { hardened } from "../../src";
import { tlsCa, tlsCert } from "../../src/provider";
import { closeAllConnections } from "../../src/ssh";
import { makeCertificate, signer } from "../support/certificates";
import { Daemon, DaemonResource } from "../support/daemon";
import { login } from "../support/docker-host";
import { DocsTable, markdownTable } from "../support/docs-table";
import { describeLab, suiteReleases } from "../support/levels";
import { Shell } from "../support/shell";

interface Evidence {
    /** daemon.json, as the machine has it. */
    file: Record<string, unknown>;
    /** The command line of the daemon. */
    command: string;
    /** `docker info`, by field. */
    info: Record<string, unknown>;
    /** Mode, owner and group of files. */
    files: Record<string, { mode: number; owner: string }>;
}

/** The benchmark's numbers, what they ask for, what does it, and whether the evidence shows it. */
const checks: [string, string, string, (evidence: Evidence) => boolean][] = [
    ["2.2", "no traffic between containers on the default network", "`icc`", ({ file }) => file.icc === false],
    ["2.3", 'log level "info"', "`log-level`", ({ file }) => file["log-level"] === "info"],
    ["2.4", "Docker may change iptables", "its default", ({ file }) => file.iptables !== false],
    [
        "2.5",
        "no insecure registries",
        "its default",
        ({ file, info }) =>
            file["insecure-registries"] === undefined &&
            Object.entries((info.RegistryConfig as { IndexConfigs: Record<string, { Secure: boolean }> }).IndexConfigs)
                .map(([, { Secure }]) => Secure)
                .every(Boolean),
    ],
    ["2.6", "not the storage driver aufs", "its default", ({ info }) => info.Driver !== "aufs"],
    [
        "2.7",
        "TLS with clients' certificates on TCP",
        "`api`",
        ({ file }) =>
            file.tlsverify === true &&
            ["tlscacert", "tlscert", "tlskey"].every((key) => typeof file[key] === "string") &&
            (file.hosts as string[]).some((host) => host.startsWith("tcp://")),
    ],
    ["2.8", "default limits", "`default-ulimits`", ({ file }) => Object.keys(file["default-ulimits"] ?? {}).length > 0],
    ["2.10", "the default cgroup", "its default", ({ file }) => file["cgroup-parent"] === undefined],
    ["2.11", "the default size of devices", "its default", ({ file }) => !JSON.stringify(file).includes("dm.basesize")],
    ["2.13", "logs elsewhere than in json-file", "`log-driver`", ({ info }) => info.LoggingDriver !== "json-file"],
    ["2.14", "no new privileges", "`no-new-privileges`", ({ file }) => file["no-new-privileges"] === true],
    ["2.15", "live-restore", "`live-restore`", ({ info }) => info.LiveRestoreEnabled === true],
    ["2.16", "no userland proxy", "`userland-proxy`", ({ file }) => file["userland-proxy"] === false],
    ["2.17", "the default seccomp profile", "its default", ({ info }) => hasSeccomp(info)],
    ["2.18", "no experimental features", "its default", ({ info }) => info.ExperimentalBuild === false],
    ["3.5", "/etc/docker root's, 755 at most", "`DaemonConfig`", ({ files }) => within(files["/etc/docker"], 0o755)],
    ["3.9", "the authority's certificate root's, 444 at most", "`api`", ({ files }) => within(files.tlscacert, 0o444)],
    ["3.11", "the certificate root's, 444 at most", "`api`", ({ files }) => within(files.tlscert, 0o444)],
    [
        "3.13",
        "the key root's, 400",
        "`api`",
        ({ files }) => files.tlskey?.mode === 0o400 && within(files.tlskey, 0o400),
    ],
    [
        "3.17",
        "daemon.json root's, 644 at most",
        "`DaemonConfig`",
        ({ files }) => within(files["/etc/docker/daemon.json"], 0o644),
    ],
];

/** Flags with which the daemon could have been told something else than by its file. */
const flagsOfOurs = /--(?:icc|log-level|iptables|insecure-registry|tls\w*|default-ulimit|cgroup-parent|storage-opt)/;

function hasSeccomp({ SecurityOptions }: Record<string, unknown>): boolean {
    // An unconfined daemon says "name=seccomp,profile=unconfined"; engines before 23 call their own profile "default".
    return (SecurityOptions as string[]).some((option) => /^name=seccomp,profile=(?:builtin|default)$/.test(option));
}

function within(file: Evidence["files"][string] | undefined, mode: number): boolean {
    return file !== undefined && file.owner === "root:root" && (file.mode & ~mode) === 0;
}

describeLab.each(suiteReleases("bookworm"))("a daemon with the hardened settings on %s", (release) => {
    let lab: Lab;
    let host: LabHost;
    let shell: Shell;
    let config: DaemonResource;

    beforeAll(async () => {
        lab = await Lab.open();
        host = await lab.up(lab.uniqueName(release), { release, layer: "docker" });
        shell = await Shell.open(lab, host);
        config = new DaemonResource("web", { connection: login(lab, host) });
    });

    afterAll(async () => {
        shell?.close();
        await closeAllConnections();
        await lab?.close();
    });

    async function look(): Promise<Evidence> {
        const daemon = new Daemon(shell);
        const file = (await shell.ask("cat /etc/docker/daemon.json")) || "{}";
        const content = JSON.parse(file) as Record<string, unknown>;
        const files: Evidence["files"] = {};
        for (const name of ["/etc/docker", "/etc/docker/daemon.json", "tlscacert", "tlscert", "tlskey"]) {
            const path = name.startsWith("/") ? name : content[name];
            const [mode, owner] = (await shell.ask(`stat -c '%a %U:%G' '${path}'`)).split(" ");
            if (owner !== undefined) files[name] = { mode: Number.parseInt(mode!, 8), owner };
        }
        const command = await shell.run("tr '\\0' ' ' </proc/$(systemctl show -p MainPID --value docker)/cmdline");
        const info = JSON.parse(await shell.run("docker info --format '{{json .}}'"));
        await daemon.process();
        return { file: content, command, info, files };
    }

    it("passes every check of the benchmark that a configuration can satisfy", async () => {
        const before = await look();
        const unsatisfied = checks.filter(([, , , holds]) => !holds(before)).map(([number]) => number);
        expect(unsatisfied).toEqual(
            expect.arrayContaining(["2.2", "2.7", "2.8", "2.13", "2.14", "2.15", "2.16", "3.13"]),
        );

        const ca = await makeCertificate(tlsCa, { commonName: "ca" });
        const signed = { commonName: "server", hosts: [host.address], authority: signer(ca) };
        const server = await makeCertificate(tlsCert, signed);
        const tls = { ca: ca.bundle, cert: server.certificate, key: server.privateKey };
        await config.up({ settings: hardened, api: { tcp: { tls } } });

        const after = await look();
        expect(checks.filter(([, , , holds]) => !holds(after)).map(([number]) => number)).toEqual([]);
        expect(after.command).not.toMatch(flagsOfOurs);
        expect(await config.drift()).toEqual({});

        const table = new DocsTable("daemon-config.md", "hardened");
        const markdown = markdownTable([["Check", "Asks for", "By"], ...checks.map(([a, b, c]) => [a, b, c])]);
        table.update(markdown);
        expect(table.text).toBe(markdown);
    });

    it("lets containers run, on networks of their own and with published ports", async () => {
        const daemon = new Daemon(shell);
        await daemon.run({ web: "always" });
        await shell.run("docker network create own && docker network connect own web");
        expect(Object.keys(await daemon.processes())).toEqual(["web"]);
        const limits = await shell.run("cat /proc/$(docker inspect -f '{{.State.Pid}}' web)/limits");
        expect(limits).toMatch(/^Max open files +1024 +16384 /m);
        const status = await shell.run("cat /proc/$(docker inspect -f '{{.State.Pid}}' web)/status");
        expect(status).toMatch(/^NoNewPrivs:\s+1$/m);
    });
});
