import { Lab, type LabHost } from "../../lab";
import { dockerClient } from "../../src/docker/client";
import { closeAllConnections, connect } from "../../src/ssh";
import { HostResource, login } from "../support/docker-host";
import { describeLab } from "../support/levels";
import { Shell } from "../support/shell";

describeLab("dockerClient", () => {
    let lab: Lab;
    let host: LabHost;
    let shell: Shell;

    beforeAll(async () => {
        lab = await Lab.open();
        host = await lab.up(lab.uniqueName("api"), { layer: "docker" });
        shell = await Shell.open(lab, host);
        await shell.run("systemctl start docker.service");
    });

    afterAll(async () => {
        shell?.close();
        await closeAllConnections();
        await lab?.close();
    });

    afterEach(closeAllConnections);

    it.each(["root", "admin", "ops"] as const)("answers %s as docker on the machine does", async (user) => {
        const docker = await dockerClient({ connection: login(lab, host, user), hostKey: host.hostKey });
        const { Version } = await docker.version();
        expect(Version).toBe(await shell.run("docker version --format '{{.Server.Version}}'"));
    });

    it("serves twenty requests at once through sudo, over one connection", async () => {
        const logins = "journalctl -u ssh --no-pager -o cat | grep -c '^Accepted publickey for ops' || true";
        const before = Number(await shell.run(logins));
        const docker = await dockerClient({ connection: login(lab, host, "ops") });
        const answers = await Promise.all(Array.from({ length: 20 }, () => docker.ping()));
        expect(answers.map(String)).toEqual(Array(20).fill("OK"));
        expect(Number(await shell.run(logins))).toBe(before + 1);
    });

    it("refuses another machine's key", async () => {
        const other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8NJZ3bZ0wX0m0c2bD0bq3bC7xg1yYb9kq0bq6v0AAA";
        const { hostKey: _, ...connection } = login(lab, host);
        await expect(dockerClient({ connection, hostKey: other })).rejects.toThrow(/HOST_KEY_MISMATCH/);
    });

    it("says so when the daemon it has talked to is down", async () => {
        const docker = await dockerClient({ connection: login(lab, host, "root") });
        await docker.ping();
        await shell.run("systemctl stop docker.socket docker.service");
        await expect(docker.ping()).rejects.toThrow(/DOCKER_SOCKET_UNREACHABLE.*docker\.service is running/);
        await shell.run("systemctl start docker.service");
        expect(String(await docker.ping())).toBe("OK");
    });

    it("opens the socket for a user who has become a member of the group docker since the connection was opened", async () => {
        await shell.run("useradd -m -s /bin/bash late; usermod -p '*' late; install -d -m 700 -o late /home/late/.ssh");
        await shell.run("install -m 600 -o late /root/.ssh/authorized_keys /home/late/.ssh/authorized_keys");
        const connection = { ...login(lab, host, "ops"), user: "late" };
        const docker = await dockerClient({ connection });
        // Neither the group nor any way to become root.
        await expect(docker.ping()).rejects.toThrow(/SUDO_/);
        const other = await connect(connection);
        await shell.run("usermod -aG docker late");
        expect(await Promise.all(Array.from({ length: 5 }, async () => String(await docker.ping())))).toEqual(
            Array(5).fill("OK"),
        );
        // One login for the old groups, one for the new ones; the old connection still serves those who have it.
        const logins = "journalctl -u ssh --no-pager -o cat | grep -c '^Accepted publickey for late'";
        expect(await shell.run(logins)).toBe("2");
        const who = { step: "test", script: { name: "who.sh", text: "id -un" }, sudo: false };
        expect((await other.run(who)).stdout).toBe("late\n");
        expect(String(await (await dockerClient({ connection })).ping())).toBe("OK");
        expect(await shell.run(logins)).toBe("2");
    });

    it("is effective in the run in which a DockerHost makes its own login user a member", async () => {
        await shell.run(
            "useradd -m -s /bin/bash fresh; usermod -p '*' fresh; install -d -m 700 -o fresh /home/fresh/.ssh",
        );
        await shell.run("install -m 600 -o fresh /root/.ssh/authorized_keys /home/fresh/.ssh/authorized_keys");
        await shell.run("echo 'fresh ALL=(ALL:ALL) NOPASSWD: ALL' >/etc/sudoers.d/fresh");
        const connection = { ...login(lab, host, "ops"), user: "fresh" };
        await new HostResource("web", { connection, userInDockerGroup: true }).up();
        // No sudo any more: what works now works through the group.
        await shell.run("rm /etc/sudoers.d/fresh");
        expect(String(await (await dockerClient({ connection })).ping())).toBe("OK");
    });
});
