import { createHmac, randomBytes } from "node:crypto";
import { findKnownKeys, knownHostsName } from "../../../src/ssh/known-hosts";

/** A public key, as to its form. */
function keyOf(type: string, fill: number): string {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(type.length);
    return `${type} ${Buffer.concat([length, Buffer.from(type), Buffer.alloc(36, fill)]).toString("base64")}`;
}

const key = keyOf("ssh-ed25519", 1);
const find = (text: string, host: string, port: number) => findKnownKeys([{ path: "file", text }], host, port);
const accepted = (text: string, host = "web1.example.org", port = 22) =>
    find(text, host, port).accepted.map((known) => known.key);

function hashed(name: string): string {
    const salt = randomBytes(20);
    return `|1|${salt.toString("base64")}|${createHmac("sha1", salt).update(name).digest("base64")}`;
}

describe("known_hosts", () => {
    it("writes the port only when it is not 22", () => {
        expect(knownHostsName("web1", 22)).toBe("web1");
        expect(knownHostsName("web1", 2222)).toBe("[web1]:2222");
    });

    it.each([
        ["web1.example.org", true],
        ["WEB1.Example.ORG", true],
        ["other,web1.example.org", true],
        ["*.example.org", true],
        ["web?.example.org", true],
        ["web1*", true],
        ["web2.example.org", false],
        ["web1.example.orgs", false],
        ["web1xexample.org", false],
        ["*.example.org,!web1.example.org", false],
        ["!web1.example.org,*.example.org", false],
        ["!web2.example.org,*.example.org", true],
        ["!web2.example.org", false],
        ["[web1.example.org]:2222", false],
    ])("pattern %s matches: %p", (pattern, matches) => {
        expect(accepted(`${pattern} ${key} comment\n`)).toEqual(matches ? [key] : []);
    });

    it("finds a host on another port, plain, by pattern and hashed", () => {
        for (const name of ["[web1.example.org]:2222", "[*.example.org]:2222", hashed("[web1.example.org]:2222")]) {
            expect(accepted(`${name} ${key}`, "web1.example.org", 2222)).toEqual([key]);
            expect(accepted(`${name} ${key}`)).toEqual([]);
        }
    });

    it("finds an IPv6 address", () => {
        expect(accepted(`2001:db8::1 ${key}`, "2001:DB8::1")).toEqual([key]);
    });

    it("finds hashed names", () => {
        expect(accepted(`${hashed("web1.example.org")} ${key}`)).toEqual([key]);
        expect(accepted(`${hashed("web2.example.org")} ${key}`)).toEqual([]);
    });

    it("collects every key of a host and keeps revoked ones apart", () => {
        const [rsa, old, ca] = [keyOf("ssh-rsa", 2), keyOf("ssh-ed25519", 3), keyOf("ssh-ed25519", 4)];
        const text = [
            "# comment",
            "",
            `  web1.example.org\t${key}\r`,
            `web1.example.org ${rsa} comment`,
            `@revoked * ${old}`,
            `@revoked web2.example.org ${key}`,
            `@cert-authority *.example.org ${ca}`,
            `@unknown web1.example.org ${key}`,
            `@revoked @cert-authority web1.example.org ${key}`,
            "web1.example.org",
            "web1.example.org ssh-ed25519 AAAAnokey",
            `web1.example.org ssh-rsa ${key.split(" ")[1]}`,
            "nonsense",
        ].join("\n");
        const second = { path: "second", text: `web1.example.org ${key}` };
        expect(findKnownKeys([{ path: "first", text }, second], "web1.example.org", 22)).toEqual({
            accepted: [
                { key, file: "first", line: 3 },
                { key: rsa, file: "first", line: 4 },
                { key, file: "second", line: 1 },
            ],
            revoked: [{ key: old, file: "first", line: 5 }],
            authorities: [{ key: ca, file: "first", line: 7 }],
        });
    });
});
