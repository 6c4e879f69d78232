import { setTimeout as pause } from "node:timers/promises";
import { NodeSSH } from "node-ssh";
import { Lab, type LabHost } from "../../lab";
import {
    applyHardening,
    type HardeningTarget,
    observeHardening,
    removeHardening,
    timing,
} from "../../src/host/sshd/hardening";
import type { Hardening } from "../../src/host/sshd/settings";
import { type Connection, closeAllConnections, connect, type Machine } from "../../src/ssh";
import { login } from "../support/docker-host";
import { describeLab, suiteReleases } from "../support/levels";
import { tryLogin } from "../support/logins";

const dropIn = "/etc/ssh/sshd_config.d/00-pulumi-docker-fleet.conf";
const owner = { resource: "urn:pulumi:test::test::SshKey::web", instance: "SHA256:one" };
const wanted: Hardening = { passwordAuthentication: false, permitRootLogin: "prohibit-password", maxAuthTries: 4 };
const listener = { progress: () => {} };
/** Everything of a change that is not over yet. */
const leftovers =
    "ls /var/lib/pulumi-docker-fleet/sshd/armed /etc/systemd/system/*/pulumi-docker-fleet* /etc/systemd/system/pulumi-docker-fleet* 2>/dev/null; " +
    "systemctl list-timers --all --no-legend 'pulumi-docker-fleet*' | grep -v '^0 timers'";

/** One host with what the tests of this page need. */
class Subject {
    constructor(
        readonly lab: Lab,
        public host: LabHost,
    ) {}

    /** By password, as a user whose machine is fresh does. */
    connection(by: "password" | "key" = "password"): Connection {
        const { password, ...base } = login(this.lab, this.host, "admin");
        return by === "password"
            ? { ...base, password }
            : { ...base, privateKey: this.lab.privateKey, sudoPassword: this.lab.password };
    }

    machine(by: "password" | "key" = "password"): Promise<Machine> {
        return connect({ ...this.connection(by), dialErrorLimit: 3 });
    }

    /** A login of its own with the key alone, and root's rights. */
    readonly prove = async () => {
        const ssh = new NodeSSH();
        await ssh.connect({ host: this.host.address, username: "admin", privateKey: this.lab.privateKey });
        const { stdout } = await ssh.execCommand("sudo -S -p '' id -u", { stdin: `${this.lab.password}\n` });
        ssh.dispose();
        expect(stdout).toBe("0");
    };

    async apply(target: Partial<HardeningTarget> = {}, by: "password" | "key" = "key"): Promise<void> {
        const machine = await connect(this.connection(by));
        const whole = { wanted, user: "admin", owner, prove: this.prove, ...target };
        const seen = await observeHardening(machine, whole.wanted, whole.user, listener);
        await applyHardening(machine, whole, seen, listener);
    }

    async observe(settings: Hardening = wanted) {
        return await observeHardening(await this.machine("key"), settings, "admin", listener);
    }

    async remove(instance = owner.instance): Promise<void> {
        await removeHardening(await this.machine("key"), { ...owner, instance }, listener);
    }

    async run(command: string): Promise<string> {
        return (await this.host.exec(command)).stdout.trim();
    }

    async ask(command: string): Promise<string> {
        return (await this.host.exec(command, { allowFailure: true })).stdout.trim();
    }

    /** Which of the two ways lets admin in, by an independent client. */
    async waysIn(): Promise<{ password: string; key: string }> {
        return {
            password: await tryLogin(this.lab, this.host, { user: "admin", password: this.lab.password }),
            key: await tryLogin(this.lab, this.host, { user: "admin", keyFile: this.lab.privateKeyPath }),
        };
    }

    /** Waits until the machine has undone a change by itself; returns how long that took, in ms. */
    async undone(): Promise<number> {
        const start = Date.now();
        while ((await this.ask("ls /var/lib/pulumi-docker-fleet/sshd/armed 2>/dev/null")) !== "") {
            if (Date.now() - start > 60_000) throw new Error("the machine has not undone the change");
            await pause(200);
        }
        return Date.now() - start;
    }
}

const both = { password: "in", key: "in" };
const keyOnly = { password: "admin@ADDRESS: Permission denied (publickey).", key: "in" };
const named = (ways: { password: string; key: string }, { host }: Subject) => ({
    ...ways,
    password: ways.password.replace(host.address, "ADDRESS"),
});

const normal = { ...timing };
afterEach(() => {
    Object.assign(timing, normal);
});

const subjects = (["ssh.service", "ssh.socket"] as const).flatMap((mode) =>
    suiteReleases(mode === "ssh.service" ? "bookworm" : "sid").map((release) => ({ release, mode })),
);

describeLab.each(subjects)("hardening on $release with $mode", ({ release, mode }) => {
    let lab: Lab;
    let subject: Subject;
    const listeners = "ss -ltnHpe sport = :22 | grep -o 'ino:[0-9]*' | sort; systemctl show -p MainPID ssh.service";

    beforeAll(async () => {
        lab = await Lab.open();
        subject = new Subject(lab, await lab.up(lab.uniqueName("hard"), { release }));
        if (mode === "ssh.socket") {
            await subject.run("systemctl disable -q --now ssh.service; systemctl enable -q --now ssh.socket");
        }
        // What cloud images bring: it would win over any file with a later name.
        await subject.run("echo 'PasswordAuthentication yes' >/etc/ssh/sshd_config.d/50-cloud-init.conf");
        expect(named(await subject.waysIn(), subject)).toEqual(both);
    });

    afterAll(async () => {
        await closeAllConnections();
        await lab?.close();
    });

    it("refuses passwords and lets the key in, and is not armed any more", async () => {
        await subject.apply({}, "password");
        expect(named(await subject.waysIn(), subject)).toEqual(keyOnly);
        expect(await subject.ask(leftovers)).toBe("");
        expect(await subject.observe()).toMatchObject({ state: "in place", override: undefined, owner });
    });

    it("does nothing when all is as wanted", async () => {
        const before = await subject.run(listeners);
        await subject.apply();
        expect(await subject.run(listeners)).toBe(before);
    });

    it("is taken away without a trace, twice", async () => {
        await subject.run("echo 'LogLevel VERBOSE' >/etc/ssh/sshd_config.d/60-foreign.conf");
        await subject.remove();
        await subject.remove();
        expect(named(await subject.waysIn(), subject)).toEqual(both);
        expect(await subject.run("ls /etc/ssh/sshd_config.d")).toBe("50-cloud-init.conf\n60-foreign.conf");
        expect(await subject.ask("ls /var/lib/pulumi-docker-fleet")).toBe("");
        expect(await subject.observe()).toMatchObject({ state: "missing", owner: undefined });
    });

    it("is undone at once when the key does not let in under it", async () => {
        let proofs = 0;
        const prove = async () => {
            proofs += 1;
            if (proofs === 1) return;
            expect(named(await subject.waysIn(), subject)).toEqual(keyOnly);
            throw new Error("no luck");
        };
        await expect(subject.apply({ prove })).rejects.toThrow(/HARDENING_UNDONE.*no luck/);
        expect(named(await subject.waysIn(), subject)).toEqual(both);
        expect(await subject.ask(leftovers)).toBe("");
    });

    it("is undone by the machine when our link is cut", async () => {
        timing.undoAfter = 8_000;
        let proofs = 0;
        const prove = async () => {
            if (++proofs === 1) return;
            await subject.host.cut();
            throw new Error("cut");
        };
        const run = subject.apply({ prove }).catch((error: Error) => error);
        await subject.run("until ls /var/lib/pulumi-docker-fleet/sshd/armed 2>/dev/null; do sleep 0.1; done");
        await subject.undone();
        await subject.host.heal();
        expect(named(await subject.waysIn(), subject)).toEqual(both);
        expect(await subject.ask(leftovers)).toBe("");
        await closeAllConnections();
        expect(String(await run)).toMatch(/HARDENING_UNDONE.*cut/);
    });

    it("is taken over by the next run, and stays then", async () => {
        timing.undoAfter = 12_000;
        await abandon(subject);
        expect(await subject.observe()).toMatchObject({ state: "not confirmed" });
        await subject.apply();
        expect(await subject.ask(leftovers)).toBe("");
        await pause(13_000);
        expect(await subject.observe()).toMatchObject({ state: "in place" });
        expect(named(await subject.waysIn(), subject)).toEqual(keyOnly);
        await subject.remove();
    });

    const onSocket = mode === "ssh.socket" ? it : it.skip;
    onSocket("survives systemd's limit of starts: five within ten seconds", async () => {
        const visit =
            "systemctl stop ssh.service; timeout 5 bash -c 'exec 3<>/dev/tcp/127.0.0.1/22; head -n 1 <&3 >/dev/null'";
        await subject.run(`systemctl reset-failed ssh.service ssh.socket; for i in 1 2 3 4; do ${visit}; done`);
        await subject.apply();
        await subject.remove();
        expect(named(await subject.waysIn(), subject)).toEqual(both);
    });

    it("is undone at the next boot when the power is cut before it was confirmed", async () => {
        await abandon(subject);
        expect(named(await subject.waysIn(), subject)).toEqual(keyOnly);
        await subject.host.off();
        await closeAllConnections();
        subject.host = await lab.up(subject.host.name, { release });
        expect(named(await subject.waysIn(), subject)).toEqual(both);
        expect(await subject.ask(leftovers)).toBe("");
        expect(await subject.ask("systemctl --failed --no-legend")).toBe("");
    });
});

/** Leaves a change as a run leaves it that is killed before it confirms. */
async function abandon(subject: Subject): Promise<void> {
    let proofs = 0;
    const prove = async () => {
        if (++proofs === 1) return;
        // Nobody can undo it but the machine.
        await closeAllConnections();
        throw new Error("killed");
    };
    await expect(subject.apply({ prove })).rejects.toThrow(/killed/);
    expect(await subject.run("ls /var/lib/pulumi-docker-fleet/sshd/armed")).not.toBe("");
}

describeLab("hardening meets what is on the machine already", () => {
    let lab: Lab;
    let subject: Subject;

    beforeAll(async () => {
        lab = await Lab.open();
        subject = new Subject(lab, await lab.up(lab.uniqueName("sshd")));
        await subject.run("cp -pr /etc/ssh /root/saved");
    });

    afterEach(async () => {
        await subject.run(
            "rm -r /etc/ssh/sshd_config*; cp -pr /root/saved/sshd_config* /etc/ssh; systemctl reload ssh",
        );
        await subject.remove();
    });

    afterAll(async () => {
        await closeAllConnections();
        await lab?.close();
    });

    /** All of the configuration, byte for byte. */
    const configuration =
        "cd /etc/ssh && tail -n +1 sshd_config sshd_config.d/* 2>/dev/null; ls /var/lib/pulumi-docker-fleet 2>/dev/null; true";

    it("finds its own drop-in edited, emptied and missing, and repairs it", async () => {
        await subject.apply();
        for (const [edit, state, found] of [
            [`echo 'X11Forwarding no' >>${dropIn}`, "edited", wanted],
            [
                `sed -i 's/^PasswordAuthentication.*/PasswordAuthentication yes/' ${dropIn}`,
                "edited",
                { passwordAuthentication: true },
            ],
            [`: >${dropIn}`, "edited", { passwordAuthentication: true, maxAuthTries: 6 }],
            [`rm ${dropIn}`, "missing", { passwordAuthentication: true, maxAuthTries: 6 }],
            [
                "echo 'PasswordAuthentication yes' >/etc/ssh/sshd_config.d/00-a.conf",
                "overridden",
                { passwordAuthentication: true },
            ],
        ] as const) {
            await subject.run(edit);
            expect(await subject.observe()).toMatchObject({ state, found });
            await subject.run("rm -f /etc/ssh/sshd_config.d/00-a.conf");
            await subject.apply();
            expect(await subject.observe()).toMatchObject({ state: "in place", found: wanted });
        }
    });

    it.each([
        [
            "a Match block for a user",
            "Match User admin\n  PasswordAuthentication yes",
            /sshd_config:\d+ in "Match User admin"/,
        ],
        [
            "a Match block that is not about us",
            "Match Address 203.0.113.0/24\n  MaxAuthTries=9",
            /MaxAuthTries is "9" by .*"Match Address 203.0.113.0\/24"/,
        ],
    ])("names what overrides it, and leaves nothing behind: %s", async (_, lines, words) => {
        await subject.run(`printf '${lines}\n' >>/etc/ssh/sshd_config`);
        const before = await subject.run(configuration);
        await expect(subject.apply()).rejects.toThrow(words);
        await expect(subject.apply()).rejects.toThrow(/SSHD_SETTING_OVERRIDDEN/);
        expect(await subject.run(configuration)).toBe(before);
        expect(await subject.ask(leftovers)).toBe("");
        expect(named(await subject.waysIn(), subject)).toEqual(both);
    });

    it("names an earlier drop-in that overrides it", async () => {
        await subject.run("echo 'PasswordAuthentication yes' >/etc/ssh/sshd_config.d/00-a.conf");
        await expect(subject.apply()).rejects.toThrow(/SSHD_SETTING_OVERRIDDEN.*sshd_config\.d\/00-a\.conf:1/);
    });

    it.each([
        ["does not include the drop-ins", "-e 's/^Include/#Include/'"],
        ["includes them too late", "-e /^Include/d -e '$a Include /etc/ssh/sshd_config.d/*.conf'"],
    ])("goes to the head of a main file that %s, and leaves it as it was", async (_, change) => {
        await subject.run(
            `sed -i '1i PasswordAuthentication yes' /etc/ssh/sshd_config; sed -i ${change} /etc/ssh/sshd_config`,
        );
        const before = await subject.run(configuration);
        await subject.apply();
        expect(await subject.run("head -n 1 /etc/ssh/sshd_config")).toBe("# BEGIN pulumi-docker-fleet");
        expect(await subject.run("stat -c '%a %U' /etc/ssh/sshd_config")).toBe("644 root");
        expect(await subject.observe()).toMatchObject({ state: "in place" });
        expect(named(await subject.waysIn(), subject)).toEqual(keyOnly);
        await subject.remove();
        expect(await subject.run(configuration)).toBe(before);
    });

    it("changes nothing on a machine whose configuration is broken", async () => {
        await subject.run("echo 'Bogus yes' >/etc/ssh/sshd_config.d/70-broken.conf");
        const before = await subject.run(configuration);
        await expect(subject.apply()).rejects.toThrow(/SSHD_CONFIG_INVALID.*70-broken/s);
        expect(await subject.run(configuration)).toBe(before);
    });

    it("takes its settings back when sshd refuses them", async () => {
        const before = await subject.run(configuration);
        // The schema lets no such value through.
        const broken = { ...wanted, maxAuthTries: "many" as unknown as number };
        await expect(subject.apply({ wanted: broken })).rejects.toThrow(/SSHD_CONFIG_INVALID/);
        expect(await subject.run(configuration)).toBe(before);
        expect(await subject.ask(leftovers)).toBe("");
    });

    it("changes nothing when the key does not let in beforehand", async () => {
        const before = await subject.run(configuration);
        const prove = () => Promise.reject(new Error("no such key"));
        await expect(subject.apply({ prove })).rejects.toThrow(/HARDENING_REFUSED.*no such key/);
        expect(await subject.run(configuration)).toBe(before);
    });

    it("is left alone by another resource, and by the predecessor of the one that has it", async () => {
        await subject.apply();
        const foreign = { resource: "urn:pulumi:other::test::SshKey::web", instance: "SHA256:other" };
        await expect(subject.apply({ owner: foreign })).rejects.toThrow(/HARDENING_OWNED.*test::SshKey::web/);
        await subject.apply({ owner: { ...owner, instance: "SHA256:two" } });
        await subject.remove("SHA256:one");
        expect(await subject.observe()).toMatchObject({ state: "in place", owner: { instance: "SHA256:two" } });
        await subject.remove("SHA256:two");
        expect(named(await subject.waysIn(), subject)).toEqual(both);
    });

    it("sets every keyword, and reads each as the server heeds it", async () => {
        const all: Required<Hardening> = {
            passwordAuthentication: false,
            kbdInteractiveAuthentication: false,
            permitRootLogin: "no",
            maxAuthTries: 3,
            loginGraceTime: 30,
            x11Forwarding: false,
            allowAgentForwarding: false,
            allowTcpForwarding: "local",
            allowUsers: ["admin", "ops@10.*"],
            allowGroups: ["admin", "ops"],
        };
        await subject.apply({ wanted: all });
        expect(await subject.observe(all)).toMatchObject({ state: "in place", found: all });
        expect(await tryLogin(lab, subject.host, { user: "root", keyFile: lab.privateKeyPath })).toMatch(
            /Permission denied/,
        );
        expect((await subject.waysIn()).key).toBe("in");
    });
});
