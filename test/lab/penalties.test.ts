import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Lab, type LabHost } from "../../lab";
import { type Connection, closeAllConnections, connect } from "../../src/ssh";
import { describeLab, suiteReleases } from "../support/levels";
import { Shell } from "../support/shell";

jest.setTimeout(300_000);

/** OpenSSH 9.8 and later: an address whose logins fail is dropped for some time, also with the right key. */
describeLab.each(suiteReleases("sid").filter((release) => release !== "bookworm"))(
    "a server that punishes failed logins (%s)",
    (release) => {
        let lab: Lab;
        let host: LabHost;
        let shell: Shell;
        let directory: string;
        let good: Connection;
        beforeAll(async () => {
            lab = await Lab.open();
            host = await lab.up(lab.uniqueName("penalty"), { release });
            // Opened before there are penalties: what is connected already stays.
            shell = await Shell.open(lab, host);
            directory = mkdtempSync(join(tmpdir(), "fleet-penalties-"));
            good = { host: host.address, user: "root", privateKey: lab.privateKey, hostKey: host.hostKey };
        });
        afterAll(async () => {
            await closeAllConnections();
            shell?.close();
            rmSync(directory, { recursive: true, force: true });
            await lab?.close();
        });

        let keys = 0;
        const wrong = (): Connection => {
            keys += 1;
            const path = join(directory, `wrong${keys}`);
            execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", path]);
            return { ...good, privateKey: readFileSync(path, "utf8") };
        };
        const journal = async (text: string) =>
            Number(await shell.ask(`journalctl -q -b -t sshd -t sshd-session | grep -c '${text}'`));

        it("is not made to do so by us, however many resources share a wrong key", async () => {
            const connection = wrong();
            for (let resource = 1; resource <= 12; resource++) {
                await expect(connect(connection)).rejects.toMatchObject({ code: "AUTHENTICATION_FAILED" });
            }
            expect(
                await journal("Connection closed by authenticating user\\|Disconnected from authenticating user"),
            ).toBe(1);
            expect((await (await connect(good)).run({ step: "look", script: { name: "t", text: "true" } })).code).toBe(
                0,
            );
            expect(await journal("penalty")).toBe(0);
            await closeAllConnections();
        });

        it("locks the right key out after four wrong ones, which the error tells, and lets it in when we have waited", async () => {
            // At the same time: the penalties of slow ones would be over before they add up.
            const four = [wrong(), wrong(), wrong(), wrong()];
            const refused = await Promise.allSettled(four.map((connection) => connect(connection)));
            expect(refused).toMatchObject(four.map(() => ({ reason: { code: "AUTHENTICATION_FAILED" } })));
            // sshd counts when the process of a login has ended.
            await new Promise((resolve) => setTimeout(resolve, 1_000));
            const error = await connect({ ...good, dialErrorLimit: 0 }).then(
                () => undefined,
                (reason) => reason,
            );
            expect(error).toMatchObject({ code: "HOST_UNREACHABLE" });
            expect(error.message).toMatch(/PerSourcePenalties\): wait a minute and try again/);
            const lines: string[] = [];
            const start = Date.now();
            const machine = await connect(good, { onProgress: (line) => lines.push(line) });
            expect((await machine.run({ step: "look", script: { name: "t", text: "true" } })).code).toBe(0);
            expect(lines.join("\n")).toMatch(/connection (reset|was closed before the SSH greeting)/);
            expect(Date.now() - start).toBeLessThan(60_000);
            expect(await journal("penalty: failed authentication")).toBeGreaterThan(0);
            console.log(`${release}: let in after ${Date.now() - start} ms and ${lines.length} dropped tries`);
        });
    },
);
