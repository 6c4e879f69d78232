import { Lab, type LabHost } from "../../lab";
import { Daemon } from "../support/daemon";
import { describeLab } from "../support/levels";
import { PulumiProject } from "../support/pulumi";
import { Shell } from "../support/shell";
import { plainRequest } from "../support/stranger";

/** daemon.json as somebody else has left it, in a form of his own. */
const theirs = '{"max-concurrent-uploads":7,\n\n  "shutdown-timeout": 20}';

const file = "/etc/docker/daemon.json";

describeLab("a DaemonConfig through the real CLI", () => {
    let lab: Lab;
    let host: LabHost;
    let shell: Shell;
    let daemon: Daemon;
    let project: PulumiProject;

    const program = (args: object) => `
        import * as pulumi from "@pulumi/pulumi";
        import { DaemonConfig } from "pulumi-docker-fleet";
        const connection = {
            host: "${host.address}",
            user: "admin",
            password: new pulumi.Config().requireSecret("password"),
        };
        const args: any = ${JSON.stringify(args)};
        const daemon = new DaemonConfig("web-daemon", { connection, ...args });
        export const { plan, pending, engineVersion } = daemon;`;
    const foreign = { "max-concurrent-uploads": 7, "shutdown-timeout": 20 };
    const settings = { debug: true, labels: ["rack=7"] };
    const driver = { ...settings, "log-driver": "local" };

    beforeAll(async () => {
        lab = await Lab.open();
        host = await lab.up(lab.uniqueName("dcli"), { layer: "docker" });
        shell = await Shell.open(lab, host);
        daemon = new Daemon(shell);
        await daemon.run({ comes: "always", stays: "no" });
        await shell.run(
            `mkdir -p /etc/docker; printf '%s' '${theirs}' >/etc/docker/daemon.json; chmod 0640 /etc/docker/daemon.json`,
        );
        await daemon.restart();
        await shell.run("docker start stays");
        project = await PulumiProject.create({ program: program({ settings }) });
        await project.config("password", lab.password, { secret: true });
    });

    afterAll(async () => {
        shell?.close();
        await project?.remove();
        await lab?.close();
    });

    it("shows its settings in the preview, and touches nothing", async () => {
        const before = [await daemon.process(), await daemon.file()];
        const { stdout } = await project.preview(["--diff"]);
        expect(stdout).toMatch(/DaemonConfig: \(create\)[\s\S]*debug *: true[\s\S]*labels *: \[[\s\S]*"rack=7"/);
        expect([await daemon.process(), await daemon.file()]).toEqual(before);
    });

    it("is applied by a reload, beside what others have set", async () => {
        const pid = await daemon.process();
        await project.up();
        const engineVersion = await shell.run("docker version --format '{{.Server.Version}}'");
        expect(await project.outputs()).toEqual({ plan: "reload", pending: [], engineVersion });
        expect(await daemon.file()).toEqual({ ...foreign, ...settings });
        expect([await daemon.info("Debug"), await daemon.info("Labels")]).toEqual([true, ["rack=7"]]);
        expect(await daemon.process()).toBe(pid);
        await project.preview(["--refresh", "--expect-no-changes"]);
    });

    it("tells in the preview that a change takes a reload", async () => {
        const pid = await daemon.process();
        await project.write(program({ settings: { ...settings, labels: ["rack=8"] } }));
        const { output } = await project.preview(["--diff"]);
        expect(output).toMatch(/"rack=7" => "rack=8"/);
        expect(output).toMatch(/: reload$/m);
        expect((await project.up()).output).toMatch(/web-daemon updating.*: reload$/m);
        expect(await daemon.info("Labels")).toEqual(["rack=8"]);
        expect(await daemon.process()).toBe(pid);
    });

    it("warns in the preview that a change takes a restart, and of what that does to the containers", async () => {
        const plan = "restart stops 2 containers; 1 of them starts again by restart policy";
        await project.write(program({ settings: driver }));
        const { output } = await project.preview(["--diff"]);
        expect(output).toContain(`warning: ${host.address}: ${plan}, as last seen.`);
        expect(output).toMatch(/\+ log-driver: "local"/);
        expect(await daemon.info("LoggingDriver")).toBe("json-file");
        await project.up();
        expect(await project.outputs()).toMatchObject({ plan });
        expect(await daemon.info("LoggingDriver")).toBe("local");
        expect(Object.keys(await daemon.processes())).toEqual(["comes"]);
    });

    it("shows an edit by hand as drift, and repairs just that", async () => {
        const before = [await daemon.process(), await daemon.processes()];
        await shell.run(`sed -i 's/rack=7/rack=9/; s/"local"/"json-file"/; s/: 20/: 21/' ${file}`);
        const { output } = await project.preview(["--refresh", "--diff"]);
        expect(output).toMatch(/~ settings: \{[\s\S]*"rack=9" => "rack=7"[\s\S]*~ log-driver: "json-file" => "local"/);
        // The daemon has not read the edit: putting the file right is all that it takes.
        expect(output).toMatch(/: none$/m);
        expect(output).not.toContain("warning:");
        await project.up(["--refresh"]);
        expect(await daemon.file()).toEqual({ ...foreign, "shutdown-timeout": 21, ...driver });
        expect([await daemon.process(), await daemon.processes()]).toEqual(before);
        await project.preview(["--refresh", "--expect-no-changes"]);
    });

    it.each([
        ["a reload", { debug: false }, "reload", /: reload$/m],
        [
            "a restart",
            { "log-driver": "json-file" },
            "restart docker; sleep 1",
            /warning: .*: restart stops 1 container; it starts again by restart policy, as last seen/,
        ],
    ])("shows that the daemon has something else than its file, which takes %s", async (_, edit, read, plan) => {
        const right = await shell.run(`cat ${file}`);
        await daemon.write({ ...(await daemon.file()), ...edit });
        await shell.run(`systemctl ${read.replace(/^reload$/, "reload docker; sleep 1")}`);
        await daemon.write(right);
        const { output } = await project.preview(["--refresh", "--diff"]);
        const key = Object.keys(edit)[0];
        expect(output).toContain(`~ daemon: "written, but not applied: ${key}" => "as configured"`);
        expect(output).toMatch(plan);
        await project.up(["--refresh"]);
        expect([await daemon.info("Debug"), await daemon.info("LoggingDriver")]).toEqual([true, "local"]);
        await project.preview(["--refresh", "--expect-no-changes"]);
    });

    it("shows in the preview that a daemon which was stopped will be started", async () => {
        await shell.run("systemctl stop docker.socket docker.service");
        const { output } = await project.preview(["--refresh", "--diff"]);
        expect(output).toContain('~ daemon: "not running" => "as configured"');
        expect(output).toMatch(/: start$/m);
        await project.up(["--refresh"]);
        expect(await daemon.info("LoggingDriver")).toBe("local");
    });

    it("fails with the daemon's own words, and all is as before", async () => {
        const before = await daemon.file();
        await project.write(program({ settings: { ...driver, "seccomp-profile": "/nonsense" } }));
        const { output } = await project.up([], { expect: "failure" });
        expect(output).toMatch(/DAEMON_CONFIG_FAILED[\s\S]*as it was before[\s\S]*\(\/nonsense\) failed/);
        expect(await daemon.file()).toEqual(before);
        await project.write(program({ settings: driver }));
        await project.preview(["--refresh", "--expect-no-changes"]);
    });

    it("refuses a port for everybody in the preview; who insists is warned by each", async () => {
        const hosts = ["unix:///var/run/docker.sock", `tcp://${host.address}:6066`];
        const open = { ...driver, hosts };
        await project.write(program({ settings: open }));
        const refused = await project.preview([], { expect: "failure" });
        expect(refused.output).toMatch(/INVALID_ARGUMENT.*settings\.hosts: tcp:.*makes everybody.*root/);

        const warning =
            /warning: allowUnprotected is set: everybody who reaches the TCP port .* is root on the machine/;
        await project.write(program({ settings: open, api: { tcp: { allowUnprotected: true } } }));
        expect((await project.preview()).output).toMatch(warning);
        expect((await project.up()).output).toMatch(warning);
        expect(await plainRequest(host.address, 6066)).toBe("200 OK");
        for (const args of [[], ["--refresh"], ["--diff"]]) {
            expect((await project.preview(["--expect-no-changes", ...args])).output).toMatch(warning);
        }

        await project.write(program({ settings: driver }));
        const { output } = await project.up();
        expect(output).not.toContain("allowUnprotected");
        expect(await plainRequest(host.address, 6066)).toBe("ECONNREFUSED");
    });

    it("is destroyed, and what others have set is left", async () => {
        await project.destroy();
        expect(await daemon.file()).toEqual({ ...foreign, "shutdown-timeout": 21 });
        expect(await shell.run(`stat -c %a ${file}`)).toBe("640");
        expect([await daemon.info("Debug"), await daemon.info("LoggingDriver")]).toEqual([false, "json-file"]);
        expect(Object.keys(await daemon.processes())).toEqual(["comes"]);
        expect(await shell.ask("find /etc -name '*fleet*'; ls /var/lib/pulumi-docker-fleet")).toBe("");
    });
});
