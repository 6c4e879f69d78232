import { Lab, type LabHost } from "../../lab";
import { closeAllConnections } from "../../src/ssh";
import { HostResource, login } from "../support/docker-host";
import { describeLab } from "../support/levels";
import { Shell } from "../support/shell";

const install = "DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends";

/** Makes cloud-init take the next boot for the first one, with something to do that takes a while. */
const firstBoot = [
    "echo 'policy: enabled' >/etc/cloud/ds-identify.cfg",
    "cat >/etc/cloud/cloud.cfg.d/99-lab.cfg <<'END'",
    "datasource_list: [NoCloud]",
    "network: { config: disabled }",
    "ssh_deletekeys: false",
    "disable_root: false",
    "preserve_hostname: true",
    "users: []",
    "datasource:",
    "  NoCloud:",
    "    meta-data: { instance-id: lab }",
    "    user-data: |",
    "      #cloud-config",
    "      runcmd:",
    '        - "sleep 20; touch /root/first-boot-done"',
    "END",
    "cloud-init clean",
].join("\n");

describeLab("a machine as a cloud delivers it", () => {
    let lab: Lab;
    let host: LabHost;
    let shell: Shell;

    beforeAll(async () => {
        lab = await Lab.open();
        host = await lab.up(lab.uniqueName("boot"));
        shell = await Shell.open(lab, host);
        await shell.run("apt-get -qq update");
    });

    afterAll(async () => {
        shell?.close();
        await closeAllConnections();
        await lab?.close();
    });

    it("gets its engine after cloud-init has finished", async () => {
        await shell.run(`${install} cloud-init >/dev/null 2>&1`);
        await shell.run(firstBoot);
        shell.close();
        await host.off();
        await host.on();
        const docker = new HostResource("web", { connection: login(lab, host) });
        await docker.up();
        shell = await Shell.open(lab, host);
        expect(await shell.run("cloud-init status")).toContain("done");
        const before = await shell.run("stat -c %Y /root/first-boot-done");
        const after = await shell.run("stat -c %Y /var/lib/dpkg/info/docker.io.list");
        expect(Number(after)).toBeGreaterThanOrEqual(Number(before));
        await docker.destroy();
    });

    it("has no other service restarted by needrestart", async () => {
        await shell.run(`${install} needrestart >/dev/null 2>&1`);
        // A service whose program was replaced while it runs, and a needrestart that restarts such services unasked.
        await shell.run(
            [
                "printf \"\\$nrconf{restart} = 'a';\\n\" >/etc/needrestart/conf.d/lab.conf",
                "cp /usr/bin/sleep /usr/local/bin/outdated",
                "printf '[Service]\\nType=exec\\nExecStart=/usr/local/bin/outdated infinity\\n' >/etc/systemd/system/outdated.service",
                "systemctl daemon-reload; systemctl start outdated.service",
                "cp /usr/bin/sleep /usr/local/bin/new; mv /usr/local/bin/new /usr/local/bin/outdated",
            ].join("\n"),
        );
        const pid = () => shell.run("systemctl show -p MainPID --value outdated.service");
        const before = await pid();
        const docker = new HostResource("web", { connection: login(lab, host) });
        await docker.up();
        expect(await pid()).toBe(before);
        await docker.destroy();
        expect(await pid()).toBe(before);
        // The proof that needrestart was ready to do it: any other package operation.
        await shell.run(
            `${install} --reinstall tini >/dev/null 2>&1 || ${install} --reinstall netbase >/dev/null 2>&1`,
        );
        expect(await pid()).not.toBe(before);
    });
});
