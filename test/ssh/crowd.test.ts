import { type Connection, closeAllConnections, connect } from "../../src/ssh";
import { Sshd } from "../support/sshd";
import { describeRoot, describeSsh, failure, script } from "./support";

jest.setTimeout(120_000);
afterEach(closeAllConnections);

/** sshd's own default, said so that nobody's distribution changes the test. */
const config = ["MaxStartups 10:30:100"];
const crowd = 60;
const refusals = /drop connection|MaxStartups throttling/;

describeSsh("sixty machines at one address", () => {
    let sshd: Sshd;
    let bastion: Sshd;
    beforeAll(async () => {
        [sshd, bastion] = await Promise.all([Sshd.create({ config }), Sshd.create({ config })]);
    });
    afterAll(() => Promise.all([sshd.stop(), bastion.stop()]));

    /** The password makes each another login; it is never asked for. */
    const logins = (connection: Connection) =>
        Array.from({ length: crowd }, (_, index) => ({ ...connection, password: `login ${index}` }));
    const counts = (server: Sshd) => [
        server.count(/Connection from/),
        server.count(/Accepted publickey/),
        server.count(refusals),
    ];

    it("are connected to without one refused start", async () => {
        await Promise.all(logins(sshd.connection).map((connection) => connect(connection)));
        expect(counts(sshd)).toEqual([crowd, crowd, 0]);
    });

    it("behind a jump host share one connection to it", async () => {
        const [before] = counts(sshd) as [number];
        await Promise.all(logins({ ...sshd.connection, proxy: bastion.connection }).map((each) => connect(each)));
        expect(counts(sshd)).toEqual([before + crowd, before + crowd, 0]);
        expect(counts(bastion)).toEqual([1, 1, 0]);
    });
});

describeRoot("a login that was refused", () => {
    let sshd: Sshd;
    beforeAll(async () => {
        sshd = await Sshd.create();
    });
    afterAll(() => sshd.stop());
    const attempts = () => sshd.count(/Connection from/);

    it("is not tried again for the next resource of the machine, until something is done there", async () => {
        const wrong = { ...sshd.connection, privateKey: sshd.makeKey("late", "ed25519") };
        for (let resource = 1; resource <= 5; resource++) {
            expect((await failure(connect(wrong))).code).toBe("AUTHENTICATION_FAILED");
        }
        expect(attempts()).toBe(1);
        const machine = await connect(sshd.connection);
        const run = { step: "look", script: script("true"), sudo: false };
        await machine.run(run);
        await failure(connect(wrong));
        expect(attempts()).toBe(2);
        sshd.authorize("late");
        // Who asks for a login of his own gets one.
        await (await connect(wrong, { fresh: true })).close();
        expect(attempts()).toBe(3);
        await failure(connect(wrong));
        await machine.run({ ...run, sudo: true, exclusive: { holder: "a test", wait: 60_000 } });
        expect((await (await connect(wrong)).run(run)).code).toBe(0);
        expect(attempts()).toBe(4);
    });
});
