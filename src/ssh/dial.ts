import { FleetError, type FleetErrorDetails } from "../errors";
import { authHandler } from "./authentication";
import { machineName, placeOf, type ResolvedConnection } from "./connection";
import type { Credentials } from "./credentials";
import { capital, DialFailure, type Failure, type SocketError, socketErrorWords } from "./failure";
import { formatHostKey, type HostKeyPolicy, judgeHostKey, serverHostKeyAlgorithms } from "./host-keys";
import type { Unanswerable } from "./keyboard";
import { Link } from "./link";
import { mask } from "./mask";
import { openStream } from "./route";
import type { Stream } from "./stream";
import { timing } from "./timing";
import { dialTurn } from "./turns";

const step = "connect";

/** A name that does not exist is rarely one that is about to: three tries are enough. */
const brief = 2;

/**
 * Logs in, waiting for a machine that is not up yet. Every try is a real login: newer sshd punish connections that only
 * look whether the port is open. A refused login or a wrong host key is final and never tried again.
 *
 * @param reachHop connects to the jump host in front of the machine, if there is one
 * @param onProgress gets a line for every try that failed
 * @param signal calls the waiting off
 * @throws FleetError HOST_UNREACHABLE, HOST_NAME_UNKNOWN, AUTHENTICATION_FAILED, HOST_KEY_MISMATCH, HOST_KEY_UNKNOWN,
 * HOST_KEY_REVOKED
 */
export async function dial(
    connection: ResolvedConnection,
    policy: HostKeyPolicy,
    credentials: Credentials,
    reachHop: (() => Promise<Link>) | undefined,
    onProgress: (line: string) => void,
    signal: AbortSignal,
): Promise<Link> {
    let pause = timing.firstPause;
    for (let errors = 1; ; errors++) {
        // Before the clock of this dial runs: the jump host has its own, and its own tries.
        const hop = await reachHop?.();
        const endTurn = await dialTurn(placeOf(connection));
        const result = await dialOnce(connection, policy, credentials, hop, signal).finally(endTurn);
        if (result instanceof Link) {
            return result;
        }
        const told = connection.dialErrorLimit === -1 ? Number.POSITIVE_INFINITY : connection.dialErrorLimit;
        const limit = { "as told": told, briefly: Math.min(told, brief), never: 0 }[result.retry];
        if (errors > limit || signal.aborted) {
            const { message } = result.details;
            throw new FleetError({
                ...result.details,
                message: errors === 1 ? message : `${message} Gave up after ${errors} tries.`,
            });
        }
        onProgress(`waiting for ${connection.host}: ${result.reason} (try ${errors})`);
        await sleep(pause, signal);
        pause = Math.min(pause * 1.5, timing.longestPause);
    }
}

function dialOnce(
    connection: ResolvedConnection,
    policy: HostKeyPolicy,
    credentials: Credentials,
    hop: Link | undefined,
    signal: AbortSignal,
): Promise<Link | Failure> {
    const { Client } = require("ssh2") as typeof import("ssh2");
    const name = machineName(connection);
    const client = new Client();
    const opening = new AbortController();
    let stream: Stream | undefined;
    const tried: string[] = [];
    let lastKey: string | undefined;
    const loginKeys: string[] = [];
    const keepLast = () => {
        if (lastKey !== undefined) {
            loginKeys.push(lastKey);
        }
    };
    let hostKey = "";
    let refusedKey: FleetErrorDetails | undefined;
    let banner = "";
    let greeted = false;

    return new Promise((resolve) => {
        const settle = (result: Link | Failure) => {
            clearTimeout(timer);
            signal.removeEventListener("abort", abort);
            resolve(result);
            if (!(result instanceof Link)) {
                client.end();
                opening.abort();
                stream?.destroy();
            }
        };
        const unreachable = (reason: string, retry: Failure["retry"] = "as told", cure = isItUp) =>
            settle({
                reason,
                retry,
                details: { code: "HOST_UNREACHABLE", machine: name, step, message: `${capital(reason)}.`, cure },
            });
        const refused = (message: string, cure: string, retry: Failure["retry"] = "never") =>
            settle({
                reason: message,
                retry,
                details: { code: "AUTHENTICATION_FAILED", machine: name, step, message, cure },
            });
        const abort = () => unreachable("nobody waits any more", "never");
        const timer = setTimeout(() => {
            const what = greeted ? "the login was not finished" : "no answer";
            unreachable(`${what} within ${connection.perDialTimeout} s`);
        }, connection.perDialTimeout * 1000);
        signal.addEventListener("abort", abort);
        if (signal.aborted) {
            abort();
            return;
        }

        client.on("banner", (text: string) => {
            banner += text;
        });
        client.on("handshake", () => {
            greeted = true;
        });
        client.on("change password", () => refused(...expired));
        const fail = (error: SocketError & { level?: string }) => {
            if (error.level === "agent") {
                // Not the end: the next method follows.
                return;
            }
            if (error instanceof DialFailure) {
                settle(error.failure);
            } else if (refusedKey !== undefined) {
                settle({ details: refusedKey, reason: refusedKey.message, retry: "never" });
            } else if (
                error.level === "client-authentication" ||
                /too many authentication failures/i.test(error.message)
            ) {
                // pam_nologin lets nobody in while the machine comes up; that is not a refusal of this login.
                const isBooting = /system is booting up/i.test(banner);
                refused(
                    isBooting
                        ? "the system is still booting up"
                        : [
                              `The machine refused the login (tried: ${tried.join(", ") || "nothing it offers"}).${lastWords(banner, connection)}`,
                              ...(error.level === "client-authentication" ? [] : [tooMany]),
                              ...credentials.remarks,
                          ].join(" "),
                    refusedCure(credentials),
                    isBooting ? "as told" : "never",
                );
            } else if (error.code === "ENOTFOUND") {
                settle({
                    reason: "host name not found",
                    retry: "briefly",
                    details: {
                        code: "HOST_NAME_UNKNOWN",
                        machine: name,
                        step,
                        message: `The host name ${connection.host} cannot be found.`,
                        cure: "Check connection.host.",
                        cause: error,
                    },
                });
            } else if (error.level === "handshake" || error.level === "protocol") {
                const isEarlyEnd = /connection lost before handshake/i.test(error.message);
                unreachable(
                    isEarlyEnd
                        ? "the connection was closed before the SSH greeting"
                        : `no SSH connection: ${error.message}`,
                    isEarlyEnd ? "as told" : "never",
                    isEarlyEnd ? penalty : "Check that connection.port is the port of an OpenSSH server.",
                );
            } else {
                const isReset = error.code === "ECONNRESET" && !greeted;
                unreachable(describe(error, connection), "as told", isReset ? penalty : isItUp);
            }
        };
        client.on("error", fail);
        client.on("close", () => unreachable("the connection was closed during the login"));
        client.on("ready", () => {
            client.removeAllListeners("close").removeAllListeners("error");
            keepLast();
            const hostKeys = [...(hop?.hostKeys ?? []), hostKey];
            settle(new Link({ client, stream: stream!, name, hostKeys, loginKeys }));
        });
        const greet = () =>
            client.connect({
                sock: stream,
                username: connection.user,
                authHandler: authHandler(connection.user, credentials, {
                    onTry: (method, key) => {
                        tried.push(method);
                        lastKey = key;
                    },
                    onHalf: keepLast,
                    onUnanswerable: (question) => refused(...explainQuestion(question, connection)),
                }),
                algorithms: { serverHostKey: serverHostKeyAlgorithms(policy) },
                hostVerifier: (blob: Buffer) => {
                    hostKey = formatHostKey(blob);
                    refusedKey = judgeHostKey(hostKey, policy, connection);
                    return refusedKey === undefined;
                },
                // Our own clock covers the whole dial, our own keepalive can be idle; and any server may forward sockets.
                readyTimeout: 0,
                strictVendor: false,
            });
        openStream(connection, hop, opening.signal)
            .then((opened) => {
                stream = opened;
                if (opening.signal.aborted) {
                    stream.destroy();
                } else {
                    greet();
                }
            })
            .catch(fail);
    });
}

const isItUp =
    "Check that the machine is up, that connection.host and connection.port are right, and that no firewall is in the way.";
const penalty =
    "Newer OpenSSH servers drop every connection of an address for some time after failed logins (PerSourcePenalties): wait a minute and try again, or raise connection.dialErrorLimit. Otherwise the SSH server is overloaded, or a firewall cuts the connection.";

const tooMany =
    "It hung up after that many wrong keys (MaxAuthTries): name the right one with connection.identityFile or connection.privateKey.";

function refusedCure({ keys, password }: Credentials): string {
    const have = [
        keys.length > 0 && "the machine has the key in the user's ~/.ssh/authorized_keys",
        password !== undefined && "connection.password is right and the machine allows password logins",
    ].filter((text) => typeof text === "string");
    return `Check connection.user, and that ${have.join(", or that ")}.`;
}

const expired = ["The password has expired.", "Log in by hand once and set a new one."] as const;

/** What happened and what to do when the server asks for something that we do not have. */
function explainQuestion({ prompt, kind }: Unanswerable, connection: ResolvedConnection): readonly [string, string] {
    const words = JSON.stringify(mask(prompt.trim(), connection).slice(0, 100));
    switch (kind) {
        case "new password":
            return expired;
        case "again":
            return [`The machine asks again for ${words}: it did not take the password.`, "Check connection.password."];
        default:
            return [
                `The machine asks for ${words}, to which a connection has no answer.`,
                "Let this user in with a key alone: in its sshd_config, a block Match User with AuthenticationMethods publickey.",
            ];
    }
}

function describe(error: SocketError, connection: ResolvedConnection): string {
    return mask(socketErrorWords(error), connection);
}

function lastWords(banner: string, connection: ResolvedConnection): string {
    const text = mask(banner.trim(), connection).slice(-500);
    return text === "" ? "" : ` It said: ${text}`;
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
        const done = () => {
            clearTimeout(timer);
            signal.removeEventListener("abort", done);
            resolve();
        };
        const timer = setTimeout(done, ms);
        signal.addEventListener("abort", done);
    });
}
