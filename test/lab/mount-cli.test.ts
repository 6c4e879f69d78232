import { join } from "node:path";
import { describeLab } from "../support/levels";
import { MountMachine } from "../support/mount";
import { PulumiProject } from "../support/pulumi";

describeLab("a Mount through the real CLI", () => {
    let at: MountMachine;
    let project: PulumiProject;

    const program = (args: string) => `
        import * as pulumi from "@pulumi/pulumi";
        import { Mount } from "pulumi-docker-fleet";
        const password = new pulumi.Config().requireSecret("password");
        const connection = { host: "${at.host.address}", user: "admin", password, hostKey: "${at.host.hostKey}" };
        const scratch = new Mount("scratch", { connection, type: "tmpfs", target: "/srv/scratch", ${args} });
        export const { unit } = scratch;
    `;

    beforeAll(async () => {
        at = await MountMachine.open("trixie");
        project = await PulumiProject.create({ program: program('options: ["size=8m"]') });
        await project.config("password", at.lab.password, { secret: true });
    });

    afterAll(async () => {
        await project?.remove();
        await at?.close();
    });

    it("refuses an option that the type does not know in the preview, with the nearest one", async () => {
        await project.write(program('options: ["sise=8m"]'));
        const { output } = await project.preview([], { expect: "failure" });
        expect(output).toMatch(/argument options\[0\]: tmpfs has no option sise; did you mean size/);
        await project.write(program('options: ["size=8m"]'));
    });

    it("is mounted by up, and then nothing is left to do", async () => {
        expect((await project.preview()).output).toMatch(/Mount +scratch +create/);
        await project.up();
        expect(await at.top("/srv/scratch")).toMatch(/^tmpfs +tmpfs$/);
        expect(await project.outputs()).toEqual({ unit: "srv-scratch.mount" });
        await project.preview(["--refresh", "--expect-no-changes"]);
    });

    it("shows what somebody did to it, and repairs that", async () => {
        await at.shell.run("systemctl disable --now srv-scratch.mount");
        const { output } = await project.preview(["--refresh", "--diff"]);
        expect(output).toMatch(/mount *: "not mounted" => "mounted"/);
        await project.up(["--refresh"]);
        expect(await at.top("/srv/scratch")).toMatch(/^tmpfs/);
        expect(await at.shell.run("systemctl is-enabled srv-scratch.mount")).toBe("enabled");
    });

    it("goes to another place as a replacement, and leaves nothing at the old one", async () => {
        await project.write(program("").replace("/srv/scratch", "/srv/other"));
        expect((await project.preview()).output).toMatch(/Mount +scratch +replace/);
        await project.up();
        expect(await at.top("/srv/other")).toMatch(/^tmpfs/);
        expect(await at.shell.ask("ls -d /srv/scratch /etc/systemd/system/srv-scratch.mount")).toBe("");
    });

    it("is unmounted by destroy, and leaves no trace", async () => {
        await project.destroy();
        expect(await at.shell.ask("grep /srv/ /proc/self/mountinfo; ls /srv")).toBe("");
        expect(await at.traces()).toBe("");
    });

    it("comes about by the program in examples/shared-storage", async () => {
        const storage = await at.lab.up(at.lab.uniqueName("store"), { release: "trixie" });
        await storage.exec("install -d -o admin /srv/export; echo one >/srv/export/file");
        const example = await PulumiProject.create({
            program: { directory: join(__dirname, "..", "..", "examples", "shared-storage") },
            typeCheck: true,
        });
        try {
            await example.config("storage", storage.address);
            await example.config("directory", "/srv/export");
            await example.run(["config", "set", "--plaintext", "--path", "workers[0]", at.host.address]);
            await example.config("user", "admin");
            await example.config("password", at.lab.password, { secret: true });
            await example.up();
            expect(
                await at.shell.run("docker version >/dev/null; cat /srv/shared/file; echo two >/srv/shared/new"),
            ).toBe("one");
            expect((await storage.exec("cat /srv/export/new; stat -c %U /srv/export/new")).stdout).toBe("two\nadmin\n");
            await example.preview(["--refresh", "--expect-no-changes"]);
            await at.shell.run("systemctl stop srv-shared.mount; ! touch /srv/shared/lost");
            await example.up(["--refresh"]);
            expect(await at.shell.run("cat /srv/shared/file")).toBe("one");
            await example.destroy();
            expect(await at.traces()).toBe("");
            expect((await storage.exec("grep -c internal-sftp /home/admin/.ssh/authorized_keys || :")).stdout).toBe(
                "0\n",
            );
        } finally {
            await example.remove();
        }
    });
});
