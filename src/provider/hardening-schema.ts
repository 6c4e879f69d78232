import { z } from "zod";

const yesNo = () => z.boolean("true or false").optional();
const names = (what: string) =>
    z
        .array(
            z
                .string(what)
                .regex(
                    /^[^\s"'#,\\]+$/,
                    `${what} without blanks, quotes and commas, such as "admin" or "ops@203.0.113.*"`,
                ),
            `a list of ${what}s`,
        )
        .min(1, `at least one ${what}: an empty list would let nobody in`)
        .optional();

/** The argument `hardening` of SshKey. What each keyword means is told at {@link Hardening}. */
export const hardeningSchema = z
    .strictObject(
        {
            passwordAuthentication: yesNo(),
            kbdInteractiveAuthentication: yesNo(),
            permitRootLogin: z
                .enum(["yes", "prohibit-password", "no"], '"yes", "prohibit-password" or "no"')
                .optional(),
            maxAuthTries: z
                .int("a number of refused logins")
                .min(2, "at least 2: a client offers more than one way to log in")
                .max(100, "a number of refused logins, at most 100")
                .optional(),
            loginGraceTime: z
                .int("a number of seconds")
                .min(10, "a number of seconds, at least 10")
                .max(3600, "a number of seconds, at most 3600")
                .optional(),
            x11Forwarding: yesNo(),
            allowAgentForwarding: yesNo(),
            allowTcpForwarding: z
                .union([z.boolean(), z.enum(["local", "remote"])], 'true, false, "local" or "remote"')
                .optional(),
            allowUsers: names("user name"),
            allowGroups: names("group name"),
        },
        "settings such as { passwordAuthentication: false }",
    )
    .superRefine((settings, context) => {
        if (context.issues.length === 0 && Object.values(settings).every((value) => value === undefined)) {
            context.addIssue({ code: "custom", message: "expected at least one setting" });
        }
        if (settings.passwordAuthentication === false && settings.kbdInteractiveAuthentication === true) {
            context.addIssue({
                code: "custom",
                path: ["kbdInteractiveAuthentication"],
                message: "it lets passwords in by another name, which passwordAuthentication: false refuses",
            });
        }
    });
