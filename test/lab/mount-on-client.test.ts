import { Lab, type LabHost } from "../../lab";
import type { Connection } from "../../src/ssh";
import { ClientComputer, type ClientProgram } from "../support/client-computer";
import { login } from "../support/docker-host";
import { describeLab, suiteReleases } from "../support/levels";
import { until } from "../support/mount";
import { Shell } from "../support/shell";

const path = "/home/admin/data";
/** An address that no other host of the lab has. */
const inIPv6 = ({ address }: LabHost) => `fd5a:1::${address.replaceAll(".", ":")}`;

describeLab.each(suiteReleases("trixie"))("mountOnClient on %s", (release) => {
    let lab: Lab;
    let client: ClientComputer;
    let server: LabHost;
    let serverShell: Shell;
    let program: ClientProgram;

    /** A command on the client, as its ordinary user. */
    const asOps = (command: string) => client.shell.run(`su - ops -c '${command}'`);
    const askOps = (command: string) => client.shell.ask(`su - ops -c '${command}' 2>&1`);
    const connection = (): Connection => login(lab, server);
    const withKey = (more: object = {}): Connection => ({ ...login(lab, server, "ops"), user: "admin", ...more });

    /** A process of the user that works in the mount, from when it does. @returns its number */
    const hold = async () => {
        await client.shell.run(
            "systemd-run -q --collect --unit=holder -p User=ops -p WorkingDirectory=/home/ops/mnt sleep 600",
        );
        const pid = await client.shell.run("systemctl show -p MainPID --value holder");
        await until(() =>
            client.shell.run(`[ "$(readlink /proc/${pid}/cwd) $(cat /proc/${pid}/comm)" = '/home/ops/mnt sleep' ]`),
        );
        return pid;
    };

    beforeAll(async () => {
        lab = await Lab.open();
        [client, server] = await Promise.all([
            ClientComputer.open(lab, release),
            lab.up(lab.uniqueName("serve"), { release }),
        ]);
        serverShell = await Shell.open(lab, server);
        await serverShell.run(`install -d -o admin -g admin ${path}; echo one >${path}/file`);
        await serverShell.run(`ip address add ${inIPv6(server)}/64 dev host0 nodad`);
        await serverShell.run(
            "printf 'Port 22\\nPort 2222\\n' >/etc/ssh/sshd_config.d/ports.conf && systemctl restart ssh",
        );
        await client.shell.run(`ip address add ${inIPv6(client.host)}/64 dev host0 nodad`);
        await client.shell.run("useradd -m jump && echo jump:other-pass | chpasswd");
        program = client.program("ops");
    });

    // What a failed test has left must not be in the way of the next one.
    afterEach(async () => {
        await server.heal();
        await client.shell.ask(
            "systemctl stop holder; findmnt -rno TARGET -t fuse.sshfs | xargs -r printf | xargs -rd '\\n' umount -l; pkill sshfs; rmdir /home/ops/mnt",
        );
    });

    afterAll(async () => {
        await program?.end();
        client?.close();
        serverShell?.close();
        await lab?.close();
    });

    it("mounts for an ordinary user with a password, and leaves nothing when it unmounts", async () => {
        const mounted = await program.mount({ connection: connection(), path, mountpoint: "project/my data" });
        expect(mounted).toMatchObject({
            machine: `admin@${server.address}`,
            hostKey: server.hostKey,
            source: `admin@${server.address}:${path}`,
            mountpoint: "/home/ops/project/my data",
        });
        expect(await asOps('cd "project/my data" && cat file && echo two >new && sync new')).toBe("one");
        expect(await serverShell.run(`cat ${path}/new; stat -c %U ${path}/new`)).toBe("two\nadmin");
        // No command line and no environment on either side has the password in it; the file that has it is the user's alone.
        const pattern = lab.password.replace(/^./, "[$&]");
        const told = `grep -lz '${pattern}' /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null`;
        expect([await client.shell.ask(told), await serverShell.ask(told)]).toEqual(["", ""]);
        const kept = "/run/user/*/pulumi-docker-fleet-*";
        expect(
            await client.shell.run(
                `stat -c '%a %U' ${kept}; grep -lrF ${lab.password} ${kept} | xargs stat -c '%a %U'`,
            ),
        ).toBe("700 ops\n600 ops");
        await program.unmount(mounted.mountpoint);
        await program.unmount(mounted.mountpoint);
        expect(await client.traces()).toBe("");
        expect(await client.shell.ask("ls -d /home/ops/project")).toBe("");
        await serverShell.run(`rm ${path}/new`);
    });

    describe("gets in", () => {
        const jump = () => ({ ...login(lab, client.host), hostKey: client.host.hostKey });
        const ways: Record<string, () => Promise<Connection> | Connection> = {
            "with a private key": () => withKey(),
            "with the path of a key, of which it makes no copy": async () => {
                await client.host.exec("umask 077; cat >/home/ops/id; chown ops /home/ops/id", {
                    input: lab.privateKey,
                });
                return withKey({ privateKey: undefined, identityFile: "~/id" });
            },
            "with an encrypted key": async () => {
                await client.shell.run("cp /home/ops/id /run/id; ssh-keygen -q -p -N secret -f /run/id");
                return withKey({
                    privateKey: `${await client.shell.run("cat /run/id")}\n`,
                    privateKeyPassword: "secret",
                });
            },
            "with a key of an agent": async () => {
                await asOps(
                    "pgrep -u ops ssh-agent || ssh-agent -a /home/ops/agent >/dev/null; SSH_AUTH_SOCK=/home/ops/agent ssh-add -q id",
                );
                return withKey({ privateKey: undefined, agentSocketPath: "/home/ops/agent" });
            },
            "over IPv6": () => withKey({ host: inIPv6(server) }),
            "through a jump host, each with a password of its own": () => ({
                ...connection(),
                proxy: { ...jump(), user: "jump", password: "other-pass" },
            }),
            "through a command": () =>
                withKey({ proxyCommand: "ssh -W %h:%p -i ~/id -o StrictHostKeyChecking=accept-new ops@127.0.0.1" }),
            "by a Host of OpenSSH's configuration": async () => {
                await client.host.exec("cat >/home/ops/ssh-config; chown ops /home/ops/ssh-config", {
                    input: `Host store\n    HostName ${server.address}\n    Port 2222\n    User admin\n    IdentityFile ~/id\n`,
                });
                return { host: "store", sshConfig: "~/ssh-config", hostKey: server.hostKey };
            },
            "where nobody has told the host key": () => ({ ...withKey(), hostKey: undefined }),
        };

        it.each(Object.keys(ways))("%s", async (way) => {
            const mounted = await program.mount({ connection: await ways[way]!(), path, mountpoint: "mnt" });
            expect(mounted.hostKey).toBe(server.hostKey);
            const { host } = await ways[way]!();
            const address = host.includes(":") ? `[${host}]` : host.replace("store", server.address);
            expect(await client.shell.run("findmnt -no SOURCE /home/ops/mnt")).toBe(`admin@${address}:${path}`);
            expect(await asOps("cat mnt/file")).toBe("one");
            const other = await serverShell.run("ss -Htn state established sport = :2222 | grep -c . || :");
            expect(other).toBe(host === "store" ? "1" : "0");
            if (way.includes("no copy")) {
                expect(await client.shell.ask("grep -rl PRIVATE /run/user/*/pulumi-docker-fleet-*")).toBe("");
            }
            await program.unmount(mounted.mountpoint);
            expect(await client.traces()).toBe("");
        });
    });

    it("mounts read-only, with more options, on a directory that is there", async () => {
        await asOps("mkdir kept");
        const args = { connection: withKey(), path, mountpoint: "kept", readOnly: true, options: ["idmap=user"] };
        const { mountpoint } = await program.mount(args);
        expect(await askOps("touch kept/x")).toMatch(/Read-only file system/);
        expect(await asOps("stat -c %U kept/file")).toBe("root");
        await program.unmount(mountpoint);
        expect(await asOps("ls -A kept; rmdir kept; echo gone")).toBe("gone");
    });

    it("connects to no machine with another host key, and makes nothing for it", async () => {
        const other = client.host.hostKey;
        const wrong = { path, mountpoint: "mnt" };
        await expect(program.mount({ ...wrong, connection: withKey({ hostKey: other }) })).rejects.toThrow(
            /HOST_KEY_MISMATCH/,
        );
        const { hostKey: _, ...bare } = withKey();
        await expect(program.mount({ ...wrong, connection: bare, hostKey: other })).rejects.toThrow(
            /HOST_KEY_MISMATCH/,
        );
        const strict = { ...bare, strictHostKeyChecking: "yes" as const };
        await expect(program.mount({ ...wrong, connection: strict })).rejects.toThrow(/HOST_KEY_UNKNOWN/);
        await expect(
            program.mount({ ...wrong, connection: bare, options: ["StrictHostKeyChecking=no"] }),
        ).rejects.toThrow(/options\[0\]: StrictHostKeyChecking/);
        expect(await client.traces()).toBe("");
        expect(await client.shell.ask("ls -d /home/ops/mnt")).toBe("");
    });

    it("refuses what it cannot mount, and leaves nothing", async () => {
        const refused = (args: object) =>
            expect(program.mount({ connection: withKey(), path, mountpoint: "mnt", ...args })).rejects;
        await refused({ path: "/nowhere" }).toThrow(/MOUNT_SOURCE_MISSING.*\/nowhere/);
        await refused({ mountpoint: "/home/ops" }).toThrow(/MOUNT_TARGET_UNUSABLE.*not empty.*\.bashrc/);
        await refused({ mountpoint: "id" }).toThrow(/MOUNT_TARGET_UNUSABLE.*no directory/);
        await refused({ mountpoint: "/srv/x" }).toThrow(/MOUNT_TARGET_UNUSABLE.*EACCES/);
        await refused({ options: ["allow_other"] }).toThrow(/MOUNT_FAILED.*user_allow_other/);
        await refused({ connection: withKey({ proxyUrl: "socks5://127.0.0.1:1" }) }).toThrow(
            /connection\.proxyUrl.*proxyCommand/,
        );
        await client.shell.run("mv /usr/bin/sshfs /usr/bin/sshfs.away");
        await refused({}).toThrow(/SSHFS_UNAVAILABLE.*sudo apt-get install sshfs/);
        await client.shell.run("mv /usr/bin/sshfs.away /usr/bin/sshfs");
        expect(await client.traces()).toBe("");
        expect(await client.shell.ask("ls -d /home/ops/mnt")).toBe("");
    });

    it("goes on when the server is back, and unmounts nothing that is in use", async () => {
        const options = ["ServerAliveInterval=1", "ServerAliveCountMax=2"];
        const { mountpoint } = await program.mount({ connection: withKey(), path, mountpoint: "mnt", options });
        await expect(program.mount({ connection: withKey(), path, mountpoint: "mnt" })).rejects.toThrow(
            /MOUNT_CONFLICT/,
        );
        await asOps("echo kept >mnt/kept && sync mnt/kept");
        await server.cut();
        expect(await askOps("timeout -s KILL 30 cat mnt/kept")).toMatch(/error|not connected/);
        await server.heal();
        await until(() => asOps("echo more >>mnt/kept && sync mnt/kept"));
        expect(await serverShell.run(`cat ${path}/kept`)).toBe("kept\nmore");
        const pid = await hold();
        await expect(program.unmount(mountpoint)).rejects.toThrow(`in use by process ${pid} (sleep)`);
        expect(await asOps("cat mnt/file")).toBe("one");
        await client.shell.run("systemctl stop holder");
        await program.unmount(mountpoint);
        expect(await client.traces()).toBe("");
    });

    it("accepts no other machine in the place of the server while it is mounted", async () => {
        const { mountpoint } = await program.mount({ connection: withKey(), path, mountpoint: "mnt" });
        const drop = "systemctl restart ssh; pkill -f 'sshd[-a-z]*: admin'";
        await serverShell.run("mkdir /run/was && mv /etc/ssh/ssh_host_* /run/was && ssh-keygen -A");
        await serverShell.ask(drop);
        await until(async () => expect(await askOps("ls mnt/file")).toMatch(/error|not connected/));
        expect(await askOps("ls mnt/file")).toMatch(/error|not connected/);
        expect(await client.shell.run("cat /run/user/*/pulumi-docker-fleet-*/log")).toContain(
            "Host key verification failed",
        );
        await serverShell.run("mv /run/was/* /etc/ssh");
        await serverShell.ask(drop);
        await until(async () => expect(await asOps("cat mnt/file")).toBe("one"));
        await program.unmount(mountpoint);
        expect(await client.traces()).toBe("");
    });

    it("lets go of what nobody answers for", async () => {
        const args = { connection: withKey(), path, mountpoint: "mnt" };
        const { mountpoint } = await program.mount(args);
        await hold();
        await client.shell.run("pkill -KILL sshfs");
        expect(await askOps("ls mnt")).toMatch(/not connected/);
        await program.unmount(mountpoint);
        expect(await client.traces()).toBe("");
        await client.shell.run("systemctl stop holder");
        const silent = await program.mount({ ...args, options: ["ServerAliveInterval=1"] });
        await server.cut();
        await program.unmount(silent.mountpoint);
        await until(async () => expect(await client.traces()).toBe(""));
        await server.heal();
        expect(await client.shell.ask("ls -d /home/ops/mnt")).toBe("");
    });

    it("stays when the program ends; who unmounts it then takes the keys away, too", async () => {
        await program.mount({ connection: withKey(), path, mountpoint: "mnt" });
        // Else the system would take away what users have in /run after their last session.
        await client.shell.run("loginctl enable-linger ops");
        await program.end();
        expect(await asOps("cat mnt/file")).toBe("one");
        await asOps("fusermount3 -u mnt");
        await until(async () => expect(await client.traces()).toBe(""));
        program = client.program("root");
        const { mountpoint } = await program.mount({ connection: connection(), path, mountpoint: "/mnt/root" });
        expect(await client.shell.run("cat /mnt/root/file")).toBe("one");
        await program.unmount(mountpoint);
        expect(await client.traces()).toBe("");
    });
});
