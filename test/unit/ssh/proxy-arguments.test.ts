import fc from "fast-check";
import { resolveConnection } from "../../../src/ssh/connection";
import { canonicalHost } from "../../../src/ssh/host";
import { mask } from "../../../src/ssh/mask";
import { parseProxyUrl } from "../../../src/ssh/proxy-url";

describe("a host", () => {
    it.each([
        ["Web1.Example.org", "web1.example.org"],
        ["203.0.113.10", "203.0.113.10"],
        ["[2001:DB8::1]", "2001:db8::1"],
        ["2001:db8:0:0:0:0:0:1", "2001:db8::1"],
        ["fe80::1%Eth0.10", "fe80::1%Eth0.10"],
        ["[FE80::1%br-lan]", "fe80::1%br-lan"],
    ])("%s is the same as %s", (given, canonical) => expect(canonicalHost(given)).toBe(canonical));

    it.each([
        "",
        "a b",
        "root@web1",
        "ssh://web1",
        "web1:22",
        "[web1]",
        "-oProxyCommand=x",
        "fe80::1%",
        "fe80::1%a%b",
        "a%b",
    ])("cannot be %p", (given) => expect(canonicalHost(given)).toBeUndefined());
});

describe("proxyUrl", () => {
    it("is taken apart, whatever user and password are", () => {
        fc.assert(
            fc.property(fc.string({ unit: "grapheme" }), fc.string({ unit: "grapheme" }), (user, password) => {
                const url = `http://${encodeURIComponent(user)}:${encodeURIComponent(password)}@proxy:3128`;
                expect(parseProxyUrl(url)).toEqual({
                    ...{ kind: "http", host: "proxy", port: 3128, user, password },
                    name: "http://proxy:3128",
                });
            }),
        );
    });

    it.each([
        ["socks5://proxy", { kind: "socks5", host: "proxy", port: 1080, user: "", password: "" }],
        ["socks5h://[2001:db8::1]:9050", { kind: "socks5", host: "2001:db8::1", port: 9050 }],
        ["http://proxy/", { kind: "http", port: 80, name: "http://proxy:80" }],
    ])("%s has the usual defaults", (url, expected) => expect(parseProxyUrl(url)).toMatchObject(expected));

    it.each([
        ["proxy:1080", "must begin with socks5:// or http://, not with proxy://"],
        ["proxy", "must be a URL"],
        ["https://proxy", "must begin with"],
        ["socks4://proxy", "must begin with"],
        ["http://proxy/path", "nothing behind host and port"],
        ["socks5://:1080", "must"],
        ["http://a:%zz@proxy", "a % itself is written %25"],
        [`socks5://a:${"x".repeat(256)}@proxy`, "more than 255 bytes"],
    ])("%s is refused", (proxyUrl, message) => {
        expect(() => resolveConnection({ host: "a", proxyUrl })).toThrow("connection.proxyUrl ");
        expect(parseProxyUrl(proxyUrl)).toContain(message);
    });

    it("is masked in every form in which its password may show up", () => {
        const proxyUrl = "http://jane:s%3Cret@proxy:3128";
        const basic = Buffer.from("jane:s<ret").toString("base64");
        const said = `${proxyUrl} s%3Cret s<ret ${basic}`;
        expect(mask(said, { host: "a", proxy: { host: "b", proxyUrl } })).toBe("[secret] [secret] [secret] [secret]");
    });
});

describe("the ways to a machine", () => {
    const proxy = { host: "b" };
    it.each([
        [{ proxy, proxyCommand: "nc %h %p" }, "proxyCommand cannot be set together"],
        [{ proxy, proxyUrl: "http://p" }, "proxyUrl cannot be set together"],
        [{ proxyCommand: "nc %h %p", proxyUrl: "http://p" }, "proxyUrl cannot be set together"],
        [{ proxyCommand: "nc %h:%x" }, "proxyCommand has the unknown token %x"],
        [{ proxyCommand: "nc %%%" }, "proxyCommand has the unknown token %:"],
        [{ proxyCommand: "nc %h", host: "a;reboot" }, "host has characters"],
        [{ proxyCommand: "nc %h", host: "$(reboot)" }, "host has characters"],
        [{ proxyCommand: "nc %h", user: "-x" }, "user has characters"],
        [{ proxyUrl: "socks5://p", host: "fe80::1%eth0" }, "host must not name an interface"],
    ])("exclude each other and what is dangerous: %j", (parts, message) => {
        expect(() => resolveConnection({ host: "a", ...parts })).toThrow(`connection.${message}`);
        expect(() => resolveConnection({ host: "x", proxy: { host: "a", ...parts } })).toThrow(
            `connection.proxy.${message}`,
        );
    });

    it("go to the shell only with what is harmless there", () => {
        fc.assert(
            fc.property(fc.string({ unit: "grapheme-ascii" }), (host) => {
                try {
                    const resolved = resolveConnection({ host, proxyCommand: "nc %h" });
                    expect(resolved.host).toMatch(/^[\w.:%+-]+$/);
                } catch (error) {
                    expect(error).toMatchObject({ code: "INVALID_ARGUMENT" });
                }
            }),
        );
    });
});
