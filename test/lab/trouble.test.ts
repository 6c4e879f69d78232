import { Lab, type LabHost } from "../../lab";
import { timing } from "../../src/host/engine";
import { closeAllConnections } from "../../src/ssh";
import { HostResource, login } from "../support/docker-host";
import { describeLab } from "../support/levels";
import { Shell } from "../support/shell";

/** Holds a lock as apt and dpkg do (fcntl, which flock(1) does not touch) for some seconds, in the background. */
function hold(file: string, seconds: number): string {
    const program =
        "use Fcntl; open(F, '+>>', $ARGV[0]); $l = pack('s s x4 q q i x4', F_WRLCK, 0, 0, 0, 0); fcntl(F, F_SETLK, $l) or die; sleep $ARGV[1]";
    return `setsid perl -e "${program.replace(/\$/g, "\\$")}" ${file} ${seconds} >/dev/null 2>&1 </dev/null & sleep 0.3`;
}

const remove =
    "DEBIAN_FRONTEND=noninteractive apt-get remove -y --allow-change-held-packages docker.io >/dev/null 2>&1";

describeLab("a package manager in trouble", () => {
    let lab: Lab;
    let host: LabHost;
    let shell: Shell;
    let docker: HostResource;

    beforeAll(async () => {
        lab = await Lab.open();
        host = await lab.up(lab.uniqueName("troub"));
        shell = await Shell.open(lab, host);
        docker = new HostResource("web", { connection: login(lab, host) });
    });

    afterEach(() => {
        timing.packageLock = 5 * 60_000;
        timing.machineLock = 10 * 60_000;
    });

    afterAll(async () => {
        shell?.close();
        await closeAllConnections();
        await lab?.close();
    });

    it.each(["/var/lib/dpkg/lock-frontend", "/var/lib/apt/lists/lock"])(
        "is named when somebody holds %s for too long, and nothing is changed",
        async (file) => {
            timing.packageLock = 2_000;
            const before = await shell.run("dpkg-query -W");
            await shell.run(hold(file, 30));
            await expect(docker.up()).rejects.toThrow(/PACKAGE_MANAGER_LOCKED.*process \d+ \(perl\)/);
            expect(await shell.run("dpkg-query -W")).toBe(before);
            await shell.run("pkill perl");
        },
    );

    it.each(["/var/lib/dpkg/lock-frontend", "/var/lib/apt/lists/lock", "/var/cache/apt/archives/lock"])(
        "is waited for when somebody holds %s for a while",
        async (file) => {
            await shell.run(hold(file, 5));
            expect(await docker.up()).not.toBe("same");
            expect(await shell.run("systemctl is-active docker.service")).toBe("active");
            await shell.run(remove);
            await docker.drift();
        },
    );

    it("is repaired when dpkg was killed in the middle", async () => {
        // What dpkg leaves behind when it dies between unpacking and configuring a package.
        await shell.run(
            "DEBIAN_FRONTEND=noninteractive apt-get install -y -d --no-install-recommends docker.io >/dev/null 2>&1; " +
                "dpkg --unpack /var/cache/apt/archives/docker.io_*.deb >/dev/null 2>&1 || true; " +
                "touch /var/lib/dpkg/updates/0001",
        );
        expect(await shell.ask("dpkg --audit")).not.toBe("");
        await docker.drift();
        expect(docker.inputs.engine).toBe("not installed");
        expect(await docker.up()).toBe("update");
        expect(await shell.run("systemctl is-active docker.service")).toBe("active");
        expect(await shell.run("dpkg --audit")).toBe("");
    });

    it("is not stopped by a policy-rc.d that forbids starting services", async () => {
        await shell.run(
            `${remove}; printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d`,
        );
        await docker.drift();
        await docker.up();
        expect(await shell.run("systemctl is-active docker.service")).toBe("active");
        await shell.run("test -x /usr/sbin/policy-rc.d; rm /usr/sbin/policy-rc.d");
    });

    it("waits for a change by another runner, and names that runner when it takes too long", async () => {
        await shell.run("systemctl stop docker.socket docker.service");
        await docker.drift();
        await shell.run(
            "setsid flock /run/pulumi-docker-fleet.lock sh -c 'echo somebody else on build-7 >/run/pulumi-docker-fleet.lock; sleep 30' >/dev/null 2>&1 </dev/null & sleep 0.5",
        );
        timing.machineLock = 2_000;
        await expect(docker.up()).rejects.toThrow(/MACHINE_LOCKED.*somebody else on build-7/);
        expect(await shell.ask("systemctl is-active docker.service")).toBe("inactive");
        await shell.run("pkill -f 'sleep 30'");
        expect(await docker.up()).toBe("update");
        expect(await shell.run("systemctl is-active docker.service")).toBe("active");
    });
});
