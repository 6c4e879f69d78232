import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { Lab, type LabHost, type Layer, type Release } from "../../lab";
import { mount } from "../../src/provider/mount";
import { type Connection, closeAllConnections } from "../../src/ssh";
import { login } from "./docker-host";
import { DrivenResource } from "./resource";
import { Shell } from "./shell";

/** A Mount without the engine. */
export class MountResource extends DrivenResource {
    constructor(name: string, args: { connection: Connection } & Record<string, unknown>) {
        super(mount, "Mount", name, args);
    }
}

/** A lab host with Docker to mount on. */
export class MountMachine {
    static async open(release: Release, layer: Layer = "docker"): Promise<MountMachine> {
        const lab = await Lab.open();
        const host = await lab.up(lab.uniqueName(release), { release, layer });
        return new MountMachine(lab, host, await Shell.open(lab, host));
    }

    private constructor(
        readonly lab: Lab,
        public host: LabHost,
        /** Root's shell on it. */
        public shell: Shell,
    ) {}

    /** A Mount of this machine. */
    resource(name: string, args: object): MountResource {
        return new MountResource(name, { connection: login(this.lab, this.host), ...args });
    }

    /** Type and source of what is seen at a mount point. */
    top(target: string): Promise<string> {
        return this.shell.ask(`findmnt -no FSTYPE,SOURCE --mountpoint '${target}' | tail -n 1`);
    }

    /** What Mounts below /srv have left outside of it; nothing where they are gone. */
    traces(): Promise<string> {
        return this.shell.ask(
            "ls -d /var/lib/pulumi-docker-fleet /etc/systemd/system/srv-* /etc/systemd/system/*/srv-* /etc/systemd/system/docker.service.d 2>/dev/null",
        );
    }

    /** Cuts its power, boots it, and waits for the end of the boot. */
    async reboot(): Promise<void> {
        this.shell.close();
        await this.host.off();
        this.host = await this.lab.up(this.host.name);
        this.shell = await Shell.open(this.lab, this.host);
        await until(() =>
            this.shell.run(
                this.host.layer === "openrc"
                    ? "! pgrep -x openrc"
                    : "! systemctl is-system-running | grep -E 'initializing|starting'",
            ),
        );
    }

    async close(): Promise<void> {
        this.shell.close();
        await closeAllConnections();
        await this.lab.close();
        Disk.detachAll(this.host);
    }
}

/** Does something until it works, for a minute. */
export async function until(work: () => Promise<unknown>): Promise<void> {
    for (const end = Date.now() + 60_000; ; await new Promise((resolve) => setTimeout(resolve, 1_000))) {
        try {
            await work();
            return;
        } catch (error) {
            if (Date.now() > end) throw error;
        }
    }
}

/** Puts a public key of the lab's into the root account of the machine: how it logs in elsewhere. */
export async function giveKey(shell: Shell, privateKey: string, server: { address: string; hostKey: string }) {
    await shell.run(
        "mkdir -p -m 0700 /root/.ssh; umask 077\n" +
            `cat >/root/.ssh/id_ed25519 <<'END'\n${privateKey.trimEnd()}\nEND\n` +
            `echo '${server.address} ${server.hostKey}' >/root/.ssh/known_hosts`,
    );
}

/** An empty disk of 32 MiB: a loop device, since lab hosts share their kernel with this machine. */
export class Disk {
    /** @param name of the file behind it; one that is there already comes back with what is on it */
    static async add(shell: Shell, name: string): Promise<Disk> {
        const path = await shell.run(
            `image=/var/tmp/$(hostname)-${name}.img
            [ -e $image ] || truncate -s 32M $image
            [ -e /dev/loop-control ] || mknod /dev/loop-control c 10 237
            for i in $(seq 0 63); do [ -e /dev/loop$i ] || mknod /dev/loop$i b 7 $i; done
            losetup --show -f $image`,
        );
        return new Disk(path);
    }

    private constructor(readonly path: string) {}

    /** Takes out the disks that a test has left behind which failed half way: loop devices are the kernel's, and outlive the host. */
    static detachAll(host: LabHost): void {
        for (const name of readdirSync("/sys/block").filter((entry) => entry.startsWith("loop"))) {
            const backing = `/sys/block/${name}/loop/backing_file`;
            if (!existsSync(backing) || !readFileSync(backing, "utf8").includes(`/${host.name}-`)) continue;
            const number = name.slice("loop".length);
            spawnSync("sh", ["-c", `[ -e /dev/${name} ] || mknod /dev/${name} b 7 ${number}; losetup -d /dev/${name}`]);
        }
    }

    /** What udev would do, which is not in charge of a lab host's devices: the link in by-uuid. @returns the UUID */
    async link(shell: Shell): Promise<string> {
        const uuid = await shell.run(`blkid -p -o value -s UUID ${this.path}`);
        await shell.run(`mkdir -p /dev/disk/by-uuid; ln -sf ${this.path} /dev/disk/by-uuid/${uuid}`);
        return uuid;
    }

    /** Takes the disk out; it must not be mounted. Loop devices are the kernel's and outlive the lab host. */
    async remove(shell: Shell): Promise<void> {
        // After a reboot the machine has no node for it, while the kernel still has the device.
        const node = `[ -e ${this.path} ] || mknod ${this.path} b 7 ${this.path.replace(/\D/g, "")}`;
        await shell.run(`${node}; losetup -d ${this.path}`);
    }
}
