import { generateKeyPairSync } from "node:crypto";
import { Lab, type LabHost } from "../../lab";
import { FleetError } from "../../src/errors";
import { type Connection, closeAllConnections } from "../../src/ssh";
import { HostResource, login } from "../support/docker-host";
import { describeLab } from "../support/levels";
import { Shell } from "../support/shell";

const foreignKey = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({
    type: "pkcs1",
    format: "pem",
}) as string;

/** Everything on the machine that a change of ours would touch. */
const fingerprint =
    "dpkg-query -W; find /etc /var/lib/pulumi-docker-fleet /usr/local -newer /etc/machine-id -type f 2>/dev/null | sort; id admin";

describeLab("bad input", () => {
    let lab: Lab;
    let host: LabHost;
    let shell: Shell;

    beforeAll(async () => {
        lab = await Lab.open();
        host = await lab.up(lab.uniqueName("bad"), { release: "bookworm" });
        shell = await Shell.open(lab, host);
    });

    afterAll(async () => {
        shell?.close();
        await closeAllConnections();
        await lab?.close();
    });

    const cases: [string, string, number, (good: Connection) => Partial<Connection>][] = [
        [
            "a key that the machine does not know",
            "AUTHENTICATION_FAILED",
            10,
            () => ({ user: "ops", password: undefined, privateKey: foreignKey }),
        ],
        ["a wrong password", "AUTHENTICATION_FAILED", 10, () => ({ password: "s3cret-wrong" })],
        [
            "another host key",
            "HOST_KEY_MISMATCH",
            10,
            () => ({ hostKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8NJZ3bZ0wX0m0c2bD0bq3bC7xg1yYb9kq0bq6v0AAA" }),
        ],
        ["a wrong sudo password", "SUDO_PASSWORD_WRONG", 15, () => ({ sudoPassword: "s3cret-sudo" })],
        ["a closed port", "HOST_UNREACHABLE", 10, () => ({ port: 4, dialErrorLimit: 1 })],
        [
            "an address where nobody is",
            "HOST_UNREACHABLE",
            15,
            ({ host }) => ({ host: host.replace(/\d+$/, "254"), dialErrorLimit: 1, perDialTimeout: 3 }),
        ],
        [
            "a name that does not exist",
            "HOST_NAME_UNKNOWN",
            15,
            () => ({ host: "no-such-machine.invalid", dialErrorLimit: 1 }),
        ],
    ];

    it.each(cases)("%s: %s within %d s, no secret told, the machine unchanged", async (_, code, seconds, change) => {
        const before = await shell.run(fingerprint);
        const good = login(lab, host);
        const docker = new HostResource("bad", { connection: { ...good, ...change(good) } });
        const start = Date.now();
        const error = await docker.up().catch((thrown: Error) => thrown);
        expect(Date.now() - start).toBeLessThan(seconds * 1000);
        expect(error).toBeInstanceOf(Error);
        const cause = (error as Error).cause;
        expect(cause).toBeInstanceOf(FleetError);
        expect((cause as FleetError).code).toBe(code);
        expect((error as Error).message).not.toMatch(/s3cret|lab-pass|PRIVATE KEY/);
        expect(await shell.run(fingerprint)).toBe(before);
    });

    it("a user who may not use sudo: SUDO_NOT_PERMITTED, the machine unchanged", async () => {
        await shell.run("useradd -m -s /bin/bash guest; echo guest:guest-pass | chpasswd");
        const before = await shell.run(fingerprint);
        const docker = new HostResource("bad", {
            connection: { ...login(lab, host), user: "guest", password: "guest-pass" },
        });
        await expect(docker.up()).rejects.toThrow(/SUDO_NOT_PERMITTED/);
        expect(await shell.run(fingerprint)).toBe(before);
    });

    it("a host that is not Linux: UNSUPPORTED_MACHINE, the machine unchanged", async () => {
        // The one thing by which it can be told: what uname says.
        await shell.run(
            "printf '#!/bin/sh\\ncase $1 in -s) echo FreeBSD ;; *) exec /usr/bin/uname \"$@\" ;; esac\\n' >/usr/local/sbin/uname; chmod 755 /usr/local/sbin/uname",
        );
        const before = await shell.run(fingerprint);
        await expect(new HostResource("bsd", { connection: login(lab, host) }).up()).rejects.toThrow(
            /UNSUPPORTED_MACHINE.*FreeBSD/,
        );
        expect(await shell.run(fingerprint)).toBe(before);
        await shell.run("rm /usr/local/sbin/uname");
    });

    it.each<[string, Record<string, unknown>, RegExp]>([
        ["an argument that does not exist", { holdd: true }, /holdd.*did you mean hold\?/],
        [
            "a malformed key",
            { connection: { host: "h", privateKey: "ssh-ed25519 AAAAC3Nz me@here" } },
            /connection\.privateKey.*public key/,
        ],
        ["a port that is none", { connection: { host: "h", port: 70000 } }, /connection\.port.*1 to 65535/],
        [
            "a host with a user",
            { connection: { host: "admin@h" } },
            /connection\.host.*user and port have arguments of their own/,
        ],
        ["a version that is none", { version: "latest" }, /version.*"28\.5"/],
    ])("%s is refused in the preview, with the cure", async (_, args, words) => {
        const docker = new HostResource("bad", { connection: login(lab, host), ...args });
        await expect(docker.up()).rejects.toThrow(words);
        await expect(docker.up()).rejects.toThrow(/INVALID_ARGUMENT/);
    });
});
