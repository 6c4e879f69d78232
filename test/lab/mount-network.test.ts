import type { LabHost } from "../../lab";
import { describeLab, suiteReleases } from "../support/levels";
import { giveKey, MountMachine, type MountResource, until } from "../support/mount";
import { Shell } from "../support/shell";

describeLab.each(suiteReleases("bookworm"))("a Mount on %s", (release) => {
    let at: MountMachine;
    let server: LabHost;
    let serverShell: Shell;

    beforeAll(async () => {
        at = await MountMachine.open(release);
        server = await at.lab.up(at.lab.uniqueName(`${release}s`), { release });
        serverShell = await Shell.open(at.lab, server);
        await giveKey(at.shell, at.lab.privateKey, server);
        await serverShell.run("mkdir -p /srv/export; echo hello >/srv/export/file");
    });

    afterAll(async () => {
        serverShell?.close();
        await at?.close();
    });

    describe("of another machine, by sshfs", () => {
        let remote: MountResource;
        beforeAll(() => {
            remote = at.resource("remote", {
                type: "sshfs",
                source: `root@${server.address}:/srv/export`,
                target: "/srv/remote",
                options: ["ServerAliveInterval=2", "ServerAliveCountMax=2", "ConnectTimeout=3"],
            });
        });
        const word = async () => (await remote.drift()).mount?.[0];

        it("brings its client, and mounts", async () => {
            await remote.up();
            expect(await at.shell.run("cat /srv/remote/file")).toBe("hello");
            await at.shell.run("echo back >/srv/remote/new");
            expect(await serverShell.run("cat /srv/export/new")).toBe("back");
            expect(await remote.drift()).toEqual({});
        });

        it("is looked at in time while the server is cut, and goes on when it is back", async () => {
            await server.cut();
            const started = Date.now();
            expect(await word()).toBe("does not answer");
            expect(Date.now() - started).toBeLessThan(30_000);
            await server.heal();
            await until(() => at.shell.run("cat /srv/remote/file"));
            await remote.drift();
            expect(remote.inputs.mount).toBe("mounted");
        });

        it("is looked at in time although its process never answers, and then left to answer again", async () => {
            const process = "pgrep -x 'sshfs|mount.fuse.sshf'";
            await at.shell.run(`kill -STOP $(${process})`);
            try {
                const started = Date.now();
                expect(await word()).toBe("does not answer");
                expect(Date.now() - started).toBeLessThan(20_000);
                await expect(remote.up()).rejects.toThrow(/MOUNT_SERVER_SILENT/);
            } finally {
                await at.shell.run(`kill -CONT $(${process})`);
            }
            await remote.drift();
            expect(remote.inputs.mount).toBe("mounted");
        });

        it("does not make systemd itself wait, when Docker needs it and is started", async () => {
            const process = "pgrep -x 'sshfs|mount.fuse.sshf'";
            await remote.up({ requiredByDocker: true });
            // The kernel remembers for 20 s what sshfs has said.
            await at.shell.run(`systemctl stop docker.socket docker.service; sleep 21; kill -STOP $(${process})`);
            try {
                const answer = await at.shell.ask(
                    "systemctl start docker.service >/dev/null 2>&1 & sleep 1; timeout 5 systemctl is-active ssh.service ssh.socket",
                );
                expect(answer).toMatch(/^active$/m);
            } finally {
                await at.shell.run(`kill -CONT $(${process})`);
            }
            await until(() => at.shell.run("docker version"));
            await remote.drift();
            await remote.up({ requiredByDocker: false });
        });

        it("is repaired when its process was killed, also under those who use it", async () => {
            await at.shell.run("cd /srv/remote; setsid sleep 1000 >/dev/null 2>&1 & echo $! >/run/sleeper");
            await at.shell.run("kill -9 $(pgrep -x 'sshfs|mount.fuse.sshf')");
            expect(await word()).toMatch(/^dead: .*not connected/);
            await remote.up();
            expect(await at.shell.run("cat /srv/remote/file; kill $(cat /run/sleeper)")).toBe("hello");
        });

        it("is mounted on first use where that is asked for", async () => {
            await remote.up({ automount: true });
            expect(remote.outputs.unit).toBe("srv-remote.automount");
            expect(await remote.drift()).toEqual({});
            await at.shell.run("umount /srv/remote");
            expect(await remote.drift()).toEqual({});
            expect(await at.shell.run("cat /srv/remote/file")).toBe("hello");
        });

        it("is not taken from who uses it where it is mounted on first use, either", async () => {
            await at.shell.run("cd /srv/remote; setsid sleep 1000 >/dev/null 2>&1 & echo $! >/run/sleeper");
            await expect(remote.up({ automount: false })).rejects.toThrow(/\[MOUNT_BUSY\].*process \d+ \(sleep\)/);
            expect(await at.shell.run("cat /srv/remote/file; ls /proc/$(cat /run/sleeper)/cwd/file")).toMatch(
                /^hello\n/,
            );
            await at.shell.run("kill $(cat /run/sleeper)");
            await remote.up({ automount: true });
            expect(await at.shell.run("systemctl is-active srv-remote.automount")).toBe("active");
            expect(await remote.drift()).toEqual({});
        });

        it("is mounted on first use again when a change has failed", async () => {
            const wrong = { source: `root@${server.address}:/srv/missing` };
            await expect(remote.up(wrong)).rejects.toThrow(/MOUNT_FAILED[\s\S]*everything is as it was before/);
            await remote.up({ source: `root@${server.address}:/srv/export` });
            expect(await at.shell.run("systemctl is-active srv-remote.automount; cat /srv/remote/file")).toBe(
                "active\nhello",
            );
        });

        it("is found and repaired when it would not be mounted on first use any more", async () => {
            await at.shell.run("systemctl stop srv-remote.automount; systemctl start srv-remote.mount");
            expect(await word()).toBe("automount not running");
            await remote.up();
            expect(await at.shell.run("systemctl is-active srv-remote.automount")).toBe("active");
            expect(await remote.drift()).toEqual({});
            await remote.up({ automount: false });
            expect(await at.shell.ask("systemctl is-active srv-remote.automount")).toBe("inactive");
            expect(await remote.drift()).toEqual({});
        });

        it("says why it cannot be mounted, and leaves nothing behind", async () => {
            await remote.destroy();
            const source = `root@${server.address}:/srv/missing`;
            await expect(at.resource("wrong", { type: "sshfs", target: "/srv/remote", source }).up()).rejects.toThrow(
                /\[MOUNT_FAILED\][\s\S]*No such file/,
            );
            expect(await at.traces()).toBe("");
            expect(await at.shell.ask("ls -d /srv/remote 2>/dev/null")).toBe("");
        });
    });

    it("of another machine that is gone for good is exchanged and deleted while calls of our own still wait for that", async () => {
        const source = `root@${server.address}:/srv/export`;
        // The patience of sshfs is longer than the test.
        const args = { type: "sshfs", source, options: ["ServerAliveInterval=100"] };
        const gone = at.resource("gone", { ...args, target: "/srv/gone" });
        const exchanged = at.resource("exchanged", { ...args, target: "/srv/exchanged" });
        await Promise.all([gone.up(), exchanged.up()]);
        await at.shell.run("cd /srv/gone; setsid sleep 1000 >/dev/null 2>&1 & echo $! >/run/sleeper");
        await server.cut();
        try {
            const [found, other] = await Promise.all([gone.drift(), exchanged.drift()]);
            expect([found.mount?.[0], other.mount?.[0]]).toEqual(["does not answer", "does not answer"]);
            await expect(gone.destroy()).rejects.toThrow(/\[MOUNT_BUSY\].*in use by process \d+ \(sleep\)\./);
            await at.shell.run("kill $(cat /run/sleeper)");
            const waiting = "pgrep -fx 'stat .*/srv/gone.*'";
            expect(await at.shell.ask(waiting)).not.toBe("");
            const started = Date.now();
            await Promise.all([gone.destroy(), exchanged.up({ type: "tmpfs", source: undefined, options: [] })]);
            expect(Date.now() - started).toBeLessThan(90_000);
            expect(await at.top("/srv/exchanged")).toMatch(/^tmpfs +tmpfs$/);
            await exchanged.destroy();
            expect(
                await at.shell.ask("grep /srv/gone /proc/self/mountinfo; ls -d /srv/gone /srv/exchanged 2>/dev/null"),
            ).toBe("");
            expect(await at.traces()).toBe("");
            // Nobody has let go of it in the meantime: it was busy.
            expect(await at.shell.ask(waiting)).not.toBe("");
        } finally {
            await server.heal();
        }
    });

    it.each([
        ["nfs4", () => ({ source: `${server.address}:/export` })],
        [
            "cifs",
            () => ({
                source: `//${server.address}/share`,
                credentials: { username: "u", password: "s3cr3t-word" },
            }),
        ],
    ])("of type %s gets its client, and tells the kernel's words", async (type, args) => {
        const error = await at
            .resource(type, { type, target: `/srv/${type}`, ...args() })
            .up()
            .catch(({ message }: Error) => message);
        expect(error).toContain("MOUNT_FAILED");
        expect(error).not.toContain("s3cr3t-word");
        expect(await at.traces()).toBe("");
        expect(await at.shell.ask("grep -rl s3cr3t-word /var/lib/pulumi-docker-fleet /etc/systemd /var/log")).toBe("");
    });

    it("of type cifs has its password in a file of root's alone", async () => {
        const [username, password] = ["u", "s3cr3t-word"];
        const encoded = Buffer.from(`username=${username}\npassword=${password}\n`).toString("base64");
        // Looks around when it is called to mount, when everything is in place.
        await at.shell.run(
            `mv /usr/sbin/mount.cifs /usr/sbin/mount.cifs.real
            cat >/usr/sbin/mount.cifs <<'END'
#!/bin/sh
cd /var/lib/pulumi-docker-fleet/mounts || exit 1
{
    stat -c '%a %U' . */credentials
    cat */credentials
    grep -lE '[s]3cr3t|[${encoded[0]}]${encoded.slice(1, 30)}' /proc/[0-9]*/cmdline /proc/[0-9]*/environ /etc/systemd/system/*.mount
    echo "$@" | grep -oE 'credentials=[^,]*'
} >/run/seen 2>/dev/null
exec /usr/sbin/mount.cifs.real "$@"
END
            chmod 0755 /usr/sbin/mount.cifs`,
        );
        const source = `//${server.address}/share`;
        const share = at.resource("share", { type: "cifs", target: "/srv/share", source });
        await expect(share.up({ credentials: { username, password } })).rejects.toThrow(/MOUNT_FAILED/);
        await at.shell.run("mv /usr/sbin/mount.cifs.real /usr/sbin/mount.cifs");
        expect((await at.shell.run("cat /run/seen; rm /run/seen")).split("\n")).toEqual([
            "700 root",
            "600 root",
            `username=${username}`,
            `password=${password}`,
            expect.stringMatching(/^credentials=\/var\/lib\/pulumi-docker-fleet\/mounts\/\w+\/credentials$/),
        ]);
        expect(await at.traces()).toBe("");
    });
});
