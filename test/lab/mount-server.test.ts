import { Lab, type LabHost } from "../../lab";
import { closeAllConnections } from "../../src/ssh";
import { login } from "../support/docker-host";
import { describeLab, suiteReleases } from "../support/levels";
import { MountResource, until } from "../support/mount";
import { Shell } from "../support/shell";

describeLab.each(suiteReleases("trixie"))("a Mount of another machine of ours on %s", (release) => {
    let lab: Lab;
    let host: LabHost;
    let server: LabHost;
    let shell: Shell;
    let serverShell: Shell;
    let data: MountResource;
    const target = "/srv/data";
    const keys = () => serverShell.ask("cat /home/admin/.ssh/authorized_keys 2>/dev/null");
    const resource = (name: string, args: object) =>
        new MountResource(name, { connection: login(lab, host, "ops"), type: "sshfs", target, ...args });
    const source = (path = "/home/admin/data") => ({ host: login(lab, server), path });

    let before: string;
    beforeAll(async () => {
        lab = await Lab.open();
        [host, server] = await Promise.all([
            lab.up(lab.uniqueName("mount"), { release }),
            lab.up(lab.uniqueName("serve"), { release: "bookworm" }),
        ]);
        shell = await Shell.open(lab, host);
        serverShell = await Shell.open(lab, server);
        await serverShell.run("install -d -o admin -g admin /home/admin/data; echo one >/home/admin/data/file");
        before = await keys();
        data = resource("data", {});
    });

    afterAll(async () => {
        shell?.close();
        serverShell?.close();
        await closeAllConnections();
        await lab?.close();
    });

    it("leaves no key behind when it cannot be mounted", async () => {
        await expect(resource("wrong", { source: source("/nowhere") }).up()).rejects.toThrow(/MOUNT_FAILED/);
        expect(await keys()).toBe(before);
        expect(await shell.ask("ls -d /srv/* /var/lib/pulumi-docker-fleet")).toBe("");
    });

    it("needs no work of a user: it has a key of its own, good for files alone", async () => {
        await data.up({ source: source() });
        expect(await shell.run(`cat ${target}/file; echo two >${target}/new; stat -c %a ${target}/new`)).toMatch(
            /^one/,
        );
        expect(await serverShell.run("cat /home/admin/data/new; stat -c %U /home/admin/data/new")).toBe("two\nadmin");
        const added = (await keys()).split("\n").filter((line) => !before.split("\n").includes(line));
        expect(added).toEqual([
            expect.stringMatching(/^restrict,command="internal-sftp" ssh-ed25519 \S+ pulumi-docker-fleet /),
        ]);
        const home = "/var/lib/pulumi-docker-fleet/mounts";
        const ssh = `ssh -n -o BatchMode=yes -o IdentitiesOnly=yes -i ${home}/*/id -o UserKnownHostsFile=$(echo ${home}/*/known_hosts) admin@${server.address}`;
        await expect(shell.run(`${ssh} id`)).rejects.toThrow(/sftp connections only/);
        await expect(shell.run(`${ssh} -W 127.0.0.1:22`)).rejects.toThrow(/administratively prohibited/);
        expect(await shell.run(`stat -c '%a %U' ${home} ${home}/*/id; cat ${home}/*/known_hosts`)).toBe(
            `700 root\n600 root\n${server.address} ${server.hostKey}`,
        );
        const secret = await shell.run(`sed -n 5p ${home}/*/id`);
        expect(secret).toMatch(/^[\w+/]{40,}=*$/);
        expect(JSON.stringify([data.inputs, data.outputs])).not.toContain(secret);
        expect(await data.drift()).toEqual({});
        expect(await data.up()).toBe("same");
    });

    it("gets in again after a reboot", async () => {
        shell.close();
        await host.off();
        host = await lab.up(host.name);
        shell = await Shell.open(lab, host);
        await until(() => shell.run(`cat ${target}/new`));
        expect(await data.drift()).toEqual({});
    });

    it("gets another key when its own is gone, and takes the old one away", async () => {
        const old = await keys();
        await shell.run("rm /var/lib/pulumi-docker-fleet/mounts/*/id");
        expect((await data.drift()).mount?.[0]).toMatch(/^changed: .*\/id$/);
        await data.up();
        const now = await keys();
        expect(now.split("\n")).toHaveLength(old.split("\n").length);
        expect(now).not.toBe(old);
        await shell.run(`systemctl restart srv-data.mount && cat ${target}/file`);
    });

    it("is let in again by the next update when somebody has taken its key away, and a key that a killed run left goes", async () => {
        const old = await keys();
        await serverShell.run(
            `ssh-keygen -q -t ed25519 -N '' -f /run/left
            sed -i "/pulumi-docker-fleet mount/s,AAAA[^ ]*,$(cut -d ' ' -f 2 /run/left.pub)," /home/admin/.ssh/authorized_keys`,
        );
        expect(await keys()).not.toBe(old);
        await data.up({ options: ["noexec"] });
        expect(await shell.run(`cat ${target}/file`)).toBe("one");
        expect((await keys()).split("\n").sort()).toEqual(old.split("\n").sort());
    });

    it("is let in to read alone where it is read-only", async () => {
        await data.up({ options: ["ro"] });
        expect(await keys()).toContain('command="internal-sftp -R"');
        await expect(shell.run(`touch ${target}/x`)).rejects.toThrow(/Read-only/);
    });

    it("does not trust another machine at the server's address", async () => {
        await data.up({ options: [] });
        await serverShell.run(
            "ssh-keygen -q -t ed25519 -N '' -f /run/other; cp /etc/ssh/ssh_host_ed25519_key /run/was",
        );
        await serverShell.run(
            "mv /etc/ssh/ssh_host_ecdsa_key /run/e 2>/dev/null; mv /etc/ssh/ssh_host_rsa_key /run/r 2>/dev/null; cp /run/other /etc/ssh/ssh_host_ed25519_key; systemctl reload ssh",
        );
        await expect(shell.run("systemctl restart srv-data.mount")).rejects.toThrow(/exit code/);
        await serverShell.run(
            "cp /run/was /etc/ssh/ssh_host_ed25519_key; mv /run/e /etc/ssh/ssh_host_ecdsa_key; mv /run/r /etc/ssh/ssh_host_rsa_key; systemctl reload ssh; true",
        );
        await data.drift();
        await data.up();
        expect(await shell.run(`cat ${target}/file`)).toBe("one");
    });

    it("takes its key along when it goes", async () => {
        await data.destroy();
        expect(await keys()).toBe(before);
        expect(await shell.ask("ls -d /srv/* /var/lib/pulumi-docker-fleet")).toBe("");
        expect(await serverShell.run("cat /home/admin/data/file")).toBe("one");
    });

    it("goes when the server is gone for good, too, and tells where its key is left", async () => {
        const gone = {
            host: { ...login(lab, server), dialErrorLimit: 1, perDialTimeout: 5 },
            path: "/home/admin/data",
        };
        const later = resource("later", { source: gone });
        await later.up();
        await closeAllConnections();
        await server.off();
        const words: string[] = [];
        jest.spyOn(console, "warn").mockImplementation((line) => void words.push(line));
        await later.destroy();
        jest.restoreAllMocks();
        expect(words).toEqual([
            expect.stringMatching(
                new RegExp(
                    `${server.address}.*key of the mount could not be taken out of authorized_keys of admin there`,
                ),
            ),
        ]);
        expect(await shell.ask("grep /srv/data /proc/self/mountinfo; ls -d /srv/* /var/lib/pulumi-docker-fleet")).toBe(
            "",
        );
    });
});
