import * as pulumi from "@pulumi/pulumi";
import { completeConnection } from "../../../src/resources/base";
import type { ConnectionArgs } from "../../../src/resources/connection";

const encrypted = ["password", "privateKey", "privateKeyPassword", "sudoPassword"];

/** Sets the stack's configuration, `dockerfleet:` left out; keys in `secrets` as if set with `--secret`. */
function configure(config: Record<string, string>, secrets = encrypted): void {
    const full = Object.fromEntries(Object.entries(config).map(([key, value]) => [`dockerfleet:${key}`, value]));
    pulumi.runtime.setAllConfig(
        { ...full, "test:user": "of the project", "aws:region": "of another package" },
        secrets.map((key) => `dockerfleet:${key}`),
    );
}

/** What is registered for a connection, in clear text. */
function registered(connection: pulumi.Input<ConnectionArgs>): Promise<Record<string, unknown>> {
    return new Promise((resolve) =>
        pulumi.output(completeConnection(connection)).apply((known) => resolve(JSON.parse(JSON.stringify(known)))),
    );
}

afterEach(() => configure({}));

describe("a connection", () => {
    it("is left as it is where the configuration says nothing", async () => {
        configure({});
        expect(await registered({ host: "a" })).toEqual({ host: "a" });
    });

    it("gets what it does not give, in the type of the argument", async () => {
        configure({ user: "admin", port: "2222", privateKey: "k", perDialTimeout: "7", strictHostKeyChecking: "yes" });
        const defaults = { port: 2222, privateKey: "k", perDialTimeout: 7, strictHostKeyChecking: "yes" };
        expect(await registered({ host: "a" })).toEqual({ host: "a", user: "admin", ...defaults });
        expect(await registered({ host: "a", user: "root", port: undefined })).toEqual({
            host: "a",
            user: "root",
            ...defaults,
        });
    });

    it("gets lists out of JSON", async () => {
        configure({ identityFile: '["~/.ssh/a", "b"]' });
        expect(await registered({ host: "a" })).toEqual({ host: "a", identityFile: ["~/.ssh/a", "b"] });
        configure({ identityFile: "~/.ssh/a" });
        expect(await registered({ host: "a" })).toEqual({ host: "a", identityFile: "~/.ssh/a" });
    });

    it("that is another resource's gets the same, and no more the second time", async () => {
        configure({ user: "admin", password: "p", sudoPassword: "s" });
        const once = { host: "a", user: "admin", password: "p", sudoPassword: "s" };
        expect(await registered(pulumi.output({ host: "a" }))).toEqual(once);
        expect(await registered(Promise.resolve({ host: "a" }))).toEqual(once);
        configure({ user: "other", privateKey: "k", port: "7" });
        expect(await registered(pulumi.output(once))).toEqual({ ...once, port: 7 });
    });

    it.each([
        { given: { password: "own" } },
        { given: { privateKey: "own" } },
        { given: { agentSocketPath: "/own" } },
        { given: { password: pulumi.secret("own") }, plain: { password: "own" } },
    ])("that says itself how it logs in ($given) gets no other way in", async ({ given, plain }) => {
        configure({ password: "p", privateKey: "k", privateKeyPassword: "kp", agentSocketPath: "/agent", port: "7" });
        expect(await registered({ host: "a", ...given })).toEqual({ host: "a", ...(plain ?? given), port: 7 });
    });

    it("with a password of its own keeps that one for sudo; with a key of its own it gets the configuration's", async () => {
        configure({ sudoPassword: "s" });
        expect(await registered({ host: "a", password: "own" })).toEqual({ host: "a", password: "own" });
        expect(await registered({ host: "a", privateKey: "own" })).toMatchObject({ sudoPassword: "s" });
    });

    it("of another user gets the configuration's key, and no password", async () => {
        configure({ user: "admin", password: "p", sudoPassword: "s" });
        for (const user of ["bob", pulumi.output("bob")]) {
            expect(await registered({ host: "a", user })).toEqual({ host: "a", user: "bob" });
        }
        expect(await registered({ host: "a", user: pulumi.output("admin") })).toMatchObject({ password: "p" });
        configure({ password: "p" });
        expect(await registered({ host: "a", user: "bob" })).toMatchObject({ password: "p" });
        configure({ user: "admin", privateKey: "k" });
        expect(await registered({ host: "a", user: "bob" })).toMatchObject({ privateKey: "k" });
    });
});

describe("a way through jump hosts", () => {
    const outer = { host: "outer", user: "jump" };
    const inner = { host: "inner", proxy: outer };

    it("is that of every machine that has none of its own, and the jump hosts get no defaults", async () => {
        configure({ user: "admin", proxy: JSON.stringify(inner) }, []);
        expect(await registered({ host: "a" })).toEqual({ host: "a", user: "admin", proxy: inner });
        expect(await registered({ host: "a", proxy: { host: "own" } })).toMatchObject({ proxy: { host: "own" } });
    });

    it("is not for a machine that says it needs none", async () => {
        configure({ proxy: JSON.stringify(inner) }, []);
        expect(await registered({ host: "a", proxyCommand: "none" })).toEqual({ host: "a", proxyCommand: "none" });
    });

    it("ends before a machine that is one of them", async () => {
        configure({ proxy: JSON.stringify(inner) }, []);
        expect(await registered({ host: "inner" })).toEqual({ host: "inner", proxy: outer });
        expect(await registered({ host: pulumi.output("inner") })).toEqual({ host: "inner", proxy: outer });
        expect(await registered({ host: "outer" })).toEqual({ host: "outer" });
    });

    it("keeps its passwords secret, and all of it when the configuration does", async () => {
        const warn = jest.spyOn(pulumi.log, "warn").mockResolvedValue();
        const proxy = { host: "outer", password: "p" };
        configure({ proxy: JSON.stringify(proxy) }, []);
        expect(warn.mock.calls).toEqual([]);
        const open = (completeConnection({ host: "a" }) as ConnectionArgs).proxy as ConnectionArgs;
        expect(open.host).toBe("outer");
        expect(warn.mock.calls).toEqual([[expect.stringContaining("dockerfleet:proxy is in clear text")]]);
        warn.mockRestore();
        expect(await pulumi.isSecret(pulumi.output(open.password))).toBe(true);
        configure({ proxy: JSON.stringify(proxy) }, ["proxy"]);
        for (const connection of [{ host: "a" }, { host: "a", proxy }]) {
            const hidden = (completeConnection(connection) as ConnectionArgs).proxy;
            expect(await pulumi.isSecret(pulumi.output(hidden))).toBe(true);
        }
    });
});

describe("secrets", () => {
    it("of the configuration stay secret, others stay readable, and passwords are secret anyway", async () => {
        configure({ user: "admin", port: "7", password: "p" }, ["user", "password"]);
        const { user, port, password } = completeConnection({ host: "a" }) as ConnectionArgs;
        expect(await pulumi.isSecret(pulumi.output(user))).toBe(true);
        expect(await pulumi.isSecret(pulumi.output(password))).toBe(true);
        expect(port).toBe(7);
    });

    it("of the configuration stay secret when they come back through another resource", async () => {
        configure({ user: "admin" }, ["user"]);
        const { user } = completeConnection({ host: "a", user: "admin" }) as ConnectionArgs;
        expect(await pulumi.isSecret(pulumi.output(user))).toBe(true);
    });

    it("in clear text in the configuration are warned of, once", () => {
        const warn = jest.spyOn(pulumi.log, "warn").mockResolvedValue();
        configure({ sudoPassword: "never-to-be-seen", user: "admin" }, []);
        completeConnection({ host: "a" });
        completeConnection({ host: "b" });
        expect(warn.mock.calls).toEqual([[expect.stringContaining("dockerfleet:sudoPassword is in clear text")]]);
        warn.mockRestore();
    });
});

describe("a setting", () => {
    it("that does not exist is an error, with the name that was most likely meant", () => {
        configure({ privatKey: "never-to-be-seen" });
        expect(() => completeConnection({ host: "a" })).toThrow(
            "[INVALID_ARGUMENT] dockerfleet:privatKey: there is no such setting; did you mean dockerfleet:privateKey?",
        );
    });

    it.each([
        ["port", "ssh", "a number"],
        ["strictHostKeyChecking", "no", '"yes" or "accept-new"'],
        ["user", "", "a user name"],
        ["proxy", "bastion", "a connection as a JSON object"],
        ["proxy", '["bastion"]', "a connection as a JSON object"],
        ["identityFile", "[1]", "a path, or a JSON array of paths"],
    ])("%s that cannot be read (%p) is an error without the value", (key, value, expected) => {
        configure({ [key]: value });
        expect(() => completeConnection(pulumi.output({ host: "a" }))).toThrow(
            `[INVALID_ARGUMENT] dockerfleet:${key}: expected ${expected}.`,
        );
    });
});
