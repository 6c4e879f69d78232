import * as pulumi from "@pulumi/pulumi";
import { type ConnectionArgs, secretConnectionKeys } from "./connection";
import { type Defaults, readDefaults, startProgramTranscript, withDefaults } from "./defaults";

/** What a resource class tells its base about itself. */
export interface ResourceKind {
    /** Last part of the type token, e.g. `"DockerHost"`. */
    kind: string;
    /** Name under which `pulumi-docker-fleet/provider` exports the resource's provider, at most 8 letters. */
    provider: string;
    /** Outputs that are no inputs; without being named here they never appear on the resource. */
    outputs: readonly string[];
    /** Those of the outputs that hold secrets. */
    secretOutputs?: readonly string[];
}

/**
 * The text from which the engine makes the provider object. It only names the package, so that every operation, also the
 * deletion of a resource made years ago, runs the installed version; and it is stored twice per resource, so it is short.
 */
export function providerText(name: string): string {
    return `this.handler=_=>require("pulumi-docker-fleet/provider").${name}`;
}

/**
 * The base of all resource classes of this package. Subclasses declare their outputs with `declare readonly`: an ordinary
 * field would be set to undefined after this constructor has filled it.
 */
export abstract class FleetResource extends pulumi.CustomResource {
    /**
     * @param kind what is particular to the class
     * @param name the resource's name in the program
     * @param args its arguments; the secret parts of an argument `connection` become secrets whether or not the program says so
     * @param options the resource options of the program
     */
    protected constructor(kind: ResourceKind, name: string, args: object, options?: pulumi.CustomResourceOptions) {
        startProgramTranscript();
        const type = `pulumi-nodejs:dynamic/docker-fleet:${kind.kind}`;
        const outputs = Object.fromEntries(kind.outputs.map((output) => [output, undefined]));
        const secrets = kind.secretOutputs ? { additionalSecretOutputs: [...kind.secretOutputs] } : {};
        super(
            type,
            name,
            {
                ...outputs,
                ...withSecretConnection(args),
                __urn: urnOf(name, type, options?.parent),
                __provider: providerText(kind.provider),
            },
            pulumi.mergeOptions(secrets, options),
        );
    }
}

/**
 * The URN that the resource will have, for live lines on its row. It must not depend on the parent as an output would: all
 * children of a component would then wait for each other.
 */
function urnOf(name: string, type: string, parent: pulumi.Resource | undefined): Promise<string> {
    return new Promise((resolve) => {
        pulumi.createUrn(name, type, parent).apply(resolve);
    });
}

/**
 * The arguments with `connection` taken apart: filled with the stack's defaults, its secrets secret, and only what is unknown
 * unknown.
 */
function withSecretConnection(args: object): object {
    const { connection } = args as { connection?: pulumi.Input<ConnectionArgs> };
    return connection === undefined ? args : { ...args, connection: completeConnection(connection) };
}

/**
 * A connection as it is registered: filled with the stack's defaults, its secrets secret.
 *
 * @throws pulumi.RunError for a setting in the stack's configuration that does not exist or cannot be read
 */
export function completeConnection(connection: pulumi.Input<ConnectionArgs>): pulumi.Input<ConnectionArgs> {
    // Read now: what is wrong in the configuration ends the program here and not somewhere in a chain of promises.
    return completeWith(connection, readDefaults());
}

function completeWith(connection: pulumi.Input<ConnectionArgs>, defaults: Defaults): pulumi.Input<ConnectionArgs> {
    if (!pulumi.Output.isInstance(connection) && !(connection instanceof Promise)) {
        return complete(connection, defaults);
    }
    // One secret part makes all of another resource's connection secret; then not even the host would be readable.
    return pulumi.unsecret(pulumi.output(connection)).apply((known) =>
        // An SshKey hands on each part of its connection, also a proxy that is none.
        known === undefined ? (known as unknown as ConnectionArgs) : complete(known as ConnectionArgs, defaults),
    );
}

function complete(given: ConnectionArgs, defaults: Defaults): ConnectionArgs {
    const { connection, secrets } = withDefaults(given, defaults);
    const wrapped: ConnectionArgs = { ...connection };
    if (connection.proxy !== undefined) {
        // The defaults are those of the machines, which a jump host is not one of.
        wrapped.proxy = completeWith(connection.proxy, {});
    }
    for (const key of [...secretConnectionKeys, ...secrets]) {
        if (wrapped[key] !== undefined) {
            Object.assign(wrapped, { [key]: pulumi.secret(wrapped[key]) });
        }
    }
    return wrapped;
}
