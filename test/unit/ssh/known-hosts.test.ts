import { createHmac, randomBytes } from "node:crypto";
import { findKnownKeys, knownHostsName } from "../../../src/ssh/known-hosts";

const key = "ssh-ed25519 AAAAkey";
const accepted = (text: string, host = "web1.example.org", port = 22) => findKnownKeys(text, host, port).accepted;

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
        const text = [
            "# comment",
            "",
            `  web1.example.org\t${key}\r`,
            "web1.example.org ssh-rsa AAAArsa",
            "@revoked * ssh-ed25519 AAAAold",
            "@revoked web2.example.org ssh-ed25519 AAAAolder",
            "@cert-authority *.example.org ssh-ed25519 AAAAca",
            "@unknown web1.example.org ssh-ed25519 AAAAx",
            "web1.example.org",
            "nonsense",
        ].join("\n");
        expect(findKnownKeys(text, "web1.example.org", 22)).toEqual({
            accepted: [key, "ssh-rsa AAAArsa"],
            revoked: ["ssh-ed25519 AAAAold"],
        });
    });
});
