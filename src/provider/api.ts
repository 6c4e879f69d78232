import type { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { z } from "zod";
import type { ApiWish } from "../docker/daemon/api";
import { tcpPort } from "../docker/daemon/api";
import { probeExposure } from "../docker/daemon/exposure";
import type { Connection } from "../ssh";
import { readSigningKey } from "../tls/keys";
import { beginOf, expiryOf } from "../tls/life";
import { readCertificates } from "../tls/pem";
import type { Context } from "./definition";
import { containsUnknown, isRecord } from "./json";
import type { Problem } from "./validate";

const serverAuth = "1.3.6.1.5.5.7.3.1";

const certificates = z.string("the text of a certificate in PEM").superRefine((pem, context) => {
    const found = readCertificates(pem);
    if ("mistake" in found) context.addIssue({ code: "custom", message: `expected ${found.mistake}` });
});

const tls = z
    .strictObject({
        ca: certificates,
        cert: certificates,
        key: z.string("the text of a private key in PEM").superRefine((pem, context) => {
            const key = readSigningKey(pem);
            if ("mistake" in key) context.addIssue({ code: "custom", message: `expected ${key.mistake}` });
        }),
    })
    .superRefine(({ cert, key }, context) => {
        const [found, privateKey] = [readCertificates(cert), readSigningKey(key)];
        if ("mistake" in found || "mistake" in privateKey) return;
        const refuse = (path: string, message: string) => context.addIssue({ code: "custom", path: [path], message });
        const uses = found[0]!.keyUsage;
        if (uses !== undefined && !uses.includes(serverAuth)) {
            refuse("cert", "expected the certificate of a server; clients refuse this one, it is for another use");
        }
        if (!found[0]!.checkPrivateKey(privateKey)) {
            refuse("key", "expected the key that belongs to cert; this is another one");
        }
    });

/** The argument `api` of a DaemonConfig. */
export const apiSchema = z.strictObject({
    tcp: z
        .strictObject({
            address: z
                .string("an address of the machine")
                .refine((text) => isIP(text) !== 0 && !text.includes("%"), {
                    error: 'expected an IP address of the machine, such as "203.0.113.10", or "0.0.0.0" for all',
                })
                .optional(),
            port: z
                .int("a port number")
                .min(1, "a port from 1 to 65535")
                .max(65535, "a port from 1 to 65535")
                .optional(),
            tls: tls.optional(),
            allowUnprotected: z.boolean("true or false").optional(),
        })
        .optional(),
});

/** What the schema cannot say about the argument. Parts of it may not be known yet. */
export function apiProblems(api: unknown, settings: unknown): Problem[] {
    const tcp = isRecord(api) ? api.tcp : undefined;
    if (!isRecord(tcp)) return [];
    const problems: Problem[] = [];
    const wrong = (path: string[], problem: string) => problems.push({ path: ["api", "tcp", ...path], problem });
    if (tcp.tls === undefined && tcp.allowUnprotected !== true && !containsUnknown(tcp.allowUnprotected)) {
        const problem =
            "it needs tls, with ca, cert and key (see TlsAuthority and TlsCertificate): without, everybody who reaches the " +
            "port is root on the machine. If that is what you want, set allowUnprotected: true";
        wrong([], problem);
    }
    if (tcp.tls !== undefined && tcp.allowUnprotected === true) {
        wrong(["allowUnprotected"], "with tls it means nothing; take it out");
    }
    const given = isRecord(settings) ? Object.keys(settings) : [];
    for (const key of given.filter((name) => /^tls/.test(name))) {
        if (tcp.tls !== undefined)
            wrong(["tls"], `it sets ${key}, which is among settings, too; take it out of one of them`);
    }
    for (const part of ["address", "port"].filter((name) => given.includes("hosts") && tcp[name] !== undefined)) {
        wrong([part], "settings.hosts says where the API listens; take it out of one of the two");
    }
    return problems;
}

/** What has to be said at each preview. */
export function apiRemarks(api: ApiWish | undefined): string[] {
    const ending = certificateStatus(api);
    return [
        ...(api?.tcp?.allowUnprotected === true
            ? [
                  "allowUnprotected is set: everybody who reaches the TCP port of the Docker API is root on the machine. " +
                      "Use tls, or see to it that nobody reaches the port.",
              ]
            : []),
        ...(ending === undefined ? [] : [`${ending}: give api.tcp.tls another one.`]),
    ];
}

/** When the certificate of the API ends; undefined where there is none, or it is not known yet. */
export function certificateEnd(api: ApiWish | undefined): Date | undefined {
    const certificate = certificateOf(api);
    return certificate && expiryOf(certificate);
}

/** How long before its end the certificate counts as one that ends, at most a sixth of its life: later than any renewal by default. */
const lastDays = 14 * 86_400_000;

/** Words for a certificate near its end or behind it; undefined while it is neither. */
export function certificateStatus(api: ApiWish | undefined, now = new Date()): string | undefined {
    const certificate = certificateOf(api);
    if (certificate === undefined) return undefined;
    const [begin, end] = [beginOf(certificate).getTime(), expiryOf(certificate).getTime()];
    const left = end - now.getTime();
    if (left > Math.min(lastDays, (end - begin) / 6)) return undefined;
    const day = new Date(end).toISOString().slice(0, 10);
    return `the certificate of the API ${left > 0 ? "expires" : "expired"} on ${day}`;
}

function certificateOf(api: ApiWish | undefined): X509Certificate | undefined {
    const found = api?.tcp?.tls && readCertificates(api.tcp.tls.cert);
    return found === undefined || "mistake" in found ? undefined : found[0];
}

/** Where a daemon listens on TCP. */
interface Listener {
    address: string;
    port: number;
}

/**
 * Looks at the API from here, as a stranger would, and at what clients will say about the certificate.
 *
 * @param listeners where the daemon listens besides, by whomever
 * @returns true when the API that was asked for is open to everybody although that was not
 */
export async function lookFromOutside(
    api: ApiWish | undefined,
    listeners: readonly Listener[],
    { host }: Connection,
    context: Pick<Context, "warn">,
): Promise<boolean> {
    const certificate = certificateOf(api);
    if (certificate !== undefined) {
        const names = isIP(host) ? certificate.checkIP(host) : certificate.checkHost(host);
        if (names === undefined) {
            const listed = certificate.subjectAltName ?? "no names";
            context.warn(`${host}: clients that use this address will refuse the certificate, which is for ${listed}.`);
        }
    }
    const asked = api?.tcp && { address: api.tcp.address ?? "0.0.0.0", port: tcpPort(api.tcp) };
    const seen = ({ address, port }: Listener) => `${isEverywhere(address) ? host : address} ${port}`;
    const all = new Map([...(asked ? [asked] : []), ...listeners].map((each) => [seen(each), each]));
    let open = false;
    for (const [place, { port }] of all) {
        const address = place.split(" ")[0]!;
        if ((await probeExposure(address, port)) !== "open") continue;
        const where = `${isIP(address) === 6 ? `[${address}]` : address}:${port}`;
        context.warn(
            `${host}: ${where} answers the Docker API without TLS, as seen from here: who can do that is root.`,
        );
        open ||= asked !== undefined && place === seen(asked);
    }
    return open && api?.tcp?.allowUnprotected !== true;
}

function isEverywhere(address: string): boolean {
    return ["0.0.0.0", "::", ""].includes(address);
}
