import type { IEngineClient } from "@pulumi/pulumi/proto/engine_grpc_pb";
import type { Context } from "./definition";
import { engineAddress, shutdownSignal } from "./lifecycle";

/** How long an answer of ours waits at most for its log lines to arrive. */
const flushTimeout = 2_000;

/** How the engine takes a line. */
type Severity = "INFO" | "WARNING" | "ERROR";

/** A context whose lines are on their way; {@link Reporter.flush} waits for them. */
export interface Reporter {
    context: Context;
    /** Reports an error that does not end the call: the CLI counts the resource as failed and goes on with the others. */
    fail(line: string): void;
    /** Resolves when all lines have arrived at the engine, or cannot. Never rejects. */
    flush(): Promise<void>;
}

/**
 * Live lines and warnings of one call of the engine.
 *
 * @param urn the resource whose row shows them; without one they appear under the stack
 */
export function reporter(urn: string | undefined): Reporter {
    const pending = new Set<Promise<void>>();
    let last: string | undefined;
    const send = (severity: Severity, line: string, ephemeral: boolean) => {
        const sent: Promise<void> = log(severity, line, urn, ephemeral).finally(() => pending.delete(sent));
        pending.add(sent);
    };
    return {
        context: {
            progress: (line) => {
                const phase = line.replace(/\s+/g, " ").trim();
                if (phase !== last) {
                    last = phase;
                    send("INFO", phase, true);
                }
            },
            warn: (line) => send("WARNING", line, false),
            urn: urn ?? "",
            signal: shutdownSignal,
        },
        fail: (line) => send("ERROR", line, false),
        flush: async () => {
            let timer: NodeJS.Timeout | undefined;
            const tooLate = new Promise((resolve) => {
                timer = setTimeout(resolve, flushTimeout);
            });
            await Promise.race([Promise.all(pending), tooLate]);
            clearTimeout(timer);
        },
    };
}

let client: IEngineClient | undefined;

/** Sends one line; where there is no engine, a warning goes to stderr and a live line nowhere. Never rejects. */
async function log(severity: Severity, message: string, urn: string | undefined, ephemeral: boolean): Promise<void> {
    try {
        await logToEngine(severity, message, urn, ephemeral);
    } catch {
        if (!ephemeral) {
            console.warn(message);
        }
    }
}

function logToEngine(severity: Severity, message: string, urn: string | undefined, ephemeral: boolean) {
    const address = engineAddress();
    if (!address) {
        throw new Error("not started by an engine");
    }
    // Loaded on first use: most calls log nothing. In a provider process both are in memory already.
    const { LogRequest, LogSeverity } =
        require("@pulumi/pulumi/proto/engine_pb") as typeof import("@pulumi/pulumi/proto/engine_pb");
    const { EngineClient } =
        require("@pulumi/pulumi/proto/engine_grpc_pb") as typeof import("@pulumi/pulumi/proto/engine_grpc_pb");
    const { credentials } = require("@grpc/grpc-js") as typeof import("@grpc/grpc-js");
    client ??= new EngineClient(address, credentials.createInsecure());
    const engine = client;
    const request = new LogRequest();
    request.setSeverity(LogSeverity[severity]);
    request.setMessage(message);
    request.setUrn(urn ?? "");
    request.setEphemeral(ephemeral);
    return new Promise<void>((resolve, reject) => {
        engine.log(request, (error) => (error ? reject(error) : resolve()));
    });
}
