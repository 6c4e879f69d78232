import { Lab, type LabHost } from "../../lab";
import { closeAllConnections } from "../../src/ssh";
import { HostResource, login } from "../support/docker-host";
import { describeLab } from "../support/levels";
import { Shell } from "../support/shell";

describeLab("a connection that changes", () => {
    let lab: Lab;
    let first: LabHost;
    let second: LabHost;
    let docker: HostResource;

    beforeAll(async () => {
        lab = await Lab.open();
        [first, second] = (await Promise.all(
            ["first", "second"].map((name) => lab.up(lab.uniqueName(name), { layer: "docker" })),
        )) as [LabHost, LabHost];
        // Nothing but what the machines show: no key is given by the program.
        docker = new HostResource("web", { connection: { ...login(lab, first), hostKey: undefined } });
        await docker.up();
    });

    afterAll(async () => {
        await closeAllConnections();
        await lab?.close();
    });

    it("to another login of the same machine changes nothing on it", async () => {
        const { machineId } = docker.outputs;
        await docker.up({ connection: { ...login(lab, first, "ops"), hostKey: undefined } });
        expect(docker.outputs).toMatchObject({ machineId, endpoint: `ssh://ops@${first.address}` });
    });

    it("to another machine makes that one the Docker host, and leaves the old one as it is", async () => {
        const warned = jest.spyOn(console, "warn").mockImplementation(() => {});
        await docker.up({ connection: { ...login(lab, second), hostKey: undefined } });
        expect(warned.mock.calls.join()).toMatch(new RegExp(`is another machine.*${first.address}.*left as it is`));
        warned.mockRestore();
        const [old, current] = [await Shell.open(lab, first), await Shell.open(lab, second)];
        expect(docker.outputs).toMatchObject({
            machineId: await current.run("cat /etc/machine-id"),
            hostKey: second.hostKey,
            endpoint: `ssh://admin@${second.address}`,
        });
        for (const shell of [old, current]) {
            expect(await shell.run("apt-mark showhold")).toContain("docker.io");
            expect(await shell.run("systemctl is-active docker.service")).toBe("active");
            shell.close();
        }
    });

    it("in nothing, but with another key behind the same address, is refused", async () => {
        const shell = await Shell.open(lab, second);
        await shell.run("rm /etc/ssh/ssh_host_*; ssh-keygen -q -A; systemctl restart ssh");
        shell.close();
        await closeAllConnections();
        await expect(docker.up({ hold: false })).rejects.toThrow(/HOST_KEY_MISMATCH/);
    });
});
