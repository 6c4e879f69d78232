import { sshKey } from "../../../src/provider/ssh-key";

const __urn = "urn:pulumi:test::test::pulumi-nodejs:dynamic/docker-fleet:SshKey::key";

describe("an SshKey over OpenSSH's configuration", () => {
    it("wants to be told the user, which the configuration could change", async () => {
        const check = async (connection: object) => (await sshKey.check({}, { connection, __urn })).failures;
        expect(await check({ host: "web", sshConfig: true })).toMatchObject([
            { reason: expect.stringContaining("connection.user: is needed beside sshConfig") },
        ]);
        expect(await check({ host: "web", sshConfig: true, user: "admin" })).toEqual([]);
        expect(await check({ host: "web", sshConfig: false })).toEqual([]);
    });
});
