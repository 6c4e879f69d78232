import { execFile, execFileSync } from "node:child_process";
import { createPublicKey, X509Certificate } from "node:crypto";
import { join } from "node:path";
import { promisify } from "node:util";
import { OpenSsl } from "../support/openssl";
import { type DeploymentResource, PulumiProject } from "../support/pulumi";
import { greeter, shakeHands } from "../support/tls-handshake";

jest.setTimeout(600_000);

const run = promisify(execFile);
const repository = join(__dirname, "..", "..");
const openssl = new OpenSsl();
let project: PulumiProject;

/** A fleet's certificates; the arguments of each are added to it. */
function program(args: { ca?: string; server?: string; client?: string; more?: string } = {}): string {
    return `
        import * as pulumi from "@pulumi/pulumi";
        import { TlsAuthority, TlsCertificate } from "pulumi-docker-fleet";
        const ca = new TlsAuthority("fleet-ca", { ${args.ca ?? ""} });
        const server = new TlsCertificate("web-server", { authority: ca, ${args.server ?? 'hosts: ["127.0.0.1"]'} });
        const client = new TlsCertificate("admin", { authority: ca, use: "client", ${args.client ?? ""} });
        ${args.more ?? ""}
        export const trust = ca.bundle;
        export const expiry = [ca.expiresAt, server.expiresAt, client.expiresAt];
        export const serverSide = { certificate: server.certificate, privateKey: server.privateKey, trusted: ca.bundle };
        export const clientSide = { certificate: client.certificate, privateKey: client.privateKey, trusted: ca.bundle };
    `;
}

interface Side {
    certificate: string;
    privateKey: string;
    trusted: string;
}
interface Outputs {
    trust: string;
    expiry: string[];
    serverSide: Side;
    clientSide: Side;
}
const outputs = async () => (await project.outputs()) as unknown as Outputs;
const publicKey = (pem: string) => createPublicKey(pem).export({ type: "spki", format: "pem" }).toString();

async function resource(name: string): Promise<DeploymentResource> {
    const { deployment } = await project.export();
    return deployment.resources!.find(({ urn }) => urn.endsWith(`::${name}`))!;
}

beforeAll(async () => {
    // Programs load the package as it is built.
    execFileSync(process.execPath, [join(repository, "tools", "build.mjs"), "--if-needed"]);
    project = await PulumiProject.create({ program: program(), typeCheck: true });
    const { output } = await project.preview(["--diff"]);
    expect(output).toMatch(/commonName *: "fleet-ca"/);
    await project.up();
});

afterAll(async () => {
    await project?.remove();
    openssl.remove();
});

it("makes certificates that OpenSSL accepts for their use, named after their resources", async () => {
    const { trust, serverSide, clientSide, expiry } = await outputs();
    const verify = (certificate: string, ...options: string[]) => openssl.verify(certificate, trust, options);
    expect(verify(serverSide.certificate, "-purpose", "sslserver", "-verify_ip", "127.0.0.1")).toBe("OK");
    expect(verify(clientSide.certificate, "-purpose", "sslclient")).toBe("OK");
    expect(verify(serverSide.certificate, "-purpose", "sslclient")).toMatch(/unsuitable certificate purpose/i);
    expect(openssl.show(clientSide.certificate, "-subject", "-issuer", "-nameopt", "RFC2253")).toBe(
        "subject=CN=admin\nissuer=CN=fleet-ca\n",
    );
    const days = expiry.map((text) => Math.round((Date.parse(text) - Date.now()) / 86_400_000));
    expect(days).toEqual([3_650, 365, 365]);
});

it("lets openssl s_client in over TLS 1.2 and 1.3 with the client's certificate, and not without", async () => {
    const { serverSide, clientSide } = await outputs();
    openssl.file("client.pem", clientSide.certificate);
    openssl.file("client.key", clientSide.privateKey);
    openssl.file("ca.pem", clientSide.trusted);
    const server = await greeter(serverSide);
    const listen = async (...options: string[]) => {
        const target = ["-connect", `127.0.0.1:${server.port}`, "-verify_ip", "127.0.0.1"];
        const trust = ["-CAfile", "ca.pem", "-verify_return_error"];
        const args = ["s_client", ...target, ...trust, "-quiet", ...options];
        const { stdout } = await run("openssl", args, { cwd: openssl.directory, timeout: 20_000 }).catch(
            (error) => error,
        );
        return stdout;
    };
    try {
        for (const version of ["-tls1_2", "-tls1_3"]) {
            expect(await listen("-cert", "client.pem", "-key", "client.key", version)).toBe("hello");
            expect(await listen(version)).toBe("");
            expect(server.refusals).toHaveLength(1);
            server.refusals.length = 0;
        }
    } finally {
        await server.close();
    }
});

it("keeps private keys encrypted in the state, and out of everything that is printed", async () => {
    const { stdout } = await project.run(["stack", "export"]);
    expect(stdout).not.toContain("PRIVATE KEY");
    const state = await resource("web-server");
    const encrypted = { ciphertext: expect.any(String) };
    expect(state.outputs).toMatchObject({ privateKey: encrypted, certificate: expect.stringContaining("BEGIN CERT") });
    expect(state.inputs?.authority).toMatchObject({ privateKey: encrypted, certificate: expect.any(String) });
    expect((await project.run(["stack", "output"])).stdout).not.toContain("PRIVATE KEY");
});

it("changes nothing when nothing has changed", async () => {
    await project.preview(["--expect-no-changes"]);
    await project.preview(["--refresh", "--expect-no-changes"]);
});

it("signs anew in place, for the same key, when only the hosts change, and touches nothing else", async () => {
    const before = await outputs();
    await project.write(program({ server: 'hosts: ["127.0.0.1", "Web.example.com"]' }));
    const preview = await project.preview(["--diff"]);
    expect(preview.output).toMatch(/\+ \[1\]: "web\.example\.com"/);
    expect(preview.output).toMatch(/~ 1 to update\n/);
    expect(preview.output).not.toMatch(/replace/);
    await project.up();
    const after = await outputs();
    expect(publicKey(after.serverSide.privateKey)).toBe(publicKey(before.serverSide.privateKey));
    expect(openssl.show(after.serverSide.certificate, "-ext", "subjectAltName")).toContain(
        "IP Address:127.0.0.1, DNS:web.example.com",
    );
    expect(after.clientSide).toEqual(before.clientSide);
    expect(after.trust).toBe(before.trust);
    await project.write(program());
    await project.up();
});

it("rotates the authority's key in place, and old and new certificates work together", async () => {
    const before = await outputs();
    await project.write(program({ ca: 'rotate: "2027"' }));
    const preview = await project.preview(["--diff"]);
    expect(preview.output).toMatch(/~ 3 to update\n/);
    expect(preview.output).not.toMatch(/replace/);
    await project.up();
    const after = await outputs();
    expect(after.trust.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
    expect(after.serverSide.privateKey).toBe(before.serverSide.privateKey);
    expect(new X509Certificate(after.serverSide.certificate).issuer).toBe("CN=fleet-ca\nserialNumber=2");
    for (const server of [before.serverSide, after.serverSide]) {
        for (const client of [before.clientSide, after.clientSide]) {
            expect(await shakeHands(server, client)).toBe("OK");
        }
    }
    await project.preview(["--refresh", "--expect-no-changes"]);
    await project.write(program({ ca: 'rotate: "2027", overlap: "0"' }));
    await project.up();
    const ended = await outputs();
    expect(ended.trust.match(/BEGIN CERTIFICATE/g)).toHaveLength(1);
    expect(await shakeHands(ended.serverSide, ended.clientSide)).toBe("OK");
    expect(await shakeHands(ended.serverSide, before.clientSide)).not.toBe("OK");
});

it("shows in a preview, with and without a refresh, that a certificate nears its end, and renews it", async () => {
    // It is due two seconds after it was made; its authority's parts come through a plain output.
    await project.write(
        program({
            more: `
                const authority = pulumi.output({ certificate: ca.certificate, privateKey: ca.privateKey });
                new TlsCertificate("short", { authority, use: "client", validity: "1m", renewBefore: "58s" });
            `,
        }),
    );
    await project.up();
    const { outputs: made } = await resource("short");
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, Date.parse(made!.renewAt as string) - Date.now())));
    const preview = await project.preview(["--diff"]);
    expect(preview.output).toMatch(/~ 1 to update\n/);
    const { output } = await project.preview(["--refresh", "--diff", "--expect-no-changes"], { expect: "failure" });
    expect(output).toMatch(/~ status: "due for renewal, expires on [-\d]+" => "valid"/);
    await project.up();
    const { outputs: renewed } = await resource("short");
    expect(Date.parse(renewed!.expiresAt as string)).toBeGreaterThan(Date.parse(made!.expiresAt as string));
    const key = ({ certificate }: Record<string, unknown>) => publicKey(certificate as string);
    expect(key(renewed!)).toBe(key(made!));
});

it("refuses wrong arguments in the preview, without a key in the message", async () => {
    await project.write(program({ server: 'hosts: ["tcp://127.0.0.1:2376"]' }));
    const { output } = await project.preview([], { expect: "failure" });
    expect(output).toContain("TlsCertificate: argument hosts[0]: expected a host name");
    await project.write(
        program({
            server: `hosts: ["a"], ...({ authority: { certificate: "ca.pem", privateKey: "not-to-be-seen" } } as object)`,
        }),
    );
    const wrong = await project.preview([], { expect: "failure" });
    expect(wrong.output).toContain("argument authority.certificate: expected the text of a certificate in PEM");
    expect(wrong.output).toContain("argument authority.privateKey: expected the text of a private key in PEM");
    expect(wrong.output).not.toContain("not-to-be-seen");
});

it("is destroyed", async () => {
    await project.destroy();
});
