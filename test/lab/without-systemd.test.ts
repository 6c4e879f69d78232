import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { NodeSSH } from "node-ssh";
import { Lab, type LabHost } from "../../lab";
import { applyHardening, observeHardening, removeHardening, timing } from "../../src/host/sshd/hardening";
import type { Hardening } from "../../src/host/sshd/settings";
import { closeAllConnections, connect, type Machine } from "../../src/ssh";
import { describeLab, suiteReleases } from "../support/levels";

const wanted: Hardening = { passwordAuthentication: false, maxAuthTries: 4 };
const owner = { resource: "urn:pulumi:test::test::SshKey::bare", instance: "SHA256:one" };
const listener = { progress: () => {} };
const normal = { ...timing };
afterEach(() => {
    Object.assign(timing, normal);
});

describeLab.each(suiteReleases("sid"))("hardening on a machine without systemd (%s's sshd)", (release) => {
    let lab: Lab;
    let host: LabHost;
    let inside: string;

    beforeAll(async () => {
        lab = await Lab.open();
        host = await lab.up(lab.uniqueName("bare"), { release });
        const input = readFileSync(join(__dirname, "../support/without-systemd.sh"), "utf8");
        await host.exec("cat >/root/bare.sh; systemd-run -q --unit=bare sh /root/bare.sh", { input });
        await host.exec("until ss -ltnH | grep -q :2222; do sleep 0.2; done");
        const { stdout } = await host.exec("pgrep -P $(systemctl show -P MainPID bare.service)");
        inside = `nsenter -t ${stdout.trim()} -m -p --`;
    });

    afterAll(async () => {
        await closeAllConnections();
        await lab?.close();
    });

    const by = (way: "password" | "key") =>
        way === "key" ? { privateKey: lab.privateKey } : { password: lab.password };
    const machine = (): Promise<Machine> =>
        connect({
            host: host.address,
            port: 2222,
            hostKey: host.hostKey,
            user: "admin",
            privateKey: lab.privateKey,
            sudoPassword: lab.password,
        });
    const run = async (command: string) => (await host.exec(command)).stdout.trim();
    const armed = () => run(`${inside} ls /var/lib/pulumi-docker-fleet/sshd/armed 2>/dev/null || :`);

    /** Which ways let admin in, by a client that shares nothing with the code under test. */
    async function waysIn(): Promise<string[]> {
        const open: string[] = [];
        for (const way of ["password", "key"] as const) {
            const ssh = new NodeSSH();
            try {
                await ssh.connect({ host: host.address, port: 2222, username: "admin", ...by(way) });
                ssh.connection?.on("error", () => {});
                open.push(way);
            } catch (error) {
                if (!/authentication methods failed/.test(String(error))) throw error;
            } finally {
                ssh.dispose();
            }
        }
        return open;
    }

    /** @param dies what happens after the settings have been made live; undefined: they are confirmed */
    async function apply(dies?: () => Promise<void>): Promise<void> {
        const there = await machine();
        let proofs = 0;
        const prove = async () => {
            expect(await waysIn()).toContain("key");
            if (++proofs === 2) await dies?.();
        };
        const seen = await observeHardening(there, wanted, "admin", listener);
        await applyHardening(there, { wanted, user: "admin", owner, prove }, seen, listener);
    }

    /** Leaves a change as a run leaves it that is killed before it confirms. */
    async function abandon(): Promise<void> {
        const dies = async () => {
            await closeAllConnections();
            throw new Error("killed");
        };
        await expect(apply(dies)).rejects.toThrow(/killed/);
        expect(await armed()).not.toBe("");
        expect(await waysIn()).toEqual(["key"]);
    }

    it("is on one", async () => {
        expect(await run(`${inside} sh -c 'cat /proc/1/comm; ls -d /run/systemd/system 2>&1 || :'`)).toMatch(
            /^sh\nls: cannot access/,
        );
        expect(await waysIn()).toEqual(["password", "key"]);
    });

    it("refuses passwords and lets the key in, and is not armed any more", async () => {
        await apply();
        expect(await waysIn()).toEqual(["key"]);
        expect(await armed()).toBe("");
        expect(await observeHardening(await machine(), wanted, "admin", listener)).toMatchObject({ state: "in place" });
    });

    it("is taken away without a trace", async () => {
        await removeHardening(await machine(), owner, listener);
        expect(await waysIn()).toEqual(["password", "key"]);
        expect(
            await run(`${inside} sh -c 'ls -A /etc/ssh/sshd_config.d /var/lib/pulumi-docker-fleet 2>/dev/null || :'`),
        ).not.toMatch(/pulumi|sshd$/);
    });

    it("is undone by the machine itself when nobody confirms it", async () => {
        timing.undoAfter = 8_000;
        await abandon();
        for (const end = Date.now() + 60_000; (await armed()) !== "" && Date.now() < end; ) await pause(500);
        expect(await armed()).toBe("");
        expect(await waysIn()).toEqual(["password", "key"]);
    });

    it("is taken over by the next run, and stays then", async () => {
        timing.undoAfter = 15_000;
        await abandon();
        timing.undoAfter = normal.undoAfter;
        await apply();
        await pause(16_000);
        expect(await waysIn()).toEqual(["key"]);
        expect(await armed()).toBe("");
        await removeHardening(await machine(), owner, listener);
        expect(await waysIn()).toEqual(["password", "key"]);
    });
});
