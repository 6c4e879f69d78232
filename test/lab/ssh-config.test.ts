import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Lab, type LabHost } from "../../lab";
import { closeAllConnections } from "../../src/ssh";
import { HostResource } from "../support/docker-host";
import { describeLab } from "../support/levels";
import { Shell } from "../support/shell";

describeLab("a DockerHost of which OpenSSH's configuration knows all", () => {
    let lab: Lab;
    let web: LabHost;
    let jump: LabHost;
    let docker: HostResource;
    const directory = mkdtempSync(join(tmpdir(), "fleet-ssh-config-"));
    const path = (name: string) => join(directory, name);

    /** Writes a configuration in which `web` is behind `jump`. */
    function configure(name: string, target: LabHost): string {
        const login = [
            "User ops",
            `IdentityFile ${path("key")}`,
            "IdentityAgent none",
            `UserKnownHostsFile ${path("k")}`,
        ];
        const lines = [
            ...[`Host web`, `HostName ${target.address}`, "ProxyJump jump", ...login],
            ...[`Host jump`, `HostName ${jump.address}`, ...login],
        ];
        writeFileSync(path(name), `${lines.join("\n")}\n`);
        return path(name);
    }

    beforeAll(async () => {
        lab = await Lab.open();
        [web, jump] = (await Promise.all([
            lab.up(lab.uniqueName("config"), { layer: "docker" }),
            lab.up(lab.uniqueName("jump")),
        ])) as [LabHost, LabHost];
        writeFileSync(path("key"), lab.privateKey, { mode: 0o600 });
        const connection = { host: "web", sshConfig: configure("one", web) };
        docker = new HostResource("web", { connection, userInDockerGroup: true });
    });

    afterAll(async () => {
        await closeAllConnections();
        await lab?.close();
        rmSync(directory, { recursive: true, force: true });
    });

    it("is found through its jump host, under the name that was written, and its user gets into the group", async () => {
        expect(await docker.up()).toBe("create");
        expect(docker.outputs).toMatchObject({
            endpoint: "ssh://ops@web",
            hostKey: web.hostKey,
            proxyHostKeys: { [jump.address]: jump.hostKey },
        });
        const shell = await Shell.open(lab, web);
        expect(await shell.run("id -nG ops")).toContain("docker");
        shell.close();
    });

    it("stays as it is where nothing has changed", async () => {
        expect(await docker.drift()).toEqual({});
        expect(await docker.up()).toBe("same");
    });

    it("is refused when the name leads to another machine all of a sudden", async () => {
        await closeAllConnections();
        const connection = { host: "web", sshConfig: configure("two", jump) };
        await expect(docker.up({ connection, hold: false })).rejects.toThrow(/HOST_KEY_MISMATCH/);
    });
});
