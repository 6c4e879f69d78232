import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import * as grpc from "@grpc/grpc-js";
import { EngineService, type IEngineServer } from "@pulumi/pulumi/proto/engine_grpc_pb";
import type { LogRequest } from "@pulumi/pulumi/proto/engine_pb";
import { ResourceProviderClient } from "@pulumi/pulumi/proto/provider_grpc_pb";
import {
    CheckRequest,
    ConfigureRequest,
    CreateRequest,
    DeleteRequest,
    DiffRequest,
    DiffResponse,
    ErrorResourceInitFailed,
    ReadRequest,
    UpdateRequest,
} from "@pulumi/pulumi/proto/provider_pb";
import { Status } from "@pulumi/pulumi/proto/status_pb";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { Struct } from "google-protobuf/google/protobuf/struct_pb";

// biome-ignore lint/suspicious/noExplicitAny: what travels is any JSON; each test knows its own
type Json = Record<string, any>;
// biome-ignore lint/suspicious/noExplicitAny: the generated messages share no type that could be named here
type Message = any;

/** A failed call: the engine's message and, for a resource that is kept although it failed, what is kept. */
export class CallFailed extends Error {
    half?: { id: string; properties: Json; reasons: string[] };
}

/** One line that the provider has sent to its engine. */
export interface EngineLine {
    message: string;
    urn: string;
    ephemeral: boolean;
    severity: number;
}

/** The SDK's own provider process, called over gRPC as the engine does it. */
export interface ProviderProcess {
    process: ChildProcess;
    /** What it has logged to the engine. */
    lines: EngineLine[];
    /** What it has written to stdout and stderr. */
    output(): string;
    check(olds: Json, news: Json): Promise<{ inputs: Json; failures: { property: string; reason: string }[] }>;
    diff(
        id: string,
        olds: Json,
        news: Json,
    ): Promise<{ changes?: boolean; replaces: string[]; deleteBeforeReplace: boolean }>;
    create(inputs: Json): Promise<{ id: string; outs: Json }>;
    read(id: string, props: Json): Promise<{ id: string; props: Json; inputs: Json }>;
    update(id: string, olds: Json, news: Json): Promise<{ outs: Json }>;
    delete(id: string, props: Json): Promise<void>;
    /** Closes the engine's port as if the engine had been killed. */
    killEngine(): void;
    /** Resolves when the process has ended, to its exit code. */
    ended(): Promise<number | null>;
    stop(): Promise<void>;
}

/** How long a call may take before it counts as hanging, in milliseconds. */
const deadline = 20_000;

/**
 * @param directory where the program is
 * @param options.config the stack's configuration
 * @param options.env further environment variables
 */
export async function startProvider(
    directory: string,
    options: { config?: Json; env?: NodeJS.ProcessEnv } = {},
): Promise<ProviderProcess> {
    const lines: EngineLine[] = [];
    const engine = new grpc.Server();
    engine.addService(EngineService, { log: recordInto(lines) } as unknown as IEngineServer);
    const enginePort = await new Promise<number>((resolve, reject) =>
        engine.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) =>
            error ? reject(error) : resolve(port),
        ),
    );
    const script = require.resolve("@pulumi/pulumi/cmd/dynamic-provider", { paths: [directory] });
    const child = spawn(process.execPath, [script, `127.0.0.1:${enginePort}`], {
        cwd: directory,
        env: { ...process.env, PULUMI_NODEJS_PROJECT: "fixture", ...options.env },
        stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    child.stderr.on("data", (data) => {
        output += data;
    });
    const port = await new Promise<string>((resolve, reject) => {
        child.stdout.on("data", (data) => {
            output += data;
            resolve(String(data).trim());
        });
        child.on("exit", (code) => reject(new Error(`the provider ended with ${code}: ${output}`)));
    });
    const client = new ResourceProviderClient(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), {
        "grpc.max_metadata_size": 16 * 1024 * 1024,
    });
    await call(client, "configure", new ConfigureRequest(), { args: options.config ?? {} });
    return {
        process: child,
        lines,
        output: () => output,
        async check(olds, news) {
            const answer = await call(client, "check", new CheckRequest(), { olds, news });
            return {
                inputs: answer.getInputs().toJavaScript(),
                failures: answer.getFailuresList().map((failure: Message) => failure.toObject()),
            };
        },
        async diff(id, olds, news) {
            const answer = await call(client, "diff", new DiffRequest(), { id, olds, news });
            const { DIFF_NONE, DIFF_SOME } = DiffResponse.DiffChanges;
            const changes = ({ [DIFF_NONE]: false, [DIFF_SOME]: true } as Record<number, boolean>)[answer.getChanges()];
            return {
                changes,
                replaces: answer.getReplacesList(),
                deleteBeforeReplace: answer.getDeletebeforereplace(),
            };
        },
        async create(properties) {
            const answer = await call(client, "create", new CreateRequest(), { properties });
            return { id: answer.getId(), outs: answer.getProperties().toJavaScript() };
        },
        async read(id, properties) {
            const answer = await call(client, "read", new ReadRequest(), { id, properties });
            return {
                id: answer.getId(),
                props: answer.getProperties().toJavaScript(),
                inputs: answer.getInputs()?.toJavaScript() ?? {},
            };
        },
        async update(id, olds, news) {
            const answer = await call(client, "update", new UpdateRequest(), { id, olds, news });
            return { outs: answer.getProperties().toJavaScript() };
        },
        async delete(id, properties) {
            await call(client, "delete", new DeleteRequest(), { id, properties });
        },
        killEngine: () => engine.forceShutdown(),
        ended: async () => (child.exitCode !== null ? child.exitCode : (await once(child, "exit"))[0]),
        async stop() {
            client.close();
            engine.forceShutdown();
            if (child.exitCode === null && child.signalCode === null) {
                const gone = once(child, "exit");
                child.kill("SIGKILL");
                await gone;
            }
        },
    };
}

function recordInto(lines: EngineLine[]): grpc.handleUnaryCall<LogRequest, Empty> {
    return ({ request }, answer) => {
        lines.push({
            message: request.getMessage(),
            urn: request.getUrn(),
            ephemeral: request.getEphemeral(),
            severity: request.getSeverity(),
        });
        answer(null, new Empty());
    };
}

function call(client: ResourceProviderClient, method: string, request: Message, fields: Json): Promise<Message> {
    for (const [key, value] of Object.entries(fields)) {
        const setter = `set${key[0]!.toUpperCase()}${key.slice(1)}`;
        request[setter](typeof value === "string" ? value : Struct.fromJavaScript(value));
    }
    return new Promise((resolve, reject) => {
        (client as Message)[method](
            request,
            new grpc.Metadata(),
            { deadline: Date.now() + deadline },
            (error: grpc.ServiceError | null, answer: Message) => (error ? reject(failed(error)) : resolve(answer)),
        );
    });
}

function failed(error: grpc.ServiceError): CallFailed {
    const failure = new CallFailed(error.details || error.message);
    const [details] = error.metadata.get("grpc-status-details-bin");
    if (details) {
        const [any] = Status.deserializeBinary(details as Buffer).getDetailsList();
        const half = ErrorResourceInitFailed.deserializeBinary(any!.getValue_asU8());
        failure.half = {
            id: half.getId(),
            properties: half.getProperties()!.toJavaScript() as Json,
            reasons: half.getReasonsList(),
        };
    }
    return failure;
}
