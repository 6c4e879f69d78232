import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Lab, type LabHost } from "../../lab";
import { login } from "../support/docker-host";
import { describeLab } from "../support/levels";
import { tryLogin } from "../support/logins";
import { PulumiProject } from "../support/pulumi";

const dropIn = "/etc/ssh/sshd_config.d/00-pulumi-docker-fleet.conf";

describeLab("an SshKey with hardening, from up to destroy", () => {
    let lab: Lab;
    let host: LabHost;
    let project: PulumiProject;
    let keyFile: string;

    const program = (hardening: string) => `
        import { SshKey } from "pulumi-docker-fleet";
        const connection = ${JSON.stringify(login(lab, host, "admin"))};
        const key = new SshKey("key", { connection, ${hardening} });
        export const { privateKey } = key;`;
    const hardening = 'hardening: { passwordAuthentication: false, permitRootLogin: "no" }';
    const waysIn = async () => ({
        password: (await tryLogin(lab, host, { user: "admin", password: lab.password })).replace(/^.*: /, ""),
        key: await tryLogin(lab, host, { user: "admin", keyFile }),
        root: (await tryLogin(lab, host, { user: "root", keyFile: lab.privateKeyPath })).replace(/^.*: /, ""),
    });
    const refused = "Permission denied (publickey).";

    beforeAll(async () => {
        lab = await Lab.open();
        host = await lab.up(lab.uniqueName("hcli"), { release: "trixie" });
        project = await PulumiProject.create({ program: program(hardening) });
        keyFile = join(mkdtempSync(join(tmpdir(), "hardening-")), "key");
    });

    afterAll(async () => {
        rmSync(keyFile, { force: true });
        await project?.remove();
        await lab?.close();
    });

    it("lets in by the key alone", async () => {
        const { output } = await project.up();
        expect(output).toMatch(/SshHardening key created/);
        writeFileSync(keyFile, String((await project.outputs()).privateKey), { mode: 0o600 });
        expect(await waysIn()).toEqual({ password: refused, key: "in", root: refused });
        await project.preview(["--refresh", "--expect-no-changes"]);
    });

    it("shows an edit as drift, by the setting and in words, and undoes it", async () => {
        await host.exec(`sed -i 's/^PermitRootLogin.*/PermitRootLogin yes/' ${dropIn}; systemctl reload ssh`);
        const { output } = await project.preview(["--refresh", "--diff"]);
        expect(output).toMatch(/permitRootLogin\s*: "yes" => "no"/);
        expect(output).toMatch(/status\s*: "edited" => "in place"/);
        await project.up(["--refresh"]);
        expect(await waysIn()).toEqual({ password: refused, key: "in", root: refused });
    });

    it("keeps what was there when the new settings would shut us out, and says so", async () => {
        await project.write(program('hardening: { passwordAuthentication: false, allowUsers: ["ops"] }'));
        const { output } = await project.up([], { expect: "failure" });
        expect(output).toMatch(/HARDENING_UNDONE.*admin@/s);
        expect(await waysIn()).toEqual({ password: refused, key: "in", root: refused });
        await project.write(program(hardening));
        await project.up();
        await project.preview(["--refresh", "--expect-no-changes"]);
    });

    it("names a wrong setting in the preview", async () => {
        await project.write(program("hardening: { passwordAuthentification: false } as any"));
        const { output } = await project.preview([], { expect: "failure" });
        expect(output).toMatch(/hardening\.passwordAuthentification.*did you mean passwordAuthentication/s);
    });

    it("is taken away with its argument, and the key stays", async () => {
        await project.write(program(""));
        await project.up();
        expect(await waysIn()).toEqual({ password: "in", key: "in", root: "in" });
    });

    it("goes before the key in a destroy, which leaves the machine as it was", async () => {
        await project.write(program(hardening));
        await project.up();
        expect((await waysIn()).password).toBe(refused);
        await project.destroy();
        expect(await waysIn()).toEqual({ password: "in", key: expect.stringMatching(/^admin@.*denied/), root: "in" });
        const left = await host.exec("ls -A /etc/ssh/sshd_config.d; ls /var/lib/pulumi-docker-fleet", {
            allowFailure: true,
        });
        expect(left.stdout).toBe("");
    });
});

describeLab("the example that logs in once", () => {
    let lab: Lab;
    let host: LabHost;
    let project: PulumiProject;

    beforeAll(async () => {
        lab = await Lab.open();
        host = await lab.up(lab.uniqueName("once"), { release: "trixie", layer: "docker" });
        const example = join(__dirname, "../../examples/login-once/index.ts");
        project = await PulumiProject.create({ program: readFileSync(example, "utf8"), typeCheck: true });
        await project.config("host", host.address);
        await project.config("user", "admin");
        await project.config("password", lab.password, { secret: true });
    });

    afterAll(async () => {
        await project?.remove();
        await lab?.close();
    });

    it("does so: one login by password, then the key alone, which ssh takes from its outputs", async () => {
        await project.up();
        const { privateKey, sshConfig, knownHosts } = (await project.outputs()) as Record<string, string>;
        const directory = mkdtempSync(join(tmpdir(), "login-once-"));
        try {
            writeFileSync(join(directory, "web-key"), privateKey!, { mode: 0o600 });
            writeFileSync(join(directory, "known"), `${knownHosts}\n`);
            writeFileSync(join(directory, "config"), sshConfig!.replaceAll("~/.ssh", directory));
            const known = `UserKnownHostsFile=${join(directory, "known")}`;
            const options = ["-F", join(directory, "config"), "-o", known, "-o", "StrictHostKeyChecking=yes"];
            expect(execFileSync("ssh", [...options, "web-key", "id -un"], { encoding: "utf8" })).toBe("admin\n");
        } finally {
            rmSync(directory, { recursive: true });
        }
        const { stdout } = await host.exec(
            "journalctl -q -o cat -t sshd -t sshd-session | grep '^Accepted.* for admin'",
        );
        expect(stdout.match(/^Accepted password/gm)).toHaveLength(1);
        const password = await tryLogin(lab, host, { user: "admin", password: lab.password });
        expect(password).toMatch(/Permission denied \(publickey\)/);
        await project.preview(["--refresh", "--expect-no-changes"]);
    });
});
