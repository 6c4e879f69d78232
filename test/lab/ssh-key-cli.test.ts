import { setTimeout as pause } from "node:timers/promises";
import { Lab, type LabHost } from "../../lab";
import { sshKeygen } from "../support/keygen";
import { describeLab, suiteReleases } from "../support/levels";
import { PulumiProject } from "../support/pulumi";
import { loginWith, Shell } from "../support/shell";

const file = "/home/admin/.ssh/authorized_keys";

/** A key for the login user, made with a password, and one for another user, made with the first key. */
async function projectFor(lab: Lab, host: LabHost): Promise<PulumiProject> {
    const project = await PulumiProject.create({
        program: `
            import * as pulumi from "@pulumi/pulumi";
            import { SshKey } from "pulumi-docker-fleet";
            const config = new pulumi.Config();
            const connection = { host: "${host.address}", user: "admin", password: config.requireSecret("password") };
            const key = new SshKey("web-key", {
                connection,
                rotate: config.getObject("rotate"),
                maxAge: config.get("maxAge"),
            });
            const ops = new SshKey("ops-key", { connection: key.connection, user: "ops" });
            export const { privateKey, sshPublicKey, endpoint, knownHosts, sshConfig } = key;
            export const opsKey = ops.privateKey;`,
    });
    await project.config("password", lab.password, { secret: true });
    return project;
}

/** The private key of a resource, as the state has it. */
async function keyInState(project: PulumiProject, name: string): Promise<string> {
    const { stdout } = await project.run(["stack", "export", "--show-secrets"]);
    const { deployment } = JSON.parse(stdout);
    const resource = deployment.resources.find(
        (candidate: { urn: string; delete?: boolean }) => candidate.urn.endsWith(`::${name}`) && !candidate.delete,
    );
    return JSON.parse(resource.outputs.generatedKey.plaintext);
}

describeLab.each(suiteReleases("bookworm"))("an SshKey through the real CLI on %s", (release) => {
    let lab: Lab;
    let host: LabHost;
    let shell: Shell;
    let project: PulumiProject;

    beforeAll(async () => {
        lab = await Lab.open();
        host = await lab.up(lab.uniqueName(`kc${release}`), { release });
        shell = await Shell.open(lab, host);
        project = await projectFor(lab, host);
    });

    afterAll(async () => {
        shell?.close();
        await project?.remove();
        await lab?.close();
    });

    it("shows host and user of what depends on it before the key is there", async () => {
        const { stdout } = await project.preview(["--diff"]);
        const [, second = ""] = stdout.split("SshKey::ops-key");
        expect(second).toMatch(/host +: "[\d.]+"[\s\S]*privateKey +: \[unknown\][\s\S]*user +: "admin"/);
    });

    it("is made once with the password; what depends on it logs in with the key", async () => {
        await project.up();
        const outputs = await project.outputs();
        expect(outputs).toMatchObject({
            endpoint: `ssh://admin@${host.address}`,
            knownHosts: `${host.address} ${host.hostKey}`,
            sshConfig: expect.stringMatching(/^Host web-key\n {4}HostName [\d.]+\n {4}User admin\n {4}IdentityFile/),
        });
        expect(await loginWith(host, "admin", String(outputs.privateKey))).toBe("admin");
        expect(await loginWith(host, "ops", String(outputs.opsKey))).toBe("ops");
        const log = await shell.run("journalctl -q -o cat -t sshd -t sshd-session | grep '^Accepted'");
        expect(log.match(/^Accepted password for admin/gm)).toHaveLength(1);
        await project.preview(["--refresh", "--expect-no-changes"]);
    });

    it("keeps secrets secret, also after a refresh", async () => {
        await project.refresh();
        const state = JSON.stringify(await project.export());
        expect(state).not.toContain("PRIVATE KEY");
        expect(state).not.toContain(lab.password);
        expect(await shell.ask("grep -rl 'PRIVATE KEY' /home /root /var/lib/pulumi-docker-fleet /tmp")).toBe("");
    });

    it("shows a rotation as a replacement, and makes it without a gap", async () => {
        const old = await keyInState(project, "web-key");
        await project.config("rotate", '{ "month": 1 }');
        const preview = await project.preview(["--diff"]);
        expect(preview.stdout).toMatch(/\+-pulumi-nodejs:dynamic\/docker-fleet:SshKey: \(replace\)[\s\S]*\+ rotate/);
        const { stdout } = await project.up();
        expect(stdout).toMatch(/web-key created replacement[\s\S]*ops-key updated[\s\S]*web-key deleted original/);
        expect(await loginWith(host, "admin", await keyInState(project, "web-key"))).toBe("admin");
        await expect(loginWith(host, "admin", old)).rejects.toThrow(/authentication/i);
        await project.preview(["--refresh", "--expect-no-changes"]);
    });

    it("replaces a key that has become too old", async () => {
        await project.config("maxAge", "1h");
        await project.up();
        const old = await keyInState(project, "web-key");
        await project.preview(["--expect-no-changes"]);
        // What time does, the state is told.
        const state = await project.export();
        for (const { outputs } of state.deployment.resources ?? []) {
            if (outputs?.createdAt) outputs.createdAt = new Date(Date.now() - 3_601_000).toISOString();
        }
        await project.import(state);
        const { stdout } = await project.preview(["--diff"]);
        expect(stdout).toMatch(/\+-pulumi-nodejs:dynamic\/docker-fleet:SshKey: \(replace\)/);
        await project.up();
        expect(await keyInState(project, "web-key")).not.toBe(old);
        await expect(loginWith(host, "admin", old)).rejects.toThrow(/authentication/i);
        await project.preview(["--refresh", "--expect-no-changes"]);
    });

    it("finds that its line is gone, and repairs it", async () => {
        await shell.run(`sed -i /web-key/d ${file}`);
        const { stdout } = await project.preview(["--refresh", "--diff"]);
        expect(stdout).toMatch(/~ status *: "not installed" => "installed"/);
        await project.up(["--refresh"]);
        expect(await loginWith(host, "admin", await keyInState(project, "web-key"))).toBe("admin");
    });

    it.each([
        [{ options: ["expiry-time=20200101"] }, /options\[0\]: the key expired at 20200101/],
        [{ options: ["form=10.0.0.0/8"] }, /there is no such option of a key/],
        [{ maxAge: "90 days" }, /maxAge: expected an age such as "90d"/],
        [{ publicKey: "ssh-ed25519 AAAA" }, /publicKey: a public key in one line/],
        [
            {
                publicKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDBHqQmMVvbhtyKU1sKJNQYQ1bPdZyDVKqUTrFTrkHQ6",
                rotate: 1,
            },
            /rotate: makes a new key/,
        ],
    ])("refuses %j in the preview", async (args, words) => {
        const wrong = await PulumiProject.create({
            program: `
                import { SshKey } from "pulumi-docker-fleet";
                new SshKey("wrong", { connection: { host: "${host.address}" }, ...${JSON.stringify(args)} });`,
        });
        try {
            const { output } = await wrong.preview([], { expect: "failure" });
            expect(output).toMatch(/INVALID_ARGUMENT/);
            expect(output).toMatch(words);
        } finally {
            await wrong.remove();
        }
    });

    it("is destroyed, and leaves nothing", async () => {
        await project.destroy();
        expect(await shell.run(`cat ${file} /home/ops/.ssh/authorized_keys`)).not.toMatch(/web-key|ops-key/);
        expect(await shell.ask("ls /var/lib/pulumi-docker-fleet")).toBe("");
    });
});

describeLab("a rotation that is killed", () => {
    let lab: Lab;
    let host: LabHost;
    let shell: Shell;
    let project: PulumiProject;
    let number = 0;

    beforeAll(async () => {
        lab = await Lab.open();
        host = await lab.up(lab.uniqueName("krot"));
        shell = await Shell.open(lab, host);
        project = await projectFor(lab, host);
        await project.up();
        // From here on the keys alone get in: a gap would be for ever.
        await shell.run("echo PasswordAuthentication no >/etc/ssh/sshd_config.d/00-test.conf; systemctl reload ssh");
    });

    afterAll(async () => {
        shell?.close();
        await project?.remove();
        await lab?.close();
    });

    /** Begins a rotation, kills those processes of it at that moment, and waits until all is quiet. */
    async function killedRotation(moment: RegExp, victims: RegExp): Promise<void> {
        await project.config("rotate", String(++number));
        const command = project.spawn(["up", "--yes", "--skip-preview"]);
        await command.waitFor(moment);
        for (const { pid, command: line } of await project.processes()) {
            if (victims.test(line)) {
                try {
                    process.kill(pid, "SIGKILL");
                } catch {
                    // It has ended meanwhile.
                }
            }
        }
        await command.finished;
        await pause(1_000);
        // Nobody else is at work: the lock of a killed CLI stays in the backend.
        await project.run(["cancel", "--yes"], { expect: "any" });
    }

    const provider = /cmd\/dynamic-provider/;
    const everything = /./;
    const beginning = /creating replacement/;
    const installing = /creating replacement.*installing the key of admin/;
    const trying = /creating replacement.*logging in with the key alone/;
    const kills: [string, string, RegExp, RegExp][] = [
        ["the provider", "while the new key is tried", trying, provider],
        ["all of it", "before the others have the new key", /created replacement/, everything],
        ["all of it", "before the old key is removed", /deleting original/, everything],
    ];
    const furtherKills: typeof kills = [
        ["the provider", "before anything is changed", beginning, provider],
        ["the provider", "while the new key is installed", installing, provider],
        ["the provider", "before the others have the new key", /created replacement/, provider],
        ["the provider", "before the old key is removed", /deleting original/, provider],
        ["all of it", "while the new key is installed", installing, everything],
        ["all of it", "while the new key is tried", trying, everything],
    ];
    it.each([...kills, ...(process.env.FLEET_SSH_KEY_KILLS === "all" ? furtherKills : [])])(
        "leaves a key that works in the state, and the next up converges: %s, %s",
        async (_, __, moment, victims) => {
            await killedRotation(moment, victims);
            expect(await loginWith(host, "admin", await keyInState(project, "web-key"))).toBe("admin");

            await project.up(["--refresh", "--clear-pending-creates"], { expect: "any" });
            await project.up(["--refresh"]);
            expect(await loginWith(host, "admin", await keyInState(project, "web-key"))).toBe("admin");
            await project.preview(["--refresh", "--expect-no-changes"]);
            // One line for the key that is in the state, and no orphan.
            expect(await shell.run(`grep -c web-key ${file}`)).toBe("1");
            expect(await shell.run("grep -c . /var/lib/pulumi-docker-fleet/ssh-keys")).toBe("2");
        },
    );

    it.each([
        ["before the new key is in the state", /creating replacement.*logging in with the key alone/],
        ["before the old key is removed", /deleting original/],
    ])("is cleared away by a destroy: killed %s", async (_, moment) => {
        await killedRotation(moment, everything);
        await project.destroy();
        expect(await shell.run(`grep -c web-key ${file} || :`)).toBe("0");
        expect(await shell.ask("ls /var/lib/pulumi-docker-fleet")).toBe("");
        // For the next one: made by password, and from then on let in by its key alone.
        await shell.run("rm /etc/ssh/sshd_config.d/00-test.conf; systemctl reload ssh");
        await project.up();
        await shell.run("echo PasswordAuthentication no >/etc/ssh/sshd_config.d/00-test.conf; systemctl reload ssh");
    });

    it("goes on with the new key where the old one's line is gone, but the old one is in the state", async () => {
        const old = await keyInState(project, "web-key");
        await killedRotation(/deleting original/, everything);
        // What the script on the machine does after its caller has died, at the latest possible moment.
        const line = await sshKeygen(["-y"], old);
        await shell.run(`grep -vF '${line.split(" ")[1]}' ${file} >/root/rest; cat /root/rest >${file}`);
        await project.up();
        expect(await loginWith(host, "admin", await keyInState(project, "web-key"))).toBe("admin");
        await project.preview(["--refresh", "--expect-no-changes"]);
        expect(await shell.run("grep -c . /var/lib/pulumi-docker-fleet/ssh-keys")).toBe("2");
    });
});
