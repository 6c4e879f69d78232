import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkOpenSshWay } from "../../../src/ssh";
import { type OpenSshStop, openSshConfig } from "../../../src/ssh/openssh-config";

const hasSsh = spawnSync("ssh", ["-V"]).status === 0;

const stop: OpenSshStop = {
    name: "machine.pulumi-docker-fleet",
    host: "10.0.0.2",
    port: 2222,
    user: "admin",
    agent: undefined,
    identities: ["/run/my keys/50%/id"],
    hasPassword: false,
    maySpeak: false,
    proxyCommand: undefined,
    connectTimeout: 2.5,
};
const hop: OpenSshStop = {
    ...stop,
    name: "hop-1.pulumi-docker-fleet",
    host: "fe80::1%eth0",
    port: 22,
    user: "jump",
    agent: "/run/agent",
    identities: [],
    hasPassword: true,
    proxyCommand: "nc 50%.example 22",
};

describe("OpenSSH's configuration for a connection", () => {
    let directory: string;
    beforeAll(() => {
        directory = mkdtempSync(join(tmpdir(), "openssh-"));
    });
    afterAll(() => rmSync(directory, { recursive: true }));

    /** What ssh itself makes of it. */
    function asked(stops: OpenSshStop[], host: string): Record<string, string> {
        const file = join(directory, "config");
        writeFileSync(file, openSshConfig(stops, "/run/known hosts"));
        const text = execFileSync("ssh", ["-G", "-F", file, host], { encoding: "utf8" });
        return Object.fromEntries(text.split("\n").map((line) => line.split(/ (.*)/s)));
    }

    (hasSsh ? it : it.skip)("is understood by ssh as it is meant", () => {
        expect(asked([hop, stop], "10.0.0.2")).toMatchObject({
            hostname: "10.0.0.2",
            port: "2222",
            user: "admin",
            hostkeyalias: "machine.pulumi-docker-fleet",
            proxyjump: "hop-1.pulumi-docker-fleet",
            identityfile: expect.stringMatching(/^"?\/run\/my keys\/50%%?\/id"?$/),
            identityagent: "none",
            batchmode: "yes",
            preferredauthentications: "publickey",
            connecttimeout: "3",
            serveraliveinterval: "15",
            serveralivecountmax: "3",
            stricthostkeychecking: "true",
            userknownhostsfile: expect.stringMatching(/^"?\/run\/known hosts"?$/),
            globalknownhostsfile: "/dev/null",
            identitiesonly: "yes",
            updatehostkeys: "false",
        });
        expect(asked([hop, stop], hop.name)).toMatchObject({
            hostname: "fe80::1%eth0",
            port: "22",
            user: "jump",
            hostkeyalias: "hop-1.pulumi-docker-fleet",
            proxycommand: "nc 50%%.example 22",
            identityfile: "none",
            identityagent: "/run/agent",
            batchmode: "no",
            preferredauthentications: "password",
            stricthostkeychecking: "true",
        });
    });

    (hasSsh ? it : it.skip)("holds for a machine whose address is IPv6", () => {
        expect(asked([stop], "fd00::1")).toMatchObject({ hostname: "fd00::1", port: "2222", user: "admin" });
    });
});

describe("what answers for passwords", () => {
    let directory: string;
    beforeEach(() => {
        directory = mkdtempSync(join(tmpdir(), "askpass-"));
        copyFileSync(join(__dirname, "../../../src/ssh/askpass.sh"), join(directory, "askpass"));
        writeFileSync(join(directory, "password-machine.x"), "right\n");
    });
    afterEach(() => rmSync(directory, { recursive: true }));

    const answer = (prompt: string) => {
        const { status, stdout } = spawnSync("sh", [join(directory, "askpass"), prompt], { encoding: "utf8" });
        return status === 0 ? stdout.trim() : "refused";
    };

    it.each([
        ["admin@machine.x's password: ", "right"],
        ["(admin@machine.x) Password: ", "right"],
        ["(me@there@machine.x) Password: ", "right"],
        ["Password: ", "right"],
        ["Enter passphrase for key '/id': ", "refused"],
        ["Verification code: ", "refused"],
        ["Are you sure you want to continue connecting (yes/no/[fingerprint])? ", "refused"],
        ["admin@other.x's password: ", "refused"],
    ])("%s%s", (prompt, answered) => {
        expect(answer(prompt)).toBe(answered);
    });

    it("tells each its own, and nobody another's", () => {
        writeFileSync(join(directory, "password-hop.x"), "other\n");
        expect(answer("jump@hop.x's password: ")).toBe("other");
        expect(answer("admin@machine.x's password: ")).toBe("right");
        expect(answer("(jump@hop.x) admin@machine.x's password: ")).toBe("other");
        expect(answer("(jump@hop.x) (admin@machine.x) Password: ")).toBe("other");
        expect(answer("Password: ")).toBe("refused");
    });
});

describe("the way of a connection", () => {
    const host = "203.0.113.10";

    it.each([
        [
            { host, user: "-oProxyCommand=x" },
            /connection\.user "-oProxyCommand=x" is not for OpenSSH's client.*another name/,
        ],
        [{ host, user: 'a"b' }, /connection\.user /],
        [{ host, proxy: { host: "203.0.113.11", user: "a%h" } }, /connection\.proxy\.user /],
        [{ host, proxyUrl: "socks5://127.0.0.1:1" }, /connection\.proxyUrl .*proxyCommand/],
        [{ host, proxyCommand: "true\nfalse" }, /connection\.proxyCommand must be a single line/],
    ])("%j is none for OpenSSH's client", async (connection, words) => {
        await expect(checkOpenSshWay(connection)).rejects.toThrow(words);
    });

    it.each([{ host }, { host, user: "j.doe@example.com" }, { host, user: "x-y_1", proxyCommand: "nc %h %p" }])(
        "%j is one",
        async (connection) => expect(await checkOpenSshWay(connection)).toBeUndefined(),
    );
});
