import { Lab, type LabHost } from "../../lab";
import { describeLab } from "../support/levels";
import { installPacked, type PackedPackage, packPackage } from "../support/packed";
import { PulumiProject } from "../support/pulumi";
import { Shell } from "../support/shell";

/** A program as a user would write it: a host, and what its Docker API says. */
const program = `
    import * as pulumi from "@pulumi/pulumi";
    import { DockerHost, dockerClient } from "pulumi-docker-fleet";

    const config = new pulumi.Config();
    const web = new DockerHost("web", {
        connection: { host: config.require("host"), user: "admin", password: config.requireSecret("password") },
    });
    export const { endpoint, engineVersion } = web;
    export const volumes = pulumi.all([web.connection, web.hostKey, web.engineVersion]).apply(async ([connection, hostKey]) => {
        const docker = await dockerClient({ connection, hostKey });
        return (await docker.listVolumes()).Volumes.map(({ Name }) => Name);
    });
`;

describeLab("the packed package, installed into a program", () => {
    let lab: Lab;
    let host: LabHost;
    let shell: Shell;
    let packed: PackedPackage;
    let project: PulumiProject;

    beforeAll(async () => {
        lab = await Lab.open();
        packed = await packPackage();
        host = await lab.up(lab.uniqueName("pack"));
        shell = await Shell.open(lab, host);
        project = await PulumiProject.create({ program, typeCheck: true });
        await installPacked(project, packed);
        await project.config("host", host.address);
        await project.config("password", lab.password, { secret: true });
    });

    afterAll(async () => {
        shell?.close();
        await project?.remove();
        await packed?.remove();
        await lab?.close();
    });

    it("makes a Docker host whose API the program can use, and tells no secret", async () => {
        const { output } = await project.up();
        expect(output).not.toContain(lab.password);
        expect(JSON.stringify(await project.export())).not.toContain(lab.password);
        expect(await shell.run("systemctl is-active docker.service")).toBe("active");
        expect(await project.outputs()).toEqual({
            endpoint: `ssh://admin@${host.address}`,
            engineVersion: await shell.run("docker version --format '{{.Server.Version}}'"),
            volumes: [],
        });
    });

    it("finds nothing to change, and asks the API again each time", async () => {
        await shell.run("docker volume create data");
        const { output } = await project.up(["--refresh"]);
        expect(output).toMatch(/Resources:\s+2 unchanged/);
        expect(await project.outputs()).toMatchObject({ volumes: ["data"] });
    });

    it("takes the engine away again and leaves the data", async () => {
        await project.destroy();
        expect(await shell.ask("command -v dockerd")).toBe("");
        expect(await shell.run("ls /var/lib/docker/volumes")).toContain("data");
    });
});
