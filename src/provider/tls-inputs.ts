import { z } from "zod";
import { keyAlgorithms } from "../tls/keys";
import { duration, millisecondsOf } from "./duration";
import { canonical } from "./json";

/** What a refresh finds as long as nothing is to be done; anything else is drift, in words. */
export const valid = "valid";

/** The arguments that an authority and a certificate have in common. */
export const certificateShape = {
    commonName: z
        .string("a name")
        .min(1, "a name, not an empty string")
        .max(64, "a name of at most 64 characters")
        .regex(/^[^\x00-\x1f\x7f]*$/, "a name without control characters"),
    algorithm: z.enum(keyAlgorithms, keyAlgorithms.map((name) => `"${name}"`).join(", ")).default("ECDSA-P256"),
    renewBefore: duration("a length of time").optional(),
    rotate: z.json("any JSON value").optional(),
    // Not an argument of the classes: the place where a refresh shows that something is to be done.
    status: z.string().default(valid),
};

/** Those arguments after the check. */
export interface CertificateInputs {
    commonName: string;
    algorithm: z.infer<typeof certificateShape.algorithm>;
    validity: string;
    renewBefore?: string;
    rotate?: unknown;
    status: string;
}

/** Refuses a renewal that would be due as soon as the certificate is made. */
export function checkRenewal(
    { validity, renewBefore }: { validity: string; renewBefore?: string },
    context: z.core.$RefinementCtx,
): void {
    if (renewBefore !== undefined && millisecondsOf(renewBefore) >= millisecondsOf(validity)) {
        const message = `expected less than validity, which is "${validity}": it would always be due for renewal`;
        context.addIssue({ code: "custom", path: ["renewBefore"], message });
    }
}

/** The arguments in the form in which certificates are made. @param renewBefore the usual time for a renewal, in ms */
export function certificateWish(inputs: CertificateInputs, renewBefore: number) {
    const validity = millisecondsOf(inputs.validity);
    return {
        commonName: inputs.commonName,
        algorithm: inputs.algorithm,
        validity,
        renewBefore:
            inputs.renewBefore === undefined ? Math.min(renewBefore, validity / 3) : millisecondsOf(inputs.renewBefore),
        rotate: inputs.rotate === undefined ? undefined : canonical(inputs.rotate),
    };
}
