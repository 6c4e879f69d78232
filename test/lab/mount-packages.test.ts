import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Lab, type LabHost, type Layer, type Release } from "../../lab";
import { mountTiming } from "../../src/host/mount";
import { closeAllConnections } from "../../src/ssh";
import { login } from "../support/docker-host";
import { describeLab } from "../support/levels";
import { Disk, giveKey, MountResource } from "../support/mount";
import { Shell } from "../support/shell";

interface Manager {
    name: string;
    family: "fedora" | "suse" | "arch";
    /** What it says while its repository has nothing. */
    lacks: RegExp;
    /** What it says when the repository has lost what it names. */
    spoilt: RegExp;
    /** What a person does so that it knows what is offered; most managers find out by themselves. */
    sync?: string;
    /** The file of its lock, where that stays behind when it is killed. */
    leftover?: string;
    /** Others that hold its lock until they are released, by the name of their process. */
    holders: Record<string, string>;
    /** Says the package's name where it is installed. */
    query: string;
    remove: string;
}

const rpm = "rpm -U /opt/offer/rpms/*/slow-*.rpm";

const dnf: Manager = {
    name: "dnf",
    family: "fedora",
    lacks: /PACKAGE_NOT_AVAILABLE.*offer no fuse-sshfs.*EPEL/,
    spoilt: /PACKAGE_OPERATION_FAILED.*dnf could not install fuse-sshfs/,
    holders: { rpm, "dnf5?": "dnf -y install slow" },
    query: "rpm -q --qf '%{NAME}' fuse-sshfs",
    remove: "rpm -e fuse-sshfs; rpm -e slow",
};
const zypper: Manager = {
    name: "zypper",
    family: "suse",
    lacks: /PACKAGE_NOT_AVAILABLE.*offer no sshfs/,
    spoilt: /PACKAGE_OPERATION_FAILED.*zypper could not install sshfs/,
    holders: { rpm, zypper: "zypper -n install slow" },
    query: "rpm -q --qf '%{NAME}' sshfs",
    remove: "rpm -e sshfs; rpm -e slow",
};
const pacman: Manager = {
    name: "pacman",
    family: "arch",
    lacks: /PACKAGE_NOT_AVAILABLE.*offer no sshfs.*pacman -Syu/,
    spoilt: /PACKAGE_NOT_AVAILABLE.*offer no sshfs.*pacman -Syu/,
    sync: "pacman -Sy",
    leftover: "/var/lib/pacman/db.lck",
    holders: { pacman: "sh /root/managers.sh ask pacman -S sshfs" },
    query: "pacman -Qq sshfs",
    remove: "pacman -R --noconfirm sshfs",
};

/** FLEET_MOUNT_PACKAGES=all: also zypper, dnf 5, and those of an older release. */
const kinds: [Release, Layer, Manager[]][] =
    process.env.FLEET_MOUNT_PACKAGES === "all"
        ? [
              ["trixie", "managers", [dnf, zypper, pacman]],
              ["sid", "dnf5", [dnf]],
              ["bookworm", "managers", [dnf, zypper, pacman]],
          ]
        : [["trixie", "managers", [dnf, pacman]]];

describeLab.each(kinds)("a Mount on a machine of another family (%s, %s)", (release, layer, managers) => {
    const normal = mountTiming.packageLock;
    let lab: Lab;
    let host: LabHost;
    let shell: Shell;
    const run = (command: string) => shell.run(`sh /root/managers.sh ${command}`);

    beforeAll(async () => {
        lab = await Lab.open();
        host = await lab.up(lab.uniqueName("pkgs"), { release, layer });
        shell = await Shell.open(lab, host);
        await giveKey(shell, lab.privateKey, host);
        const input = readFileSync(join(__dirname, "../support/managers.sh"), "utf8");
        await host.exec("mkdir -p /srv/export; echo hello >/srv/export/file; cat >/root/managers.sh", { input });
        await run("build");
    });

    afterEach(() => {
        mountTiming.packageLock = normal;
    });

    afterAll(async () => {
        shell?.close();
        await closeAllConnections();
        await lab?.close();
        if (host !== undefined) Disk.detachAll(host);
    });

    describe.each(managers)("with $name", ({ family, lacks, spoilt, sync, leftover, holders, query, remove }) => {
        const create = () =>
            new MountResource("data", {
                connection: login(lab, host),
                type: "sshfs",
                source: `root@${host.address}:/srv/export`,
                target: "/srv/data",
            });

        beforeAll(() => run(`become ${family}`));

        // The next family has the same database of packages.
        afterAll(async () => {
            await run("release");
            await shell.ask(remove);
        });

        const untouched = async () => {
            expect(
                await shell.ask(
                    "command -v sshfs; ls -d /srv/data /var/lib/pulumi-docker-fleet /etc/systemd/system/srv-*",
                ),
            ).toBe("");
        };

        it("says where its client could come from when no repository is known to have it, and changes nothing", async () => {
            // What only a person's sync would find, as it should stay: one package of a newer database is a partial upgrade.
            if (sync !== undefined) await run("offer");
            await expect(create().up()).rejects.toThrow(lacks);
            await untouched();
        });

        it("tells the manager's words when the repository has lost it, and changes nothing", async () => {
            await run("offer");
            if (sync !== undefined) await shell.run(sync);
            await run("spoil");
            await expect(create().up()).rejects.toThrow(spoilt);
            await untouched();
        });

        it.each(Object.entries(holders))(
            "names %s, which holds the lock, and changes nothing",
            async (holder, command) => {
                await run("offer");
                await run(`hold ${command}`);
                mountTiming.packageLock = 1_000;
                await expect(create().up()).rejects.toThrow(
                    new RegExp(
                        `PACKAGE_MANAGER_LOCKED.*lock was not free within 1 s: held by process \\d+ \\(${holder}\\)`,
                    ),
                );
                await untouched();
            },
        );

        if (leftover !== undefined) {
            it("says of a lock that was left behind that nobody has it", async () => {
                await run("release");
                await shell.run(`touch ${leftover}`);
                mountTiming.packageLock = 1_000;
                await expect(create().up()).rejects.toThrow(/PACKAGE_MANAGER_LOCKED.*nobody has its file open/);
                await shell.run(`rm ${leftover}`);
                await run(`hold ${Object.values(holders)[0]}`);
            });
        }

        it("waits for them, installs the client, and mounts", async () => {
            const mount = create();
            const mounting = mount.up();
            await pause(3_000);
            await untouched();
            await run("release");
            expect(await mounting).toBe("create");
            expect(await shell.run("cat /srv/data/file; findmnt -no FSTYPE /srv/data")).toBe("hello\nfuse.sshfs");
            expect(await shell.run(query)).toMatch(/sshfs$/);
            expect(await mount.drift()).toEqual({});
            await mount.destroy();
        });
    });

    it("formats no disk without the program that tells what is on it", async () => {
        const disk = await Disk.add(shell, "empty");
        await shell.run("mv $(command -v wipefs) /opt/aside/wipefs");
        const mount = new MountResource("disk", {
            connection: login(lab, host),
            type: "block",
            source: disk.path,
            format: "ext4",
            target: "/srv/disk",
        });
        await expect(mount.up()).rejects.toThrow(/PACKAGE_NOT_AVAILABLE.*util-linux/);
        await shell.run(`cmp -n 33554432 ${disk.path} /dev/zero`);
        expect(await shell.ask("ls -d /srv/disk /var/lib/pulumi-docker-fleet")).toBe("");
    });
});
