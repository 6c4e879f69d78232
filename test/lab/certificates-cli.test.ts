import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { connect, type DetailedPeerCertificate } from "node:tls";
import Docker from "dockerode";
import { Lab, type LabHost } from "../../lab";
import { Daemon } from "../support/daemon";
import { describeLab } from "../support/levels";
import { PulumiProject } from "../support/pulumi";
import { Shell } from "../support/shell";
import { plainRequest, Stranger } from "../support/stranger";

/** What a client has. */
interface Identity {
    ca: string;
    cert: string;
    key: string;
}

/** The server's key on the machine. */
const keyFile = "/etc/docker/docker-fleet-tls/key-*.pem";
const keepRunning = "restart; live-restore is on, 2 containers keep running";

describeLab("the certificates of a host through the real CLI", () => {
    let lab: Lab;
    let host: LabHost;
    let shell: Shell;
    let daemon: Daemon;
    let project: PulumiProject;
    let stranger: Stranger;
    let containers: Record<string, string>;

    const program = () => `
        import * as pulumi from "@pulumi/pulumi";
        import { DaemonConfig, TlsAuthority, TlsCertificate } from "pulumi-docker-fleet";
        const config = new pulumi.Config();
        const authority = new TlsAuthority("ca", { rotate: config.get("rotate"), overlap: config.get("overlap") });
        const server = new TlsCertificate("server", {
            authority,
            hosts: ["${host.address}"],
            validity: config.require("validity"),
            renewBefore: config.get("renewBefore"),
        });
        const client = new TlsCertificate("client", { authority, use: "client" });
        const daemon = new DaemonConfig("daemon", {
            connection: { host: "${host.address}", user: "admin", password: config.requireSecret("password") },
            api: { tcp: { tls: { ca: authority.bundle, cert: server.certificate, key: server.privateKey } } },
        });
        export const plan = daemon.plan;
        export const end = daemon.certificateExpiresAt;
        export const { expiresAt, renewAt, serialNumber } = server;
        export const identity = { ca: authority.bundle, cert: client.certificate, key: client.privateKey };`;

    /** The certificate that the port shows. */
    function shown(): Promise<DetailedPeerCertificate> {
        return new Promise((resolve, reject) => {
            const socket = connect({ host: host.address, port: 2376, rejectUnauthorized: false }, () => {
                resolve(socket.getPeerCertificate(true));
                socket.destroy();
            });
            socket.on("error", reject);
        });
    }

    /** What a client gets. */
    async function ask(identity: Identity): Promise<string> {
        const docker = new Docker({ protocol: "https", host: host.address, port: 2376, timeout: 30_000, ...identity });
        const answer = docker.listContainers().then((list) =>
            list
                .flatMap(({ Names }) => Names)
                .sort()
                .join(" "),
        );
        return await answer.catch((error: Error) => `refused: ${error.message}`);
    }

    async function identity(): Promise<Identity> {
        return (await project.outputs()).identity as Identity;
    }

    /** That the server's certificate is the one of the output; and that no container has been stopped. */
    async function expectServed(): Promise<void> {
        const { serialNumber, expiresAt, plan, end } = await project.outputs();
        expect(end).toBe(expiresAt);
        const served = await shown();
        expect(served.serialNumber).toBe(serialNumber);
        expect(new Date(served.valid_to).toISOString()).toBe(expiresAt);
        expect(plan).toBe(keepRunning);
        expect(await daemon.processes()).toEqual(containers);
    }

    beforeAll(async () => {
        lab = await Lab.open();
        host = await lab.up(lab.uniqueName("certs"), { layer: "docker" });
        shell = await Shell.open(lab, host);
        daemon = new Daemon(shell);
        await daemon.write({ "live-restore": true });
        await shell.run("systemctl reload docker");
        await daemon.run({ comes: "always", stays: "no" });
        containers = await daemon.processes();
        project = await PulumiProject.create({ program: program() });
        await project.config("password", lab.password, { secret: true });
        await project.config("validity", "1h");
        stranger = new Stranger(host.address, 2376);
    });

    afterAll(async () => {
        await stranger?.stop();
        shell?.close();
        await project?.remove();
        await lab?.close();
    });

    it("are brought to it, and their end is an output", async () => {
        // Due for renewal ten seconds after it was made.
        await project.config("renewBefore", "3590s");
        await project.up();
        await expectServed();
        expect(await ask(await identity())).toBe("/comes /stays");
    });

    it("are renewed when their time has come, which a preview shows, without stopping a container", async () => {
        const [before, client, key] = [await project.outputs(), await identity(), await shell.run(`cat ${keyFile}`)];
        await pause(Math.max(0, Date.parse(String(before.renewAt)) - Date.now()));
        const preview = await project.preview();
        expect(preview.output).toMatch(/TlsCertificate server update/);
        expect(preview.output).toContain(`${keepRunning}, as last seen, if what is not known yet changes.`);
        const { output } = await project.preview(["--refresh", "--diff"]);
        const day = String(before.expiresAt).slice(0, 10);
        expect(output).toContain(`~ status: "due for renewal, expires on ${day}" => "valid"`);
        expect((await project.up()).output).toMatch(new RegExp(`daemon updating.*: ${keepRunning}`));
        await expectServed();
        expect((await project.outputs()).serialNumber).not.toBe(before.serialNumber);
        expect(await shell.run(`cat ${keyFile}`)).toBe(key);
        expect(await ask(client)).toBe("/comes /stays");
        await project.config("renewBefore", "20m");
        await project.up();
        await project.preview(["--refresh", "--expect-no-changes"]);
    });

    it("follow a new key of the authority, and for a time old and new clients get in", async () => {
        const old = await identity();
        await project.config("rotate", "2");
        expect((await project.up()).output).toMatch(new RegExp(`daemon updating.*: ${keepRunning}`));
        await expectServed();
        const fresh = await identity();
        expect(fresh.cert).not.toBe(old.cert);
        for (const { cert, key } of [old, fresh]) {
            for (const { ca } of [old, fresh]) expect(await ask({ ca, cert, key })).toBe("/comes /stays");
        }
        await project.preview(["--refresh", "--expect-no-changes"]);

        await project.config("overlap", "1s");
        await project.up();
        await expectServed();
        const last = await identity();
        // The same certificate; the other one, by which old clients know the new key, is gone.
        expect(fresh.cert).toContain(last.cert.trim());
        expect(await ask(last)).toBe("/comes /stays");
        expect(await ask({ ...old, ca: last.ca })).toMatch(/^refused:/);
        expect(await ask({ ...last, ca: old.ca })).toMatch(/^refused:/);
        await project.preview(["--refresh", "--expect-no-changes"]);
    });

    it("show that they have expired, as drift and as a warning, and are made anew", async () => {
        await project.config("validity", "12s");
        await project.config("renewBefore", "1s");
        await project.up();
        const { expiresAt } = await project.outputs();
        await pause(Math.max(0, Date.parse(String(expiresAt)) - Date.now()));
        const { output } = await project.preview(["--refresh", "--diff"]);
        expect(output).toContain(`~ status: "expired on ${String(expiresAt).slice(0, 10)}" => "valid"`);
        const words = `the certificate of the API expired on ${String(expiresAt).slice(0, 10)}`;
        expect(output).toContain(`~ daemon: "${words}" => "as configured"`);
        expect(await ask(await identity())).toMatch(/^refused:.*expired/);
        await project.config("validity", "1h");
        await project.up(["--refresh"]);
        await expectServed();
        expect(await ask(await identity())).toBe("/comes /stays");
    });

    it("go, the port with them, and no container was ever stopped", async () => {
        await project.destroy();
        expect(await plainRequest(host.address, 2376)).toBe("ECONNREFUSED");
        expect(await shell.ask("find /etc/docker -name '*.pem'; ls /var/lib/pulumi-docker-fleet")).toBe("");
        expect(await daemon.file()).toEqual({ "live-restore": true });
        expect(await daemon.processes()).toEqual(containers);
    });

    it("left the port open without TLS at no moment", async () => {
        const answers = await stranger.stop();
        expect(Object.keys(answers).filter((answer) => answer.startsWith("2"))).toEqual([]);
        // The stranger was there in all states: closed, being restarted, and open for others.
        expect(answers["400 Client sent an HTTP request to an HTTPS server."]).toBeGreaterThan(50);
        expect(answers.ECONNREFUSED).toBeGreaterThan(10);
    });

    it("come about by the program in examples/tls-api, whose output leads the docker client there", async () => {
        const example = await PulumiProject.create({
            program: { directory: join(__dirname, "..", "..", "examples", "tls-api") },
            typeCheck: true,
        });
        try {
            await example.config("host", host.address);
            await example.config("user", "admin");
            await example.config("password", lab.password, { secret: true });
            await example.up();
            const { environment, endpoint, expiry } = await example.outputs();
            expect(endpoint).toBe(`tcp://${host.address}:2376`);
            expect(new Date((await shown()).valid_to).toISOString()).toBe((expiry as { server: string }).server);
            const text = `${environment}\necho "$DOCKER_HOST"; docker ps --format '{{.Names}}' | sort`;
            expect(await shell.run(text)).toBe(`${endpoint}\ncomes\nstays`);
            await example.preview(["--refresh", "--expect-no-changes"]);
            expect(await daemon.processes()).toEqual(containers);
            await example.destroy();
            expect(await plainRequest(host.address, 2376)).toBe("ECONNREFUSED");
        } finally {
            await example.remove();
        }
    });
});
