import { connect } from "node:net";

/** How often a provider process looks whether its engine is still there, in milliseconds. */
const watchInterval = 2_000;
/** How long a connection attempt to the engine may take; it listens on loopback. */
const watchTimeout = 2_000;
/** The engine kills a provider 5 s after it has asked it to end. */
const shutdownTimeout = 4_000;

const stopping = new AbortController();
const callbacks = new Set<() => Promise<void> | void>();
let inFlight = 0;
let started = false;

/** Aborted as soon as the process is asked to end. */
export const shutdownSignal: AbortSignal = stopping.signal;

/**
 * Registers what is to be done before the provider process ends, e.g. closing connections. It has four seconds; what it
 * throws is ignored. Registering the same function again changes nothing.
 */
export function onShutdown(callback: () => Promise<void> | void): void {
    callbacks.add(callback);
}

/** The `host:port` of the engine that started this process, undefined in any other process. */
export function engineAddress(): string | undefined {
    const address = process.argv.length > 2 ? process.argv.at(-1) : undefined;
    return address !== undefined && /^[^\s/]+:\d+$/.test(address) ? address : undefined;
}

/** Counts a call of the engine as being worked on until it has settled: the process does not end itself meanwhile. */
export async function working<T>(work: () => Promise<T>): Promise<T> {
    inFlight++;
    try {
        return await work();
    } finally {
        inFlight--;
    }
}

/**
 * Makes this process end with its engine. Called when the engine configures us; does nothing in a process without one.
 *
 * - SIGINT (the engine has finished, or the user pressed Ctrl-C twice): remote work stops, connections are closed, exit.
 * - The engine is gone (CLI killed, terminal closed): nobody sends a signal then, and the process would stay for ever. It
 *   ends itself once nothing is being worked on; a machine is not left half done.
 */
export function followEngine(): void {
    const address = engineAddress();
    if (started || !address) {
        return;
    }
    started = true;
    process.on("SIGINT", () => void end());
    const [, host, port] = /^(.*):(\d+)$/.exec(address)!;
    let missed = 0;
    setInterval(async () => {
        missed = (await answers(host!, Number(port))) ? 0 : missed + 1;
        // Twice: a machine under load may refuse a connection once.
        if (missed >= 2 && inFlight === 0) {
            await end();
        }
    }, watchInterval).unref();
}

async function end(): Promise<never> {
    stopping.abort(new Error("the engine has asked the provider to end"));
    const timer = setTimeout(() => process.exit(), shutdownTimeout);
    await Promise.allSettled([...callbacks].map(async (callback) => callback()));
    clearTimeout(timer);
    process.exit();
}

function answers(host: string, port: number): Promise<boolean> {
    return new Promise((resolve) => {
        const socket = connect({ host, port, timeout: watchTimeout });
        const finish = (answer: boolean) => {
            socket.destroy();
            resolve(answer);
        };
        socket.on("connect", () => finish(true));
        socket.on("timeout", () => finish(false));
        socket.on("error", () => finish(false));
        socket.unref();
    });
}
