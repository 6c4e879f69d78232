import { z } from "zod";
import { type Connection, privateKeyMistake, proxyMistake } from "../ssh";

const text = (what: string) => z.string(what).min(1, `${what}, not an empty string`);

const parts = z.strictObject({
    host: text("a host name or address").regex(
        /^(?!-|.*:\/\/)[^\s@/]+$/,
        'a host name or address alone, such as "203.0.113.10"; user and port have arguments of their own',
    ),
    port: z.int("a port number").min(1, "a port from 1 to 65535").max(65535, "a port from 1 to 65535").optional(),
    user: text("a user name")
        .regex(/^[^\s:@/]+$/, 'a user name of the machine, such as "root"')
        .optional(),
    password: text("a password").optional(),
    privateKey: z
        .string("the text of a private key")
        .superRefine((key, context) => {
            const mistake = privateKeyMistake(key);
            if (mistake !== undefined) {
                // The check ends the sentence.
                const message = [mistake.reason, mistake.cure].filter(Boolean).join(" ").replace(/\.$/, "");
                context.addIssue({ code: "custom", message });
            }
        })
        .optional(),
    privateKeyPassword: text("the passphrase of privateKey").optional(),
    identityFile: z
        .union(
            [text("the path of a private key"), z.array(text("the path of a private key"))],
            "a path or a list of paths",
        )
        .optional(),
    agentSocketPath: text("the path of an ssh-agent socket").optional(),
    hostKey: z
        .string("the host key")
        .regex(
            /^(ssh|ecdsa|rsa|sk)[-\w.@]* [A-Za-z0-9+/=]+(\s.*)?$/,
            'a public host key as in known_hosts, without the host name: "ssh-ed25519 AAAA…"',
        )
        .optional(),
    strictHostKeyChecking: z.enum(["yes", "accept-new"], '"yes" or "accept-new"').optional(),
    userKnownHostsFile: z
        .union(
            [text("the path of a known_hosts file"), z.array(text("the path of a known_hosts file"))],
            "a path or a list of paths",
        )
        .optional(),
    sudoPassword: text("the password that sudo asks for").optional(),
    rootPassword: text("the password of root").optional(),
    get proxy(): z.ZodOptional<z.ZodType<Connection>> {
        return connectionSchema.optional();
    },
    proxyCommand: text("a command").optional(),
    proxyUrl: text("the URL of a proxy").optional(),
    sshConfig: z
        .union([z.boolean(), text("the path of a file")], "true, or the path of a configuration file")
        .optional(),
    dialErrorLimit: z.int("a number of attempts").min(-1, "a number of attempts, or -1 for no limit").optional(),
    perDialTimeout: z.int("a number of seconds").min(1, "a number of seconds, at least 1").optional(),
});

/** The `connection` argument, as every resource takes it. What each part means is told at {@link ConnectionArgs}. */
export const connectionSchema = parts.superRefine((connection, context) => {
    const mistake = proxyMistake(connection);
    if (mistake !== undefined) {
        // The check ends the sentence.
        context.addIssue({ code: "custom", path: [mistake.argument], message: mistake.message.replace(/\.$/, "") });
    }
});
