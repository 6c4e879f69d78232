import { z } from "zod";
import { formatOption, optionMistake, parseOption } from "../../host/authorized-keys/options";
import { type Connection, parsePublicKey } from "../../ssh";
import { connectionSchema } from "../connection";

/** The state of the line that this resource wants; anything else is drift, in words. */
export const installed = "installed";

const oneLine = (what: string) => z.string(what).regex(/^[^\r\n\0]*$/, `${what}, in one line`);

const option = z.string('an option such as "restrict" or "from=10.0.0.0/8"').transform((text, context) => {
    const parsed = parseOption(text);
    const mistake = optionMistake(parsed, new Date());
    if (mistake === undefined) return formatOption(parsed);
    context.addIssue({ code: "custom", message: mistake });
    return z.NEVER;
});

const units = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 };

/** The schema of the arguments. */
export const sshKeyInputs = z
    .strictObject({
        connection: connectionSchema,
        user: connectionSchema.shape.user.unwrap().optional(),
        privateKey: connectionSchema.shape.privateKey,
        privateKeyPassword: connectionSchema.shape.privateKeyPassword,
        publicKey: z
            .string("a public key")
            .refine((text) => parsePublicKey(text) !== undefined, {
                error: 'a public key in one line, such as "ssh-ed25519 AAAA… comment"',
            })
            .optional(),
        comment: oneLine("a comment").trim().optional(),
        options: z.array(option, "a list of options").optional(),
        rotate: z.json("any JSON value").optional(),
        maxAge: z
            .string("an age")
            .regex(/^[1-9]\d{0,5}[smhdw]$/, 'an age such as "90d"; the units are s, m, h, d and w')
            .optional(),
        repairPermissions: z.boolean("true or false").default(false),
        // Not an argument of the class: the place where a refresh shows that the key is not as it should be.
        status: z.string().default(installed),
    })
    .superRefine((value, context) => {
        const refuse = (path: string, message: string) => context.addIssue({ code: "custom", path: [path], message });
        if (value.privateKey !== undefined && value.publicKey !== undefined) {
            refuse("publicKey", "is not needed beside privateKey, which contains it: give one of the two");
        }
        const isGiven = value.privateKey !== undefined || value.publicKey !== undefined;
        for (const key of ["rotate", "maxAge"] as const) {
            if (isGiven && value[key] !== undefined) {
                refuse(
                    key,
                    "makes a new key, which needs one that is made here: a given key changes by giving another",
                );
            }
        }
        const { sshConfig, user } = value.connection;
        if (sshConfig !== undefined && sshConfig !== false && user === undefined) {
            const message = "is needed beside sshConfig: whose key it is must be known before anything is read";
            context.addIssue({ code: "custom", path: ["connection", "user"], message });
        }
        if (value.privateKeyPassword !== undefined && value.privateKey === undefined) {
            refuse("privateKeyPassword", "there is no privateKey that it could belong to");
        }
    });

/** The arguments of an SshKey after the check. */
export interface SshKeyInputs {
    connection: Connection;
    user?: string;
    privateKey?: string;
    privateKeyPassword?: string;
    publicKey?: string;
    comment?: string;
    options?: string[];
    rotate?: unknown;
    maxAge?: string;
    repairPermissions: boolean;
    status: string;
}

/** An age such as `"90d"` in seconds. */
export function secondsOf(age: string): number {
    return Number(age.slice(0, -1)) * units[age.at(-1) as keyof typeof units];
}

/** The user whom the key lets in. */
export function accountOf(inputs: Pick<SshKeyInputs, "user" | "connection">): string {
    return inputs.user ?? loginOf(inputs.connection);
}

/** The user who logs in to install it. */
export function loginOf(connection: Connection): string {
    return connection.user ?? "root";
}
