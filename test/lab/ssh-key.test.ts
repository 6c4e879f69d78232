import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Lab, type LabHost } from "../../lab";
import { closeAllConnections } from "../../src/ssh";
import { generateKeyPair } from "../../src/ssh/key-pair";
import { Agent } from "../ssh/agent";
import { login } from "../support/docker-host";
import { describeLab, suiteReleases } from "../support/levels";
import { loginWith, Shell } from "../support/shell";
import { KeyResource } from "../support/ssh-key";

/** What the file of a user held before us: odd, but sshd can read it. */
const foreign = [
    "# who may log in",
    "",
    'from="192.0.2.0/24",command="echo \\"a, b\\"" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7WWS1dmJHkIkqvsBCKnRUpIyjTWGNtNN5ZzG5sVYsP anna@laptop\r',
    "  nonsense",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDBHqQmMVvbhtyKU1sKJNQYQ1bPdZyDVKqUTrFTrkHQ6  two  blanks",
].join("\n");

describeLab.each(suiteReleases("sid"))("an SshKey on %s", (release) => {
    let lab: Lab;
    let host: LabHost;
    let shell: Shell;
    let key: KeyResource;
    const file = "/home/admin/.ssh/authorized_keys";
    const contents = (path = file) =>
        shell.run(`base64 -w0 ${path}`).then((text) => Buffer.from(text, "base64").toString());
    const other = generateKeyPair("other");
    let warned: jest.SpyInstance;

    beforeAll(async () => {
        warned = jest.spyOn(console, "warn").mockImplementation(() => {});
        lab = await Lab.open();
        host = await lab.up(lab.uniqueName(`key${release}`), { release });
        shell = await Shell.open(lab, host);
        await shell.run(`cat >${file} <<'END'\n${foreign}\nEND\ntruncate -s -1 ${file}; chown admin: ${file}`);
        key = new KeyResource("web-key", { connection: login(lab, host) });
    });

    afterAll(async () => {
        warned.mockRestore();
        shell?.close();
        await closeAllConnections();
        await lab?.close();
    });

    it("lets its user in with the key alone, and changes nothing but its own line", async () => {
        expect(await contents()).toBe(foreign);
        expect(await key.up()).toBe("create");
        expect(key.outputs).toMatchObject({
            proved: true,
            account: "admin",
            authorizedKeysFile: file,
            machineId: await shell.run("cat /etc/machine-id"),
            hostKey: host.hostKey,
            endpoint: `ssh://admin@${host.address}`,
            knownHosts: `${host.address} ${host.hostKey}`,
        });
        expect(await contents()).toBe(`${foreign}\n${key.outputs.sshPublicKey}\n`);
        expect(await loginWith(host, "admin", String(key.outputs.generatedKey))).toBe("admin");
        expect(await shell.run(`stat -c '%a %U' ${file}`)).toBe("600 admin");
        expect(await shell.run(`ssh-keygen -l -f ${file} | awk '{ print $2 }' | tail -n 1`)).toBe(
            key.outputs.sshKeyFingerprint,
        );
    });

    it("shows no drift and does nothing while all is well", async () => {
        expect(await key.drift()).toEqual({});
        expect(await key.up()).toBe("same");
    });

    it.each<[string, string, Record<string, [unknown, unknown]>]>([
        ["a removed line", `sed -i '/web-key/d' ${file}`, { status: ["not installed", "installed"] }],
        ["a removed file", `rm ${file}`, { status: ["not installed", "installed"] }],
        ["a removed directory", `rm -r ${file.replace(/\/[^/]*$/, "")}`, { status: ["not installed", "installed"] }],
        [
            "options that others have set",
            `sed -i 's/^ssh-ed25519 .*web-key/command="echo \\\\"a, b\\\\"",no-pty &/' ${file}`,
            { options: [['command="echo \\"a, b\\""', "no-pty"], undefined] },
        ],
        [
            "a line with the key twice",
            `sed -n '/web-key/s/^/restrict /p' ${file} >/tmp/twice; cat /tmp/twice ${file} >/tmp/both; cp /tmp/both ${file}`,
            { options: [["restrict"], undefined] },
        ],
    ])("finds %s and repairs it", async (_, sabotage, drift) => {
        await shell.run(sabotage);
        expect(await key.drift()).toEqual(drift);
        expect(await key.up()).toBe("update");
        expect(await key.drift()).toEqual({});
        expect(await loginWith(host, "admin", String(key.outputs.generatedKey))).toBe("admin");
        expect((await contents()).match(/web-key/g)).toHaveLength(1);
    });

    it("finds permissions that make sshd ignore the key, names them, and repairs them only when told to", async () => {
        await shell.run("chmod 0777 /home/admin; chown ops /home/admin/.ssh");
        const before = await shell.run(`stat -c '%a %U' /home/admin /home/admin/.ssh ${file}`);
        const { status } = await key.drift();
        expect(status).toEqual([
            expect.stringMatching(/\/home\/admin\/\.ssh belongs to ops.*\/home\/admin has mode 0777/),
            "installed",
        ]);
        await expect(key.up()).rejects.toThrow(/AUTHORIZED_KEYS_PERMISSIONS.*\.ssh belongs to ops.*repairPermissions/);
        expect(await shell.run(`stat -c '%a %U' /home/admin /home/admin/.ssh ${file}`)).toBe(before);
        expect(await key.up({ repairPermissions: true })).toBe("update");
        expect(await shell.run("stat -c '%a %U' /home/admin /home/admin/.ssh")).toBe("755 admin\n700 admin");
        expect(await loginWith(host, "admin", String(key.outputs.generatedKey))).toBe("admin");
        await key.up({ repairPermissions: false });
    });

    it("changes options and comment in place", async () => {
        expect(await key.up({ options: ["restrict", "from=0.0.0.0/0,!198.51.100.1"], comment: "new words" })).toBe(
            "update",
        );
        expect(await contents()).toContain(`restrict,from="0.0.0.0/0,!198.51.100.1" ssh-ed25519`);
        expect(String(key.outputs.sshPublicKey)).toMatch(/ new words$/);
        expect(key.outputs.proved).toBe(true);
        expect(await key.drift()).toEqual({});
    });

    it("installs a key for other addresses without a proof, and says so", async () => {
        await key.up({ options: ["from=192.0.2.1"] });
        expect(key.outputs.proved).toBe(false);
        expect(warned.mock.calls.flat().join()).toContain("other addresses only");
        await key.up({ options: [] });
        expect(key.outputs.proved).toBe(true);
    });

    it("rotates: the new key works, the old one does not any more, and the foreign lines are as they were", async () => {
        const old = String(key.outputs.generatedKey);
        expect(await key.up({ rotate: { reason: "test" } })).toBe("replace");
        expect(await loginWith(host, "admin", String(key.outputs.generatedKey))).toBe("admin");
        await expect(loginWith(host, "admin", old)).rejects.toThrow(/authentication/i);
        expect(await key.up()).toBe("same");
        expect((await contents()).match(/new words/g)).toHaveLength(1);
    });

    it("rotates with the old key when the password is gone", async () => {
        await shell.run("echo PasswordAuthentication no >/etc/ssh/sshd_config.d/00-test.conf; systemctl reload ssh");
        await closeAllConnections();
        expect(await key.up({ rotate: "again" })).toBe("replace");
        expect(await loginWith(host, "admin", String(key.outputs.generatedKey))).toBe("admin");
    });

    it("is not deleted when it is the last way in", async () => {
        // A key that only runs a command is no way in.
        await shell.run(
            `cp ${file} /root/own; (grep 'new words' /root/own; echo 'command="date" ${other.publicKey}') >${file}`,
        );
        await expect(key.destroy()).rejects.toThrow(/SSH_LAST_WAY_IN.*last way in for admin.*retainOnDelete/s);
        expect(await contents()).toContain("new words");
        await shell.run(`(cat /root/own; echo '${other.publicKey} other') >${file}`);
    });

    it("is deleted, and its line alone goes", async () => {
        await key.destroy();
        expect(await contents()).toBe(`${other.publicKey} other\n`);
        expect(await shell.ask("ls /var/lib/pulumi-docker-fleet")).toBe("");
        await shell.run("rm /etc/ssh/sshd_config.d/00-test.conf; systemctl reload ssh");
        await closeAllConnections();
        await key.destroy();
    });

    it("is refused with the server's own words, and leaves everything as it was", async () => {
        await shell.run("echo 'DenyUsers ops' >/etc/ssh/sshd_config.d/00-deny.conf; systemctl reload ssh");
        const before = await shell.run(
            "sha256sum </home/ops/.ssh/authorized_keys; stat -c '%a %U %n' /home/ops/.ssh /home/ops/.ssh/*",
        );
        const ops = new KeyResource("ops-key", { connection: login(lab, host, "root"), user: "ops" });
        await expect(ops.up()).rejects.toThrow(
            /SSH_KEY_REFUSED.*User ops from .* not allowed because listed in DenyUsers/s,
        );
        expect(ops.id).toBe("");
        expect(
            await shell.run(
                "sha256sum </home/ops/.ssh/authorized_keys; stat -c '%a %U %n' /home/ops/.ssh /home/ops/.ssh/*",
            ),
        ).toBe(before);
        expect(await shell.ask("ls /var/lib/pulumi-docker-fleet")).toBe("");
        await shell.run("rm /etc/ssh/sshd_config.d/00-deny.conf; systemctl reload ssh");
    });

    it("serves another user, whose home has no .ssh yet", async () => {
        await shell.run("useradd -m -s /bin/sh -g users deploy");
        const deploy = new KeyResource("deploy", {
            connection: login(lab, host),
            user: "deploy",
            options: ["restrict"],
        });
        await deploy.up();
        expect(await shell.run("stat -c '%a %U %G' /home/deploy/.ssh /home/deploy/.ssh/authorized_keys")).toBe(
            "700 deploy users\n600 deploy users",
        );
        expect(await loginWith(host, "deploy", String(deploy.outputs.generatedKey))).toBe("deploy");
        await deploy.destroy();
        expect(await shell.run("cat /home/deploy/.ssh/authorized_keys")).toBe("");
    });

    it("fails for a user that is not there", async () => {
        const nobody = new KeyResource("nobody", { connection: login(lab, host), user: "nobody-here" });
        await expect(nobody.up()).rejects.toThrow(/SSH_USER_MISSING.*nobody-here/);
    });

    it("finds the file where sshd looks: several, absolute, owned by root", async () => {
        await shell.run(
            "printf 'Match User deploy\\n AuthorizedKeysFile /etc/ssh/keys/%%u.%%U %%h/.keys/x\\n' >/etc/ssh/sshd_config.d/zz-deploy.conf; systemctl reload ssh",
        );
        const deploy = new KeyResource("deploy", { connection: login(lab, host), user: "deploy" });
        await deploy.up();
        const path = `/etc/ssh/keys/deploy.${await shell.run("id -u deploy")}`;
        expect(deploy.outputs).toMatchObject({ proved: true, authorizedKeysFile: path });
        expect(await shell.run(`stat -c '%a %U' /etc/ssh/keys ${path}`)).toBe("755 root\n644 root");
        await shell.run(
            "mkdir -m 700 /home/deploy/.keys; mv /etc/ssh/keys/* /home/deploy/.keys/x; chown -R deploy /home/deploy/.keys",
        );
        expect(await deploy.drift()).toEqual({});
        await deploy.up({ comment: "moved" });
        expect(await shell.run("cat /home/deploy/.keys/x")).toContain(" moved");
        await deploy.destroy();
        await shell.run("rm /etc/ssh/sshd_config.d/zz-deploy.conf; systemctl reload ssh");
    });

    it("does not follow a link that leads from a home directory to a file of root's", async () => {
        await shell.run(
            "rm -rf /home/deploy/.ssh; mkdir -m 700 /home/deploy/.ssh; ln -s /etc/motd /home/deploy/.ssh/authorized_keys; chown -R -h deploy /home/deploy/.ssh",
        );
        const before = await shell.run("sha256sum /etc/motd; stat -c '%a %U' /etc/motd");
        const deploy = new KeyResource("deploy", {
            connection: login(lab, host),
            user: "deploy",
            repairPermissions: true,
        });
        await expect(deploy.up()).rejects.toThrow(/AUTHORIZED_KEYS_UNUSABLE.*link/);
        expect(await shell.run("sha256sum /etc/motd; stat -c '%a %U' /etc/motd")).toBe(before);
        await shell.run("rm -rf /home/deploy/.ssh");
    });

    it("takes in a key that the machine knows already, and does not remove it while connection logs in with it", async () => {
        const connection = login(lab, host, "ops");
        const given = new KeyResource("given", { connection, privateKey: lab.privateKey });
        await given.up();
        expect(given.outputs).toMatchObject({ proved: true, account: "ops" });
        expect(given.outputs.generatedKey).toBeUndefined();
        await expect(given.destroy()).rejects.toThrow(/SSH_KEY_IN_USE/);
        expect(await loginWith(host, "ops", lab.privateKey)).toBe("ops");
    });

    it("is not removed while connection logs in with it, also by an agent's hand", async () => {
        const directory = mkdtempSync(join(tmpdir(), "fleet-agent-"));
        const agent = await Agent.start(directory);
        try {
            const { publicKey, privateKey } = generateKeyPair("mine");
            const path = join(directory, "mine");
            writeFileSync(path, privateKey, { mode: 0o600 });
            agent.add(path);
            const mine = new KeyResource("mine", { connection: login(lab, host, "ops"), publicKey });
            await mine.up();
            const base = { ...login(lab, host, "ops"), privateKey: undefined };
            for (const way of [{ agentSocketPath: agent.socket }, { identityFile: path, agentSocketPath: "none" }]) {
                expect(await mine.up({ connection: { ...base, ...way } })).toBe("update");
                await expect(mine.destroy()).rejects.toThrow(/SSH_KEY_IN_USE/);
                expect(await loginWith(host, "ops", privateKey)).toBe("ops");
            }
            // The agent holds it still, and another one that comes first.
            agent.clear();
            agent.add(lab.privateKeyPath);
            agent.add(path);
            await closeAllConnections();
            await mine.up({ connection: { ...base, agentSocketPath: agent.socket } });
            await mine.destroy();
            await expect(loginWith(host, "ops", privateKey)).rejects.toThrow(/authentication/i);
        } finally {
            agent.stop();
            rmSync(directory, { recursive: true });
        }
    });

    describe("beside a line that a killed run has left", () => {
        const left = generateKeyPair("left");
        let left64: string;
        let leaver: KeyResource;

        beforeEach(async () => {
            leaver = new KeyResource("leaver", { connection: login(lab, host, "ops") });
            await leaver.up();
            left64 = left.publicKey.split(" ")[1]!;
            const record = [leaver.outputs.lineage, "killed", "ops", "ssh-ed25519", left64].join("\\t");
            await shell.run(
                `printf '${record}\\n' >>/var/lib/pulumi-docker-fleet/ssh-keys; echo '${left.publicKey} left' >>/home/ops/.ssh/authorized_keys`,
            );
        });

        it("is deleted together with it", async () => {
            await leaver.destroy();
            expect(await contents("/home/ops/.ssh/authorized_keys")).not.toContain(left64);
            expect(await shell.ask("cat /var/lib/pulumi-docker-fleet/ssh-keys")).not.toContain(leaver.outputs.lineage);
            expect(await loginWith(host, "ops", lab.privateKey)).toBe("ops");
        });

        it("does not take it for another way in", async () => {
            const path = "/home/ops/.ssh/authorized_keys";
            await shell.run(`cp -p ${path} /root/ops; sed -i '/leaver\\|left/!d' ${path}; passwd -q -l ops`);
            await expect(leaver.destroy()).rejects.toThrow(/SSH_LAST_WAY_IN/);
            expect((await contents(path)).split("\n")).toHaveLength(3);
            await shell.run(`cp -p /root/ops ${path}`);
            await leaver.destroy();
        });
    });

    it("installs a public key without a proof", async () => {
        const { publicKey, privateKey } = generateKeyPair("elsewhere");
        const token = new KeyResource("token", { connection: login(lab, host), publicKey: `${publicKey} anna@token` });
        await token.up();
        expect(token.outputs).toMatchObject({ proved: false, sshPublicKey: `${publicKey} anna@token` });
        expect(await loginWith(host, "admin", privateKey)).toBe("admin");
        await token.destroy();
        await expect(loginWith(host, "admin", privateKey)).rejects.toThrow(/authentication/i);
    });
});

describeLab("a file of keys that others write to", () => {
    let lab: Lab;
    let host: LabHost;
    let shell: Shell;

    beforeAll(async () => {
        lab = await Lab.open();
        host = await lab.up(lab.uniqueName("edits"));
        shell = await Shell.open(lab, host);
    });

    afterAll(async () => {
        shell?.close();
        await closeAllConnections();
        await lab?.close();
    });

    it("loses no line of theirs, and none of ours", async () => {
        const file = "/home/admin/.ssh/authorized_keys";
        // Others append lines without any lock, as ssh-copy-id does, in bursts: it must happen between our look and our
        // write, but not each time on a busy machine.
        await shell.run(`cat >/root/others <<'END'
i=0
while [ -e /tmp/go ]; do
    i=$((i + 1))
    echo "# edit $i" >>${file}
    echo $i >/tmp/count
    if [ $((i % 4)) -eq 0 ]; then sleep 4; else sleep 0.4; fi
done
END
touch /tmp/go; sh /root/others >/dev/null 2>&1 </dev/null &`);
        const keys = [1, 2, 3].map((number) => new KeyResource(`k${number}`, { connection: login(lab, host) }));
        for (const comment of ["one", "two", "three", "four"]) {
            await Promise.all(keys.map((key) => key.up({ comment: `our words ${comment}` })));
        }
        await shell.run("rm /tmp/go; sleep 1");
        const edits = Number(await shell.run("cat /tmp/count"));
        expect(edits).toBeGreaterThan(3);
        const text = await shell.run(`cat ${file}`);
        expect(text.match(/^# edit \d+$/gm)).toHaveLength(edits);
        expect(text.match(/our words four/g)).toHaveLength(3);
        await Promise.all(keys.map((key) => key.destroy()));
        expect(await shell.run(`grep -c 'our words' ${file} || :; ls -A ${file.replace(/\/[^/]*$/, "")}`)).toBe(
            "0\nauthorized_keys",
        );
    });

    it("gives up when they never stop, and goes on when they have", async () => {
        const file = "/home/admin/.ssh/authorized_keys";
        await shell.run(
            `touch /tmp/go; (while [ -e /tmp/go ]; do echo '# busy' >>${file}; sleep 0.02; done) >/dev/null 2>&1 </dev/null &`,
        );
        const key = new KeyResource("late", { connection: login(lab, host) });
        await expect(key.up()).rejects.toThrow(/AUTHORIZED_KEYS_BUSY/);
        expect(await shell.run(`grep -c late ${file} || :`)).toBe("0");
        await shell.run("rm /tmp/go; sleep 0.5");
        // The key of the failed create is in the state, so it goes on with that one.
        expect(await key.up()).toBe("update");
        expect(await shell.run(`grep -c late ${file}`)).toBe("1");
        await key.destroy();
    });
});
