import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Lab, type LabHost } from "../../lab";
import { bridge } from "../../lab/network";
import { Evidence, secretLines } from "../support/evidence";
import { describeLab } from "../support/levels";
import { ProxyServer, proxiesUnavailable } from "../support/proxies";
import { type CommandOptions, PulumiProject } from "../support/pulumi";
import { type Sightings, Watcher } from "../support/watcher";

jest.setTimeout(900_000);

/** A program that also shows what it may: whole resources as outputs, and what the Docker API says over its own connection. */
const program = `
    import * as pulumi from "@pulumi/pulumi";
    import { DockerHost, dockerClient, SshKey } from "pulumi-docker-fleet";

    const config = new pulumi.Config();
    const connection = { host: config.require("host"), hostKey: config.require("hostKey") };
    export const web = new DockerHost("web", { connection, hold: config.getBoolean("hold") });
    const hardening = config.getObject("hardening");
    export const key = new SshKey("key", { connection, rotate: config.get("rotate"), hardening });
    export const volumes = pulumi.all([key.connection, web.hostKey, web.engineVersion]).apply(async ([connection, hostKey]) => {
        const docker = await dockerClient({ connection, hostKey });
        return (await docker.listVolumes()).Volumes.map(({ Name }) => Name);
    });
    export const planted = config.get("planted");

    // Ways in with secrets of their own, which the program does not even call secret.
    const further = (user) => ({ ...connection, user, sudoPassword: undefined, password: config.require(user) });
    export const more = !config.getBoolean("more") ? [] : [
        new SshKey("su", { connection: { ...further("plain"), rootPassword: config.require("rootPassword") } }),
        new SshKey("asked", { connection: { ...further("asked"), proxyUrl: config.require("proxyUrl") } }),
        new SshKey("given", {
            connection,
            privateKey: config.require("givenKey"),
            privateKeyPassword: config.require("givenPassphrase"),
        }),
    ];
`;

const distinctive = (name: string) => `${name}-${randomBytes(10).toString("hex")}`;

/**
 * The lines in which the SDK itself tells, with --debug and in the event log, what the engine knows of a resource: in clear
 * text, but for what is as a whole a secret setting. docs/ssh.md warns of it.
 */
const sdkLine = /debug: RegisterResource RPC finished:|"message":"[^"]*RegisterResource RPC finished:/;
const sdkWords: string[] = [];

/** What was printed, line by line, without the SDK's own. One of these has as many lines as the keys in it, which end in one. */
function withoutSdk(output: string): string {
    let withinKey = false;
    let wasSdk = false;
    const rest: string[] = [];
    for (const line of output.split("\n")) {
        const isSdk: boolean = withinKey || sdkLine.test(line) || (wasSdk && line.startsWith(","));
        (isSdk ? sdkWords : rest).push(line);
        const [begin, end] = [line.lastIndexOf("-----BEGIN "), line.lastIndexOf("-----END ")];
        wasSdk = isSdk;
        withinKey = isSdk && (begin === end ? withinKey : begin > end);
    }
    return rest.join("\n");
}

describeLab("secrets", () => {
    const passwords = {
        "the login password": distinctive("login"),
        "the wrong login password": distinctive("wrong-login"),
        "the jump host's password": distinctive("jump"),
        "the jump host's wrong password": distinctive("wrong-jump"),
        "the wrong sudo password": distinctive("wrong-sudo"),
        "the second line of a bad password": distinctive("second-line"),
        "the passphrase": distinctive("passphrase"),
        "the wrong passphrase": distinctive("wrong-passphrase"),
        "root's password": distinctive("root"),
        "the wrong password of root": distinctive("wrong-root"),
        "the password of who must use su": distinctive("plain"),
        "the answer to the server's question": distinctive("answer"),
        "the proxy's password": distinctive("proxy"),
        "the proxy's wrong password": distinctive("wrong-proxy"),
        "the passphrase of a given key": distinctive("given-passphrase"),
        "the wrong passphrase of a given key": distinctive("wrong-given-passphrase"),
    };
    const planted = distinctive("planted");
    const evidence = new Evidence();
    const secrets: Record<string, string> = { ...passwords };
    let lab: Lab;
    let host: LabHost;
    let project: PulumiProject;
    let scratch: string;
    let jumpHost: string;
    let proxy: ProxyServer;
    let here: Sightings;
    let there: Sightings;
    let commands = 0;

    /** Runs a command of the CLI, and keeps what it printed, its event log and the state that it left. */
    async function pulumi(args: string[], options: CommandOptions = {}): Promise<string> {
        const events = join(scratch, `events-${++commands}.json`);
        const logged = ["up", "refresh", "destroy", "preview"].includes(args[0]!);
        const { output } = await project.run(logged ? [...args, "--event-log", events] : args, {
            ...options,
            timeout: 300_000,
            env: { PULUMI_DEBUG_COMMANDS: "true" },
        });
        evidence.add(`the output of "pulumi ${args.join(" ")}"`, withoutSdk(output));
        if (logged) {
            expect(existsSync(events)).toBe(true);
            evidence.add(`the event log of "pulumi ${args.join(" ")}"`, withoutSdk(readFileSync(events, "utf8")));
            evidence.add(
                `the exported state after "pulumi ${args.join(" ")}"`,
                (await project.run(["stack", "export"])).stdout,
            );
        }
        return output;
    }

    async function configure(secret: Record<string, string | undefined>): Promise<void> {
        for (const [key, value] of Object.entries(secret)) {
            if (value === undefined) await project.run(["config", "rm", `dockerfleet:${key}`]);
            else await project.config(`dockerfleet:${key}`, value, { secret: true });
        }
    }

    const apply = ["up", "--yes", "--skip-preview"];

    beforeAll(async () => {
        execFileSync(process.execPath, [join(__dirname, "../../tools/build.mjs"), "--if-needed"]);
        lab = await Lab.open();
        host = await lab.up(lab.uniqueName("secre"), { layer: "docker" });
        scratch = mkdtempSync(join(tmpdir(), "fleet-secrets-"));
        const temporary = join(scratch, "tmp");
        mkdirSync(temporary);
        const key = join(scratch, "key");
        execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key]);
        Object.assign(secrets, secretLines("the private key without its passphrase", readFileSync(key, "utf8")));
        execFileSync("ssh-keygen", ["-q", "-p", "-P", "", "-N", passwords["the passphrase"], "-f", key]);
        const privateKey = readFileSync(key, "utf8");
        Object.assign(secrets, secretLines("the encrypted private key", privateKey));
        // The machine under its other address is the jump host, too.
        await host.exec("useradd -m jump");
        await host.exec("chpasswd", {
            input: `admin:${passwords["the login password"]}\njump:${passwords["the jump host's password"]}\n`,
        });
        const link = (await host.exec("ip -6 -o address show dev host0 scope link")).stdout;
        jumpHost = `${/inet6 ([0-9a-f:]+)/.exec(link)![1]}%${bridge}`;
        await host.exec("cat >>/home/admin/.ssh/authorized_keys", { input: readFileSync(`${key}.pub`) });
        // One becomes root through su alone, the other one is asked for the password by keyboard-interactive.
        await host.exec(
            "for user in plain asked; do useradd -m -s /bin/bash $user; cp -r /root/.ssh /home/$user/; chown -R $user: /home/$user/.ssh; done; usermod -aG sudo asked",
        );
        await host.exec("chpasswd", {
            input: `root:${passwords["root's password"]}\nplain:${passwords["the password of who must use su"]}\nasked:${passwords["the answer to the server's question"]}\n`,
        });
        expect(proxiesUnavailable()).toBeUndefined();
        proxy = await ProxyServer.http({ login: `jack ${passwords["the proxy's password"]}` });
        // The more a machine writes down, the better.
        await host.exec("echo LogLevel DEBUG3 >/etc/ssh/sshd_config.d/debug.conf; systemctl reload ssh");
        rmSync(key);

        project = await PulumiProject.create({ program, env: { TMPDIR: temporary } });
        await project.config("host", host.address);
        await project.config("hostKey", host.hostKey);
        await project.config("dockerfleet:user", "admin");
        await project.config("dockerfleet:dialErrorLimit", "0");
        await project.config("dockerfleet:transcript", join(scratch, "transcript.jsonl"));

        const watchers = [
            Watcher.here(`PULUMI_HOME=${project.env.PULUMI_HOME}`, [temporary]),
            await Watcher.on(host, ["/tmp", "/run", "/var/lib/pulumi-docker-fleet"]),
        ];
        try {
            await run(privateKey);
            await plant();
        } finally {
            [here, there] = (await Promise.all(watchers.map((watcher) => watcher.stop()))) as [Sightings, Sightings];
        }
        await collect();
    }, 1_800_000);

    afterAll(async () => {
        await project?.remove();
        await lab?.close();
        await proxy?.stop();
        if (scratch) rmSync(scratch, { recursive: true, force: true });
    });

    /** A life of a resource, with what goes wrong in one. */
    async function run(privateKey: string): Promise<void> {
        await configure({ password: passwords["the login password"] });
        await pulumi(["preview", "--diff"]);
        await pulumi(["preview", "--json"]);
        await pulumi([...apply, "--diff", "--debug"]);
        await pulumi(["refresh", "--yes", "--diff", "--debug"]);
        await pulumi(["preview", "--refresh", "--json"]);

        await configure({ password: undefined, privateKey, privateKeyPassword: passwords["the passphrase"] });
        await configure({ sudoPassword: passwords["the login password"] });
        const proxy = (password: string) =>
            JSON.stringify({ host: jumpHost, user: "jump", password, hostKey: host.hostKey });
        await configure({ proxy: proxy(passwords["the jump host's password"]) });
        await pulumi(["preview", "--json"]);
        await project.config("hold", "false");
        await project.config("hardening", '{ "x11Forwarding": false, "maxAuthTries": 10 }');
        await pulumi(["up", "--yes", "--diff", "--debug"]);

        await keepGeneratedKey("the first generated key");
        await project.config("rotate", "once");
        await pulumi([...apply, "--diff", "--debug"]);
        await keepGeneratedKey("the second generated key");

        const fails = async (setting: Record<string, string | undefined>, code: string) => {
            await configure(setting);
            await project.config("hold", "true");
            const output = await pulumi([...apply, "--diff", "--debug"], { expect: "failure" });
            expect(output).toContain(`[${code}]`);
            await pulumi(["refresh", "--yes", "--skip-preview"], { expect: "any" });
        };
        await fails({ proxy: proxy(passwords["the jump host's wrong password"]) }, "AUTHENTICATION_FAILED");
        await configure({ proxy: undefined });
        await fails({ sudoPassword: passwords["the wrong sudo password"] }, "SUDO_PASSWORD_WRONG");
        await fails({ privateKeyPassword: passwords["the wrong passphrase"] }, "PRIVATE_KEY_INVALID");
        await configure({ privateKey: undefined, privateKeyPassword: undefined });
        await fails({ password: passwords["the wrong login password"] }, "AUTHENTICATION_FAILED");
        const lines = `first line\n${passwords["the second line of a bad password"]}`;
        await fails({ password: passwords["the login password"], sudoPassword: lines }, "INVALID_ARGUMENT");

        await configure({ sudoPassword: undefined });
        await pulumi([...apply, "--debug"]);

        await takeFurtherWays();
        // The last one, since from here on passwords let nobody in.
        await configure({ password: undefined, privateKey, privateKeyPassword: passwords["the passphrase"] });
        await configure({ sudoPassword: passwords["the login password"] });
        await project.config("hardening", '{ "passwordAuthentication": false }');
        await pulumi(["preview", "--diff"]);
        await pulumi(["up", "--yes", "--json"]);
        await host.exec("echo PasswordAuthentication yes >>/etc/ssh/sshd_config.d/00-pulumi-docker-fleet.conf");
        await pulumi(["refresh", "--yes", "--diff", "--debug"]);
        await pulumi([...apply, "--diff", "--debug"]);
        for (const args of [
            ["stack"],
            ["stack", "output", "--json"],
            ["config"],
            ["config", "--json"],
            ["stack", "history", "--json"],
        ]) {
            await pulumi(args);
        }
    }

    /** root's password for su, a proxy's login, a question of the server, and a given key with a passphrase; right and wrong. */
    async function takeFurtherWays(): Promise<void> {
        const asks = "Match User asked\n PasswordAuthentication no\n KbdInteractiveAuthentication yes";
        await host.exec("cat >/etc/ssh/sshd_config.d/10-asked.conf; systemctl reload ssh", { input: asks });
        const givenKey = join(scratch, "given");
        execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", givenKey]);
        Object.assign(secrets, secretLines("the given key without its passphrase", readFileSync(givenKey, "utf8")));
        execFileSync("ssh-keygen", [
            "-q",
            "-p",
            "-P",
            "",
            "-N",
            passwords["the passphrase of a given key"],
            "-f",
            givenKey,
        ]);
        Object.assign(secrets, secretLines("the given key", readFileSync(givenKey, "utf8")));
        const url = (password: string) => `http://jack:${password}@127.0.0.1:${proxy.port}`;
        const give = async (settings: Record<string, string>) => {
            for (const [key, value] of Object.entries(settings)) await project.config(key, value, { secret: true });
        };
        await give({
            plain: passwords["the password of who must use su"],
            rootPassword: passwords["the wrong password of root"],
            asked: passwords["the answer to the server's question"],
            proxyUrl: url(passwords["the proxy's wrong password"]),
            givenKey: readFileSync(givenKey, "utf8"),
            givenPassphrase: passwords["the wrong passphrase of a given key"],
        });
        await project.config("more", "true");
        rmSync(givenKey);

        await pulumi(["preview", "--diff"]);
        const output = await pulumi([...apply, "--diff", "--debug", "--continue-on-error"], { expect: "failure" });
        for (const code of ["ROOT_PASSWORD_WRONG", "PROXY_FAILED", "PRIVATE_KEY_INVALID"]) {
            expect(output).toContain(`[${code}]`);
        }
        await give({
            rootPassword: passwords["root's password"],
            proxyUrl: url(passwords["the proxy's password"]),
            givenPassphrase: passwords["the passphrase of a given key"],
        });
        await pulumi(["preview", "--json"]);
        await pulumi([...apply, "--diff", "--debug"]);
        const { more } = (await project.outputs()) as { more: { proved: boolean; generatedKey?: string }[] };
        expect(more.map(({ proved }) => proved)).toEqual([true, true, true]);
        for (const [index, { generatedKey }] of more.entries()) {
            if (generatedKey)
                Object.assign(secrets, secretLines(`generated key ${index} of the further ways`, generatedKey));
        }
        await pulumi(["refresh", "--yes", "--diff", "--debug"]);
        expect(proxy.log).toContain(`CONNECT ${host.address}:22`);
        await host.exec("rm /etc/ssh/sshd_config.d/10-asked.conf; systemctl reload ssh");
    }

    /** The key that an SshKey has made is a secret, too. */
    async function keepGeneratedKey(name: string): Promise<void> {
        const { key } = (await project.outputs()) as { key: { privateKey: string } };
        Object.assign(secrets, secretLines(name, key.privateKey));
    }

    /** Puts a text into every place that is searched, by the ways in which a secret could get there. */
    async function plant(): Promise<void> {
        await project.config("planted", planted);
        await pulumi([...apply, "--diff"]);
        writeFileSync(join(project.env.TMPDIR!, "planted"), planted);
        appendFileSync(join(scratch, "transcript.jsonl"), `${planted}\n`);
        await host.exec(
            'read -r text; sh -c "sleep 1; : $text"; env "P=$text" sleep 1; echo "$text" >/tmp/planted; logger "$text"',
            {
                input: `${planted}\n`,
            },
        );
        await pulumi(["destroy", "--yes", "--diff", "--debug"]);
    }

    async function collect(): Promise<void> {
        // Pulumi itself hands a program its configuration in this variable, and the passphrase of the tests is none of ours.
        const ours = here.lines.filter((line) => !/^env \d+ PULUMI_CONFIG=/.test(line));
        for (const [name, { lines }] of [
            ["here", { lines: ours }],
            ["on the machine", there],
        ] as const) {
            for (const kind of ["args", "env", "file"]) {
                evidence.add(`${kind} ${name}`, lines.filter((line) => line.startsWith(`${kind} `)).join("\n"));
            }
        }
        evidence.addTree("the project, its state or its logs:", dirname(project.directory));
        evidence.addTree("temporary files:", project.env.TMPDIR!);
        evidence.add("the transcript", readFileSync(join(scratch, "transcript.jsonl")));
        evidence.add("the machine's journal", (await host.exec("journalctl --all --output=export")).stdout);
        const files =
            "tar -cf - --exclude=/var/lib/docker --exclude=/var/lib/apt --exclude=/var/cache --exclude=/var/log/journal";
        evidence.add(
            "the machine's files",
            (await host.exec(`${files} /tmp /run /var /root /home /etc 2>/dev/null; true`)).stdout,
        );
    }

    it("are nowhere to be found: state, output, event log, transcript, process lists, temporary files, journal", () => {
        expect(evidence.search(secrets)).toEqual([]);
    });

    it("would have been found: a planted text is, in each of these places", () => {
        const found = evidence.search({ it: planted }).join("\n");
        for (const place of [
            /^it is in the output of "pulumi up/m,
            /^it is in the event log of "pulumi up/m,
            /^it is in the exported state after "pulumi up/m,
            /^it is in the project, .*\/state\/.*\.json/m,
            /^it is in args here$/m,
            /^it is in file here$/m,
            /^it is in args on the machine$/m,
            /^it is in env on the machine$/m,
            /^it is in file on the machine$/m,
            /^it is in temporary files/m,
            /^it is in the transcript$/m,
            /^it is in the machine's journal$/m,
            /^it is in the machine's files$/m,
        ]) {
            expect(found).toMatch(place);
        }
    });

    it("were looked for often, and where something happened", () => {
        for (const { samples, lines } of [here, there]) {
            expect(samples).toBeGreaterThan(1_000);
            expect(lines.length).toBeGreaterThan(50);
        }
        const seen = there.lines.join("\n");
        expect(seen).toMatch(/^args \d+ sudo .*sh -c/m);
        expect(seen).toMatch(/^args \d+ su -s \/bin\/sh/m);
        expect(here.lines.join("\n")).toMatch(/^args \d+ .*dynamic-provider/m);
        const actions = readFileSync(join(scratch, "transcript.jsonl"), "utf8");
        for (const part of [
            '"connect"',
            '"run"',
            '"openUnixSocket"',
            '"SUDO_PASSWORD_WRONG"',
            '"AUTHENTICATION_FAILED"',
            "DockerHost::web",
            "SshKey::key",
            "SshHardening::key",
            "SshKey::su",
            "SshKey::asked",
            "SshKey::given",
            '"ROOT_PASSWORD_WRONG"',
            '"PROXY_FAILED"',
            `"jump@[${jumpHost}]"`,
        ]) {
            expect(actions).toContain(part);
        }
        console.info(
            `searched ${Math.round(evidence.size / 2 ** 20)} MiB; looked ${here.samples} times here (at most ${here.longest} ms apart), ${there.samples} times there (at most ${there.longest} ms apart)`,
        );
    });

    it("are printed by the engine's own -v=9 and --debug, of which docs/ssh.md warns, and are in the program's environment", async () => {
        const { output } = await project.run(["preview", "-v=9", "--logtostderr"], { expect: "any" });
        const log = new Evidence();
        log.add("the engine's own log", output);
        log.add("the SDK's own lines", sdkWords.join("\n"));
        log.add("PULUMI_CONFIG", here.lines.filter((line) => /^env \d+ PULUMI_CONFIG=/.test(line)).join("\n"));
        expect(Object.keys(secrets).filter((name) => /generated key/.test(name)).length).toBeGreaterThan(4);
        expect(log.search(secrets)).toEqual(
            expect.arrayContaining([
                "the login password is in the engine's own log",
                "the login password is in PULUMI_CONFIG",
                "the jump host's password is in the SDK's own lines",
                "line 1 of the secret part of the first generated key is in the SDK's own lines",
            ]),
        );
        const page = readFileSync(join(__dirname, "../../docs/ssh.md"), "utf8");
        for (const warned of ["-v=9", "--debug", "PULUMI_CONFIG"]) expect(page).toContain(warned);
    });
});
