import { connect } from "node:tls";
import Docker from "dockerode";
import { Lab, type LabHost } from "../../lab";
import { tlsCa, tlsCert } from "../../src/provider";
import { closeAllConnections } from "../../src/ssh";
import { type Certificate, makeCertificate, signer } from "../support/certificates";
import { Daemon, DaemonResource } from "../support/daemon";
import { DockerCli } from "../support/docker-cli";
import { login } from "../support/docker-host";
import { describeLab, suiteReleases } from "../support/levels";
import { Shell } from "../support/shell";
import { plainRequest as plain, Stranger } from "../support/stranger";

describeLab.each(suiteReleases("trixie"))("the API over TCP on %s", (release) => {
    let lab: Lab;
    let host: LabHost;
    let shell: Shell;
    let daemon: Daemon;
    let config: DaemonResource;
    let cli: DockerCli;
    let ca: Certificate;
    let server: Certificate;
    let client: Certificate;
    let stranger: Stranger;

    const settings = { "live-restore": true };
    const tls = () => ({ ca: ca.bundle, cert: server.certificate, key: server.privateKey });
    const serverArgs = (more: object = {}) => ({
        commonName: "server",
        hosts: [host.address],
        authority: signer(ca),
        ...more,
    });

    /** The real client, with a certificate of its own. */
    async function docker(identity: Certificate | undefined, ...args: string[]): Promise<string> {
        const path = identity ? "/root/with" : "/root/without";
        await cli.write(`${path}/ca.pem`, ca.bundle);
        const trust = `--tlsverify --tlscacert ${path}/ca.pem`;
        if (identity === undefined) return cli.run(`docker -H tcp://${host.address}:2376 ${trust} ${args.join(" ")}`);
        await cli.write(`${path}/cert.pem`, identity.certificate);
        await cli.write(`${path}/key.pem`, identity.privateKey);
        const own = `--tlscert ${path}/cert.pem --tlskey ${path}/key.pem`;
        return cli.run(`docker -H tcp://${host.address}:2376 ${trust} ${own} ${args.join(" ")}`);
    }

    /** The serial number of the certificate that the daemon shows. */
    function shown(): Promise<string> {
        return new Promise((resolve, reject) => {
            const socket = connect({ host: host.address, port: 2376, rejectUnauthorized: false }, () => {
                resolve(socket.getPeerCertificate().serialNumber);
                socket.destroy();
            });
            socket.on("error", reject);
        });
    }

    /** What the stranger was answered, which was never the API. */
    async function expectNeverOpen(): Promise<Record<string, number>> {
        const answers = await stranger.stop();
        expect(Object.keys(answers).filter((answer) => answer.startsWith("2"))).toEqual([]);
        return answers;
    }

    beforeAll(async () => {
        lab = await Lab.open();
        host = await lab.up(lab.uniqueName(release), { release, layer: "docker" });
        cli = await DockerCli.open(lab);
        shell = await Shell.open(lab, host);
        daemon = new Daemon(shell);
        await daemon.run({ keeps: "unless-stopped" });
        config = new DaemonResource("web", { connection: login(lab, host) });
        ca = await makeCertificate(tlsCa, { commonName: "ca" });
        server = await makeCertificate(tlsCert, serverArgs());
        client = await makeCertificate(tlsCert, { commonName: "admin", use: "client", authority: signer(ca) });
        stranger = new Stranger(host.address, 2376);
    });

    afterAll(async () => {
        await stranger?.stop();
        shell?.close();
        cli?.close();
        await closeAllConnections();
        await lab?.close();
    });

    it("is opened with TLS for those who have a certificate, beside the machine's own socket", async () => {
        await config.up({ settings });
        const containers = await daemon.processes();
        await config.up({ settings, api: { tcp: { tls: tls() } } });
        expect(config.outputs.plan).toBe("restart; live-restore is on, 1 container keeps running");
        expect(await daemon.processes()).toEqual(containers);
        const { hosts, ...file } = await daemon.file();
        expect(hosts).toEqual(["fd://", "tcp://0.0.0.0:2376"]);
        expect(file).toMatchObject({ tls: true, tlsverify: true });
        const version = await shell.run("docker version --format '{{.Server.Version}}'");
        expect(await docker(client, "version", "--format", "'{{.Server.Version}}'")).toBe(version);
        expect(await docker(undefined, "version")).toMatch(/^refused:/);
        expect(await docker(server, "version")).toMatch(/^refused:/);
        const other = await makeCertificate(tlsCa, { commonName: "ca" });
        const foreign = await makeCertificate(tlsCert, {
            commonName: "admin",
            use: "client",
            authority: signer(other),
        });
        expect(await docker(foreign, "version")).toMatch(/^refused:/);
    });

    it("keeps certificates and key from everybody but root", async () => {
        const modes = await shell.run("stat -c '%a %U:%G %n' /etc/docker/docker-fleet-tls/*");
        expect(modes.split("\n").map((line) => line.replace(/-[0-9a-f]{16}/, ""))).toEqual([
            "400 root:root /etc/docker/docker-fleet-tls/ca.pem",
            "400 root:root /etc/docker/docker-fleet-tls/cert.pem",
            "400 root:root /etc/docker/docker-fleet-tls/key.pem",
        ]);
        const others = await shell.run(
            "grep -rlF -e 'PRIVATE KEY' /etc/docker /var/lib/pulumi-docker-fleet /tmp /etc/systemd/system || :",
        );
        expect(others).toMatch(/^\/etc\/docker\/docker-fleet-tls\/key-[0-9a-f]{16}\.pem$/);
    });

    it("serves dockerode", async () => {
        const { privateKey: key, certificate: cert } = client;
        const dockerode = new Docker({ protocol: "https", host: host.address, port: 2376, ca: ca.bundle, cert, key });
        expect((await dockerode.listContainers()).map(({ Names }) => Names)).toEqual([["/keeps"]]);
        const container = await dockerode.createContainer({ Image: "tiny", Cmd: ["/usr/bin/sleep", "1"] });
        await container.start();
        expect(await container.wait()).toMatchObject({ StatusCode: 0 });
        await container.remove();
    });

    it("shows no drift, finds a key that others may read, and takes that away without a restart", async () => {
        expect(await config.drift()).toEqual({});
        expect(await config.up()).toBe("same");
        const pid = await daemon.process();
        await shell.run("chmod 0444 /etc/docker/docker-fleet-tls/key-*");
        expect(await config.drift()).toEqual({
            daemon: ["the files of the certificates were changed", "as configured"],
        });
        await config.up();
        expect(await shell.run("stat -c %a /etc/docker/docker-fleet-tls/key-*")).toBe("400");
        expect(await daemon.process()).toBe(pid);
        expect(await config.drift()).toEqual({});
    });

    it("finds that somebody has opened the port to everybody, and closes it", async () => {
        // Who opens the port here is not us, so the stranger pauses; until now nothing was open.
        await expectNeverOpen();
        const file = await daemon.file();
        await daemon.write({ ...settings, hosts: file.hosts, tls: false });
        // Newer daemons wait 16 s before they open such a port.
        await daemon.restart();
        expect(await plain(host.address, 2376)).toBe("200 OK");
        expect(await config.drift()).toMatchObject({ daemon: ["open to everybody, without TLS", "as configured"] });
        await config.up();
        expect(await plain(host.address, 2376)).not.toMatch(/^200/);
        expect(await docker(client, "version")).not.toMatch(/refused/);
        stranger = new Stranger(host.address, 2376);
    });

    it("changes certificates, the authority's too, without stopping a container and without locking anybody out", async () => {
        const containers = await daemon.processes();
        const [old, oldCa] = [client, ca];
        server = await makeCertificate(tlsCert, serverArgs({ hosts: [host.address, "localhost"] }), server);
        await config.up({ api: { tcp: { tls: tls() } } });
        const serial = await shown();
        ca = await makeCertificate(tlsCa, { commonName: "ca", rotate: "2" }, ca);
        server = await makeCertificate(tlsCert, serverArgs({ hosts: [host.address, "localhost"] }), server);
        client = await makeCertificate(tlsCert, { commonName: "admin", use: "client", authority: signer(ca) }, client);
        await config.up({ api: { tcp: { tls: tls() } } });
        expect(config.outputs.plan).toBe("restart; live-restore is on, 1 container keeps running");
        expect(await shown()).not.toBe(serial);
        expect(await daemon.processes()).toEqual(containers);
        const both = ca.bundle;
        for (const trusted of [both, oldCa.bundle]) {
            for (const identity of [client, old]) {
                ca = { ...ca, bundle: trusted };
                expect(await docker(identity, "ps", "--format", "'{{.Names}}'")).toBe("keeps");
            }
        }
        ca = { ...ca, bundle: both };
        expect(await shell.run("ls /etc/docker/docker-fleet-tls | wc -l")).toBe("3");
    });

    it("stays as it is when a change fails", async () => {
        const [file, serial, containers] = [await daemon.file(), await shown(), await daemon.processes()];
        const files = await shell.run("cd /etc/docker/docker-fleet-tls && sha256sum *");
        const good = server;
        server = await makeCertificate(tlsCert, serverArgs({ hosts: [host.address] }), server);
        const wrong = { ...settings, "seccomp-profile": "/nonsense" };
        const failed = config.up({ settings: wrong, api: { tcp: { tls: tls() } } });
        await expect(failed).rejects.toThrow(/DAEMON_CONFIG_FAILED.*Everything is as it was before/s);
        expect(await daemon.file()).toEqual(file);
        expect(await shown()).toBe(serial);
        expect(await shell.run("cd /etc/docker/docker-fleet-tls && sha256sum *")).toBe(files);
        expect(await daemon.processes()).toEqual(containers);
        server = good;
        await config.up({ settings, api: { tcp: { tls: tls() } } });
    });

    it("is closed again, and nothing of it is left", async () => {
        const containers = await daemon.processes();
        await config.up({ api: undefined });
        expect(await daemon.processes()).toEqual(containers);
        expect(await daemon.file()).toEqual(settings);
        expect(await plain(host.address, 2376)).toBe("ECONNREFUSED");
        expect(
            await shell.run("find /etc/docker/docker-fleet-tls /etc/systemd/system/docker.service.d || :"),
        ).not.toMatch(/pem|hosts/);
        expect(await config.drift()).toEqual({});
    });

    it("was at no moment open without TLS", async () => {
        const answers = await expectNeverOpen();
        // The stranger was there in all states: closed, being restarted, and open for others.
        expect(answers["400 Client sent an HTTP request to an HTTPS server."]).toBeGreaterThan(50);
        expect(answers.ECONNREFUSED).toBeGreaterThan(10);
    });

    it("is open to everybody for those who insist, as old tutorials have it", async () => {
        const hosts = ["unix:///var/run/docker.sock", `tcp://${host.address}:6066`];
        const wrong = await config.up({ settings: { ...settings, hosts } }).catch(({ message }: Error) => message);
        expect(wrong).toMatch(/settings\.hosts: tcp:.*makes everybody who reaches that port root/);
        const warn = jest.spyOn(console, "warn").mockImplementation(() => {});
        try {
            await config.up({ settings: { ...settings, hosts }, api: { tcp: { allowUnprotected: true } } });
            expect(warn).toHaveBeenCalledWith(expect.stringMatching(/^allowUnprotected is set: everybody/));
            const seen = `${host.address}:6066 answers the Docker API without TLS, as seen from here: who can do that is root`;
            expect(warn).toHaveBeenCalledWith(expect.stringContaining(seen));
            // Whoever has opened it: other resources of the machine tell of it, too.
            warn.mockClear();
            const other = new DaemonResource("other", { connection: login(lab, host), settings: { debug: true } });
            await other.up();
            expect(warn).toHaveBeenCalledWith(expect.stringContaining(seen));
            expect(await other.drift()).toEqual({});
            await other.destroy();
        } finally {
            warn.mockRestore();
        }
        expect((await daemon.file()).hosts).toEqual(hosts);
        const version = JSON.parse((await plain(host.address, 6066, "/version")).replace(/^200 /, ""));
        expect(version.Version).toBe(await shell.run("docker version --format '{{.Server.Version}}'"));
        const list = JSON.parse((await plain(host.address, 6066, "/containers/json")).replace(/^200 /, ""));
        expect(list.map(({ Names }: { Names: string[] }) => Names)).toEqual([["/keeps"]]);
        const dockerode = new Docker({ protocol: "http", host: host.address, port: 6066 });
        const container = await dockerode.createContainer({ Image: "tiny", Cmd: ["/usr/bin/sleep", "1"], name: "new" });
        await container.start();
        expect(await container.wait()).toMatchObject({ StatusCode: 0 });
        await container.remove();
        expect(await config.drift()).toEqual({});
        await config.destroy();
        expect(await plain(host.address, 6066)).toBe("ECONNREFUSED");
    });
});
