import Docker from "dockerode";
import { Lab, type LabHost } from "../../lab";
import type { ApiAccess } from "../../src";
import { DockerCli } from "../support/docker-cli";
import { describeLab } from "../support/levels";
import { PulumiProject } from "../support/pulumi";
import { Shell } from "../support/shell";

describeLab("the outputs of a DaemonConfig", () => {
    let lab: Lab;
    let host: LabHost;
    let shell: Shell;
    /** Somebody else's computer. */
    let cli: DockerCli;
    let project: PulumiProject;
    let version: string;

    /** A program whose DaemonConfig opens the API as told. */
    const program = (args: string) => `
        import * as pulumi from "@pulumi/pulumi";
        import { DaemonConfig, TlsAuthority, TlsCertificate } from "pulumi-docker-fleet";
        const password = new pulumi.Config().requireSecret("password");
        const connection = { host: "${host.address}", user: "admin", password, hostKey: "${host.hostKey}" };
        const authority = new TlsAuthority("ca");
        const server = new TlsCertificate("server", { authority, hosts: ["${host.address}"] });
        const client = new TlsCertificate("client", { authority, use: "client" });
        const tls = { ca: authority.bundle, cert: server.certificate, key: server.privateKey };
        const own = { cert: client.certificate, key: client.privateKey };
        const daemon = new DaemonConfig("web daemon", { connection, ${args} });
        export const { endpoint, providerArgs, dockerOptions, environment, contextArgs } = daemon;
    `;
    const outputs = async () => (await project.outputs()) as unknown as ApiAccess;

    beforeAll(async () => {
        lab = await Lab.open();
        host = await lab.up(lab.uniqueName("access"), { layer: "docker" });
        shell = await Shell.open(lab, host);
        cli = await DockerCli.open(lab);
        version = await shell.run("docker version --format '{{.Server.Version}}'");
        project = await PulumiProject.create({ program: program("settings: {}"), typeCheck: true });
        await project.config("password", lab.password, { secret: true });
    });

    afterAll(async () => {
        shell?.close();
        cli?.close();
        await project?.remove();
        await lab?.close();
    });

    /** What the client sees in a shell that has run one of the texts. */
    const dockerIn = async (name: string, text: string) => {
        await cli.write("/root/env", text);
        return cli.run(`${name} -c '. /root/env; docker version --format "{{.Server.Version}} {{.Server.Os}}"'`);
    };

    it("lead clients over SSH without api", async () => {
        await project.up();
        const { endpoint, providerArgs, environment, contextArgs, dockerOptions } = await outputs();
        expect(endpoint).toBe(`ssh://admin@${host.address}`);
        expect(providerArgs).toEqual({ host: endpoint });
        expect(dockerOptions).toBeUndefined();
        // The computer's own SSH client, with its own key and known_hosts.
        await cli.write("/root/.ssh/id_ed25519", lab.privateKey);
        await cli.write("/root/.ssh/known_hosts", `${host.address} ${host.hostKey}\n`);
        await shell.run("usermod -aG docker admin; install -d -m 700 -o admin /home/admin/.ssh");
        await shell.run("install -m 600 -o admin /root/.ssh/authorized_keys /home/admin/.ssh/authorized_keys");
        expect(await dockerIn("sh", environment.sh)).toBe(`${version} linux`);
        await cli.shell.run(["docker", ...contextArgs].map((word) => `'${word}'`).join(" "));
        expect(await cli.run("docker -c web-daemon version --format '{{.Server.Version}}'")).toBe(version);
        await cli.shell.run("docker context rm web-daemon");
    });

    it("are known in the preview that opens the API, but for the certificates", async () => {
        await project.write(program("api: { tcp: { tls, client: own } }"));
        const { output } = await project.preview();
        expect(output).toContain(`endpoint     : "ssh://admin@${host.address}" => "tcp://${host.address}:2376"`);
    });

    it("lead the real client over TLS, in every shell at hand and as a context", async () => {
        await project.up();
        const { endpoint, environment, contextArgs } = await outputs();
        expect(endpoint).toBe(`tcp://${host.address}:2376`);
        await cli.shell.run("rm -r /root/.ssh/id_ed25519");
        expect(await dockerIn("sh", environment.sh)).toBe(`${version} linux`);
        expect(await cli.shell.run("stat -c %a /root/.docker/docker-fleet/web-daemon/key.pem")).toBe("600");
        expect(await cli.shell.run("ls /root/.docker/docker-fleet/web-daemon")).toBe("ca.pem\ncert.pem\nkey.pem");
        // The home directory is that of whoever ran Pulumi.
        const home = `${process.env.HOME}/.docker`;
        await cli.shell.run(
            ["docker", ...contextArgs].map((word) => `'${word.replaceAll(home, "/root/.docker")}'`).join(" "),
        );
        expect(await cli.run("docker -c web-daemon version --format '{{.Server.Version}}'")).toBe(version);

        await cli.shell.run("rm -r /root/.docker; apt-get install -qq fish >/dev/null");
        expect(await dockerIn("fish", environment.fish)).toBe(`${version} linux`);
        expect(await cli.shell.run("stat -c '%a %n' /root/.docker/docker-fleet/web-daemon/*")).toMatch(
            /^600 .*\/ca.pem\n600 /,
        );
    });

    it("lead dockerode", async () => {
        const { dockerOptions } = await outputs();
        const docker = new Docker(dockerOptions);
        expect((await docker.version()).Version).toBe(version);
        expect(await docker.listContainers()).toEqual([]);
    });

    it("give the Provider of @pulumi/docker its material", async () => {
        const { providerArgs } = await outputs();
        expect(Object.keys(providerArgs).sort()).toEqual(["caMaterial", "certMaterial", "host", "keyMaterial"]);
        expect(providerArgs).toMatchObject({
            host: `tcp://${host.address}:2376`,
            caMaterial: expect.stringMatching(/^-----BEGIN CERTIFICATE-----\n/),
            keyMaterial: expect.stringMatching(/^-----BEGIN PRIVATE KEY-----\n/),
        });
    });

    it("keep the client's key from the state, the terminal and the machine", async () => {
        const state = JSON.stringify(await project.export());
        expect(state).not.toContain("PRIVATE KEY");
        const { stdout } = await project.run(["stack", "output"]);
        expect(stdout).toMatch(/environment +\[secret\]/);
        expect(stdout).toMatch(/dockerOptions +\[secret\]/);
        const { providerArgs } = await outputs();
        const line = providerArgs.keyMaterial!.split("\n")[1]!;
        expect(await shell.ask(`grep -rlF '${line}' /etc /var/lib/pulumi-docker-fleet /root /home /tmp`)).toBe("");
        await project.preview(["--refresh", "--expect-no-changes"]);
    });

    it("say where the API is in the open for those who insist", async () => {
        const hosts = `["unix:///var/run/docker.sock", "tcp://0.0.0.0:6066"]`;
        await project.write(program(`settings: { hosts: ${hosts} }, api: { tcp: { allowUnprotected: true } }`));
        await project.up();
        const { endpoint, dockerOptions, environment } = await outputs();
        expect(endpoint).toBe(`tcp://${host.address}:6066`);
        expect((await new Docker(dockerOptions).version()).Version).toBe(version);
        await cli.shell.run("rm -rf /root/.docker");
        expect(await dockerIn("sh", `DOCKER_TLS_VERIFY=1\nexport DOCKER_TLS_VERIFY\n${environment.sh}`)).toBe(
            `${version} linux`,
        );
        expect((await project.preview()).output).toContain("allowUnprotected is set: everybody");
        await project.destroy();
    });
});
