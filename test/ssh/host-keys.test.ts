import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { closeAllConnections, connect } from "../../src/ssh";
import { Sshd } from "../support/sshd";
import { describeSsh, failure, until } from "./support";

jest.setTimeout(120_000);
afterEach(closeAllConnections);

describeSsh("the host key", () => {
    let sshd: Sshd;
    let other: string;
    beforeAll(async () => {
        sshd = await Sshd.create({ hostKeys: ["ed25519", "rsa"] });
        sshd.makeKey("other_ed25519", "ed25519");
        other = sshd.publicKey("other_ed25519");
    });
    afterAll(() => sshd.stop());

    const name = () => `[127.0.0.1]:${sshd.port}`;
    const fingerprint = (file: string) =>
        execFileSync("ssh-keygen", ["-l", "-f", join(sshd.directory, `${file}.pub`)], { encoding: "utf8" }).split(
            " ",
        )[1]!;
    const withKnownHosts = (text: string) => {
        writeFileSync(join(sshd.directory, "known_hosts"), text);
        return sshd.connection;
    };
    /** A refused machine must not have seen any attempt to log in. */
    const refused = async (action: () => Promise<unknown>) => {
        const logins = sshd.count(/Accepted|Failed|Postponed|userauth/);
        const ends = sshd.count(/closed by|reset by|Disconnected|Received disconnect/);
        const error = await failure(action());
        await until(
            () => sshd.count(/closed by|reset by|Disconnected|Received disconnect/) > ends,
            "the end in the log",
        );
        expect(sshd.count(/Accepted|Failed|Postponed|userauth/)).toBe(logins);
        return error;
    };

    it("is taken when nobody knows another one", async () => {
        const machine = await connect(withKnownHosts(""));
        expect(machine.hostKey).toBe(sshd.hostKey());
    });

    it('is refused when nobody knows it and strictHostKeyChecking is "yes"', async () => {
        const error = await refused(() => connect({ ...withKnownHosts(""), strictHostKeyChecking: "yes" }));
        expect(error.code).toBe("HOST_KEY_UNKNOWN");
        expect(error.message).toContain(fingerprint("host_ed25519"));
        expect(error.message).toContain(`set connection.hostKey to "${sshd.hostKey()}"`);
    });

    it("is checked against connection.hostKey", async () => {
        const strict = { ...withKnownHosts(""), strictHostKeyChecking: "yes" as const };
        const machine = await connect({ ...strict, hostKey: `${sshd.hostKey()} a comment` });
        expect(machine.hostKey).toBe(sshd.hostKey());
        const error = await refused(() => connect({ ...strict, hostKey: other }));
        expect(error.code).toBe("HOST_KEY_MISMATCH");
        expect(error.message).toContain("connection.hostKey says");
        expect(error.message).toContain(fingerprint("host_ed25519"));
        expect(error.message).toContain(fingerprint("other_ed25519"));
        expect(error.message).toContain(`set connection.hostKey to "${sshd.hostKey()}"`);
    });

    it("is checked against the key that was seen first", async () => {
        const first = await connect(withKnownHosts(""));
        await first.close();
        const again = await connect(withKnownHosts(""), { knownHostKey: first.hostKey });
        expect(again.hostKey).toBe(first.hostKey);
        await again.close();
        const error = await refused(() => connect(withKnownHosts(""), { knownHostKey: other }));
        expect(error.code).toBe("HOST_KEY_MISMATCH");
        expect(error.message).toContain("this resource first saw");
    });

    it("is checked for a caller who joins a connection that is already open", async () => {
        await connect(withKnownHosts(""));
        const error = await refused(() => connect(withKnownHosts(""), { knownHostKey: other }));
        expect(error.code).toBe("HOST_KEY_MISMATCH");
        expect((await connect(withKnownHosts(""), { knownHostKey: sshd.hostKey() })).hostKey).toBe(sshd.hostKey());
    });

    it("of another type is proven on request, also to one who joins", async () => {
        const rsa = sshd.hostKey("rsa");
        await connect(withKnownHosts(""));
        expect((await connect(withKnownHosts(""), { knownHostKey: rsa })).hostKey).toBe(rsa);
        expect((await connect({ ...withKnownHosts(""), hostKey: rsa })).hostKey).toBe(rsa);
    });

    it("that changed is accepted when connection.hostKey names the new one", async () => {
        const connection = { ...withKnownHosts(`${name()} ${other}\n`), hostKey: sshd.hostKey() };
        expect((await connect(connection, { knownHostKey: other })).hostKey).toBe(sshd.hostKey());
    });

    it("is checked against known_hosts, also where names are hashed", async () => {
        const file = join(sshd.directory, "known_hosts");
        const strict = () => ({ ...sshd.connection, strictHostKeyChecking: "yes" as const });
        withKnownHosts(`# ours\n${name()} ${sshd.hostKey("rsa")}\n`);
        expect((await connect(strict())).hostKey).toBe(sshd.hostKey("rsa"));
        await closeAllConnections();
        execFileSync("ssh-keygen", ["-q", "-H", "-f", file], { stdio: "ignore" });
        expect((await connect(strict())).hostKey).toBe(sshd.hostKey("rsa"));
        await closeAllConnections();
        withKnownHosts(`${name()} ${other}\n`);
        const error = await refused(() => connect(sshd.connection));
        expect(error.code).toBe("HOST_KEY_MISMATCH");
        expect(error.message).toContain(
            `shows ssh-ed25519 ${fingerprint("host_ed25519")}, but ${file}:1 says ssh-ed25519 ${fingerprint("other_ed25519")}`,
        );
        expect(error.message).toContain(`set connection.hostKey to "${sshd.hostKey()}", or correct ${file}:1.`);
    });

    it("that is revoked is refused, whatever else is known", async () => {
        const connection = withKnownHosts(`@revoked * ${sshd.hostKey()}\n`);
        const error = await refused(() => connect({ ...connection, hostKey: sshd.hostKey() }));
        expect(error.code).toBe("HOST_KEY_REVOKED");
    });

    it("is looked up in every file, and in the system's", async () => {
        const [second, system] = [join(sshd.directory, "known_hosts_second"), "/etc/ssh/ssh_known_hosts"];
        const strict = { ...withKnownHosts(`# none\n`), strictHostKeyChecking: "yes" as const };
        writeFileSync(second, `${name()} ${sshd.hostKey()}\n`);
        const several = { ...strict, userKnownHostsFile: ["/no/such/file", strict.userKnownHostsFile, second] };
        expect((await connect(several)).hostKey).toBe(sshd.hostKey());
        await closeAllConnections();
        writeFileSync(second, `@revoked * ${sshd.hostKey()}\n`);
        expect((await failure(connect(several))).message).toContain(`${second}:1 marks as @revoked`);
        const error = await failure(connect({ ...strict, userKnownHostsFile: sshd.directory }));
        expect(error.message).toContain(`The known_hosts file ${sshd.directory} cannot be read`);
        if (process.getuid?.() === 0) {
            const before = existsSync(system) ? readFileSync(system, "utf8") : undefined;
            try {
                writeFileSync(system, `${before ?? ""}${name()} ${sshd.hostKey()}\n`);
                expect((await connect(strict)).hostKey).toBe(sshd.hostKey());
            } finally {
                before === undefined ? rmSync(system) : writeFileSync(system, before);
            }
        }
    });

    it("that only a certification authority vouches for is not taken on trust", async () => {
        const connection = withKnownHosts(`@cert-authority * ${other}\n`);
        const error = await refused(() => connect(connection));
        expect(error.code).toBe("HOST_CERTIFICATE_UNSUPPORTED");
        expect(error.message).toContain(`set connection.hostKey to "${sshd.hostKey()}"`);
        expect((await connect({ ...connection, hostKey: sshd.hostKey() })).hostKey).toBe(sshd.hostKey());
        await closeAllConnections();
        expect((await connect(connection, { knownHostKey: sshd.hostKey() })).hostKey).toBe(sshd.hostKey());
        await closeAllConnections();
        withKnownHosts(`@cert-authority * ${other}\n${name()} ${sshd.hostKey()}\n`);
        expect((await connect(connection)).hostKey).toBe(sshd.hostKey());
    });

    it("must look like one", async () => {
        const error = await failure(connect({ ...withKnownHosts(""), hostKey: "SHA256:abcdef" }));
        expect(error.code).toBe("INVALID_ARGUMENT");
        expect(error.message).toContain("connection.hostKey");
    });
});
