import * as pulumi from "@pulumi/pulumi";
import { FleetResource, providerText } from "../../../src/resources/base";

class Thing extends FleetResource {
    declare readonly connection: pulumi.Output<{ host: string; password?: string }>;
    declare readonly version: pulumi.Output<string>;

    constructor(name: string, args: object, options?: pulumi.CustomResourceOptions) {
        super(
            { kind: "Thing", provider: "mount", outputs: ["version"], secretOutputs: ["version"] },
            name,
            args,
            options,
        );
    }
}

const registered: pulumi.runtime.MockResourceArgs[] = [];

beforeAll(() =>
    pulumi.runtime.setMocks(
        {
            newResource(args) {
                registered.push(args);
                return { id: `${args.name}-id`, state: { ...args.inputs, version: "28.5" } };
            },
            call: () => ({}),
        },
        "project",
        "stack",
    ),
);

function value<T>(output: pulumi.Output<T>): Promise<T> {
    return new Promise((resolve) => output.apply(resolve));
}

describe("FleetResource", () => {
    it("has a frozen provider text of at most 64 bytes", () => {
        expect(providerText("sshKey")).toBe('this.handler=_=>require("pulumi-docker-fleet/provider").sshKey');
        expect(providerText("12345678").length).toBeLessThanOrEqual(64);
    });

    it("registers with its own type, the provider text and the URN, and shows outputs that are no inputs", async () => {
        const thing = new Thing("web", { connection: { host: "a" } });
        expect(await value(thing.version)).toBe("28.5");
        const type = "pulumi-nodejs:dynamic/docker-fleet:Thing";
        expect(registered.find(({ name }) => name === "web")).toMatchObject({
            type,
            inputs: { connection: { host: "a" }, __provider: providerText("mount"), __urn: await value(thing.urn) },
        });
        expect(await value(thing.urn)).toContain(type);
    });

    it("knows its URN below a component, beside a sibling", async () => {
        const group = new pulumi.ComponentResource("test:index:Group", "group");
        for (const name of ["one", "two"]) {
            const urn = await value(new Thing(name, { connection: { host: name } }, { parent: group }).urn);
            expect(registered.find((args) => args.name === name)?.inputs.__urn).toBe(urn);
        }
    });

    it("makes the secrets of jump hosts secret too, however deep", async () => {
        const inner = { host: "c", privateKey: "k" };
        const proxy = pulumi.output({ host: "b", password: "x", proxy: inner });
        new Thing("behind", { connection: { host: "a", proxy } });
        const thing = new Thing("plain", { connection: { host: "a", proxy: { host: "b", proxy: { host: "c" } } } });
        expect(await pulumi.isSecret(thing.connection)).toBe(false);
        await new Promise((resolve) => setTimeout(resolve, 100));
        const { connection } = registered.find(({ name }) => name === "behind")!.inputs;
        const secret = (value: unknown) => ({ [pulumi.runtime.specialSigKey]: pulumi.runtime.specialSecretSig, value });
        expect(connection).toMatchObject(secret({ host: "a", proxy: { host: "b", password: "x", proxy: inner } }));
    });

    it("takes a proxy that turns out to be none", async () => {
        const proxy = pulumi.output(undefined as unknown as { host: string });
        const thing = new Thing("direct", { connection: { host: "a", proxy } });
        expect(await value(thing.connection)).toEqual({ host: "a" });
    });

    it("makes the secrets in a connection secret and the outputs named so", async () => {
        const thing = new Thing("secret", { connection: { host: "a", password: "x" } });
        expect(await pulumi.isSecret(thing.connection)).toBe(true);
        expect(await pulumi.isSecret(thing.version)).toBe(false);
        const other = new Thing("other", { connection: thing.connection });
        expect(await value(other.connection)).toMatchObject({ host: "a", password: "x" });
    });
});
