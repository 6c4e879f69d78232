import { Daemon } from "../support/daemon";
import { describeLab, suiteReleases } from "../support/levels";
import { Disk, MountMachine, type MountResource, until } from "../support/mount";

describeLab.each(suiteReleases("trixie"))("a Mount on %s", (release) => {
    let at: MountMachine;

    beforeAll(async () => {
        at = await MountMachine.open(release);
    });

    afterAll(() => at?.close());

    describe("of a disk", () => {
        let volume: MountResource;
        let disk: Disk;
        const type = "block";
        const target = "/srv/disk";
        const owner = "1000:1000";
        beforeAll(async () => {
            disk = await Disk.add(at.shell, "disk");
            volume = at.resource("volume", { type, source: disk.path, target, owner });
        });

        it("is never formatted over anything", async () => {
            const args = { format: "ext4" };
            await at.shell.run(`printf x | dd of=${disk.path} bs=1 seek=70000 conv=notrunc status=none`);
            await expect(volume.up(args)).rejects.toThrow(/FORMAT_REFUSED.*no known signature/);
            await at.shell.run(
                `dd if=/dev/zero of=${disk.path} bs=1M count=1 conv=notrunc status=none; mkswap ${disk.path}`,
            );
            await expect(volume.up(args)).rejects.toThrow(/FORMAT_REFUSED.*swap/);
            expect(await at.shell.run(`blkid -p -o value -s TYPE ${disk.path}`)).toBe("swap");
            await at.shell.run(
                `dd if=/dev/zero of=${disk.path} bs=1M conv=notrunc status=none 2>/dev/null
                printf '\\336\\021\\336\\021' | dd of=${disk.path} bs=1 seek=$((32 * 1048576 - 512)) conv=notrunc status=none`,
            );
            // RAID's mark is at the end of a disk.
            await expect(volume.up(args)).rejects.toThrow(/FORMAT_REFUSED.*ddf_raid/);
            await at.shell.run(
                `wipefs -a ${disk.path}; dd if=/dev/zero of=${disk.path} bs=1M count=1 conv=notrunc status=none`,
            );
            expect(await at.traces()).toBe("");
        });

        it("is formatted when it is empty, and only then", async () => {
            await volume.up({ format: "ext4" });
            expect(await at.top(target)).toMatch(new RegExp(`^ext4 +${disk.path}$`));
            await at.shell.run(`echo kept >${target}/file`);
            await at.shell.run("systemctl stop srv-disk.mount");
            expect((await volume.drift()).mount).toEqual(["not mounted", "mounted"]);
            await volume.up();
            expect(await at.shell.run(`cat ${target}/file; stat -c %u:%g ${target}`)).toBe("kept\n1000:1000");
        });

        it("can be named by UUID, and keeps Docker from starting without it, but not from running", async () => {
            const uuid = await disk.link(at.shell);
            await volume.up({ source: `UUID=${uuid}`, format: undefined, requiredByDocker: true });
            expect(await volume.drift()).toEqual({});
            const docker = () => at.shell.ask("systemctl is-active docker.service");
            const pid = await at.shell.run(
                "systemctl restart docker.service && systemctl show -p MainPID docker.service",
            );
            await at.shell.run("systemctl restart srv-disk.mount && systemctl stop srv-disk.mount");
            expect(await docker()).toBe("active");
            expect(await at.shell.run("systemctl show -p MainPID docker.service")).toBe(pid);
            await at.shell.run("systemctl stop docker.socket docker.service; systemctl start docker.service");
            expect(await at.top(target)).toContain(disk.path);
            // The disk is out.
            await at.shell.run(
                `systemctl stop docker.socket docker.service srv-disk.mount; systemctl reset-failed docker.service; rm /dev/disk/by-uuid/${uuid}`,
            );
            await expect(at.shell.run("systemctl start docker.service")).rejects.toThrow(/failed/);
            await until(() => at.shell.run("systemctl is-failed docker.service"));
            expect(await at.shell.run("journalctl -u docker.service -o cat")).toContain(
                `docker: nothing is mounted at ${target}`,
            );
            await expect(volume.drift().then(() => volume.up())).rejects.toThrow(/\[MOUNT_SOURCE_MISSING\].*by-uuid/);
        });

        it("keeps Docker down after a boot without it; Docker comes with the disk", async () => {
            await at.reboot();
            await until(() => at.shell.run("systemctl is-failed docker.service"));
            await disk.remove(at.shell);
            disk = await Disk.add(at.shell, "disk");
            await disk.link(at.shell);
            await volume.drift();
            expect(volume.inputs.mount).toBe("not mounted");
            await volume.up();
            expect(await at.shell.run(`systemctl is-active docker.service; cat ${target}/file`)).toBe("active\nkept");
        });

        it("starts Docker that was told to start while the mount was away, also when that is back already", async () => {
            await at.shell.run(
                `systemctl stop docker.socket docker.service srv-disk.mount; systemctl reset-failed docker.service
                mv /dev/disk/by-uuid /dev/disk/aside
                ! systemctl start docker.service 2>/dev/null || exit 1
                until systemctl is-failed docker.service; do sleep 0.5; done
                mv /dev/disk/aside /dev/disk/by-uuid; systemctl reset-failed srv-disk.mount; systemctl start srv-disk.mount`,
            );
            expect((await volume.drift()).mount?.[0]).toBe("Docker is down");
            await volume.up();
            expect(await at.shell.run("systemctl is-active docker.service")).toBe("active");
            expect(await volume.drift()).toEqual({});
            // Somebody who stops it means it.
            await at.shell.run("systemctl stop docker.socket docker.service");
            expect(await volume.drift()).toEqual({});
            await at.shell.run("systemctl start docker.service");
        });

        it("lets Docker come by itself when it is back within a few seconds", async () => {
            await at.shell.run(
                `systemctl stop docker.socket docker.service srv-disk.mount; systemctl reset-failed docker.service
                mv /dev/disk/by-uuid /dev/disk/aside
                ! systemctl start docker.service 2>/dev/null || exit 1
                mv /dev/disk/aside /dev/disk/by-uuid; systemctl reset-failed srv-disk.mount`,
            );
            await until(() => at.shell.run("docker version"));
            expect(await at.top(target)).toContain(disk.path);
            expect(await volume.drift()).toEqual({});
        });

        it("names containers that see the empty directory, as they were started before", async () => {
            const daemon = new Daemon(at.shell);
            const words: string[] = [];
            jest.spyOn(console, "warn").mockImplementation((line) => void words.push(line));
            await daemon.run({ other: "no" });
            const run = (name: string) =>
                at.shell.run(
                    `docker run -d --name ${name} --stop-signal KILL -v ${target}:/d tiny /usr/bin/sleep 1000000`,
                );
            await run("right");
            await at.shell.run("systemctl stop srv-disk.mount");
            await run("wrong");
            await volume.drift();
            await volume.up();
            jest.restoreAllMocks();
            expect(words).toEqual([expect.stringMatching(/still see what was there then: wrong\. Restart them/)]);
            await at.shell.run("docker rm -f other right wrong");
        });

        it("goes, and leaves Docker and what is on the disk alone", async () => {
            await volume.destroy();
            expect(await at.traces()).toBe("");
            expect(await at.shell.run("systemctl is-active docker.service")).toBe("active");
        });
    });

    it("holds Docker back whatever the name of its mount point is", async () => {
        const target = `/srv/it's 100%p "$HOME" ä#`;
        const name = `"/srv/it's 100%p \\"\\$HOME\\" ä#"`;
        const odd = at.resource("odd", { type: "bind", source: "/opt/odd", target, requiredByDocker: true });
        await at.shell.run("mkdir -p /opt/odd; touch /opt/odd/file");
        await odd.up();
        await at.shell.run("systemctl reset-failed docker.service; systemctl restart docker.service; docker version");
        await at.shell.run(
            `systemctl stop docker.socket docker.service; umount ${name}; mv /opt/odd /opt/aside; touch /opt/odd
            systemctl reset-failed docker.service; ! systemctl start docker.service 2>/dev/null`,
        );
        expect(await at.shell.run("journalctl -u docker.service -o cat")).toContain(
            `docker: nothing is mounted at ${target}`,
        );
        await at.shell.run("rm /opt/odd; mv /opt/aside /opt/odd");
        await odd.drift();
        await odd.up();
        await until(() => at.shell.run(`docker version; ls ${name}/file`));
        await odd.destroy();
        expect(await at.traces()).toBe("");
    });
});
