import type { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { z } from "zod";
import type { ApiWish } from "../docker/daemon/api";
import { tcpAddress } from "../docker/daemon/api";
import { probeExposure } from "../docker/daemon/exposure";
import type { Connection } from "../ssh";
import { readSigningKey } from "../tls/keys";
import { expiryOf } from "../tls/life";
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
    return api?.tcp?.allowUnprotected === true
        ? [
              "allowUnprotected is set: everybody who reaches the TCP port of the Docker API is root on the machine. " +
                  "Use tls, or see to it that nobody reaches the port.",
          ]
        : [];
}

/**
 * Looks at the API from here, as a stranger would, and at what clients will say about the certificate.
 *
 * @returns true when it is open to everybody although that was not asked for
 */
export async function lookFromOutside(
    { tcp }: ApiWish,
    { host }: Connection,
    context: Pick<Context, "warn">,
): Promise<boolean> {
    if (tcp === undefined) return false;
    const certificate = tcp.tls && (readCertificates(tcp.tls.cert) as X509Certificate[])[0]!;
    if (certificate !== undefined) {
        const names = isIP(host) ? certificate.checkIP(host) : certificate.checkHost(host);
        if (names === undefined) {
            const listed = certificate.subjectAltName ?? "no names";
            context.warn(`${host}: clients that use this address will refuse the certificate, which is for ${listed}.`);
        }
        if (expiryOf(certificate) < new Date()) {
            context.warn(
                `${host}: the certificate of the Docker API expired on ${expiryOf(certificate).toISOString()}.`,
            );
        }
    }
    const [, port = ""] = /:(\d+)$/.exec(tcpAddress(tcp))!;
    const address = tcp.address === undefined || ["0.0.0.0", "::"].includes(tcp.address) ? host : tcp.address;
    const open = (await probeExposure(address, Number(port))) === "open";
    if (open) {
        context.warn(
            `${host}: ${address}:${port} answers the Docker API without TLS, as seen from here: who can do that is root.`,
        );
    }
    return open && tcp.allowUnprotected !== true;
}
