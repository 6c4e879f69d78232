import type { ClientChannel } from "ssh2";
import { FleetError } from "../../errors";
import { capital, DialFailure } from "../failure";
import type { Link } from "../link";
import type { Stream } from "../stream";
import { Tunnel } from "../tunnel";

/** A stream through a jump host. It ends with the jump host's connection, and says so. */
class HopStream extends Tunnel implements Stream {
    #release: (() => void) | undefined;

    constructor(
        readonly link: Link,
        channel: ClientChannel,
    ) {
        super(channel);
        this.ref();
        const forget = link.onLost(() =>
            this.destroy(new Error(`the connection to the jump host ${link.name} was lost: ${link.loss}`)),
        );
        this.once("close", () => {
            forget();
            this.unref();
        });
    }

    override ref(): this {
        this.#release ??= this.link.use();
        return this;
    }

    override unref(): this {
        this.#release?.();
        this.#release = undefined;
        return this;
    }
}

/**
 * Opens a stream to a machine through a jump host.
 *
 * @param machine the machine's name in messages
 * @throws DialFailure
 */
export async function openThrough(hop: Link, host: string, port: number, machine: string): Promise<Stream> {
    let stream!: HopStream;
    try {
        await hop.forward(`reach ${machine}`, host, port, (channel) => {
            stream = new HopStream(hop, channel);
        });
        return stream;
    } catch (error) {
        throw new DialFailure(explain(error, hop, machine));
    }
}

function explain(error: unknown, hop: Link, machine: string): DialFailure["failure"] {
    const step = "connect";
    if (error instanceof FleetError) {
        // The jump host itself went away: the next try connects to it anew.
        const reason = `the connection to the jump host ${hop.name} was lost: ${hop.loss}`;
        return {
            reason,
            retry: "as told",
            details: { code: "HOST_UNREACHABLE", machine, step, message: `${capital(reason)}.` },
        };
    }
    const { message, reason: code } = error as Error & { reason?: number };
    const words = message.replace(/^\(SSH\) Channel open failure: /, "");
    if (code === administrativelyProhibited) {
        return {
            reason: `the jump host ${hop.name} forwards nothing`,
            retry: "never",
            details: {
                code: "PROXY_FAILED",
                machine,
                step,
                message: `The jump host ${hop.name} refuses to forward connections: ${words}.`,
                cure: "Check AllowTcpForwarding and PermitOpen in its configuration, and the options of the key in authorized_keys.",
                cause: error,
            },
        };
    }
    const reason = `the jump host ${hop.name} cannot reach it: ${words}`;
    return {
        reason,
        retry: "as told",
        details: {
            code: "HOST_UNREACHABLE",
            machine,
            step,
            message: `${capital(reason)}.`,
            cure: "Check that the machine is up, and that connection.host and connection.port are right as seen from the jump host.",
            cause: error,
        },
    };
}

/** SSH_OPEN_ADMINISTRATIVELY_PROHIBITED of RFC 4254. */
const administrativelyProhibited = 1;
