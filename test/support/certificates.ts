import type { tlsCa } from "../../src/provider";

/** What an authority or a certificate consists of. */
export interface Certificate {
    certificate: string;
    privateKey: string;
    bundle: string;
    intermediates: string;
}

/** An authority or a certificate, made by its resource; `before` is what it was until now. */
export async function makeCertificate(
    provider: typeof tlsCa,
    args: object,
    before?: Certificate,
): Promise<Certificate> {
    const { inputs, failures } = await provider.check({}, { ...args });
    expect(failures).toEqual([]);
    const olds = before as unknown as Record<string, unknown>;
    const { outs } = before ? await provider.update("id", olds, inputs) : await provider.create(inputs);
    return outs as unknown as Certificate;
}

/** An authority as the argument of what it signs. */
export function signer({ certificate, privateKey, intermediates }: Certificate) {
    return { certificate, privateKey, intermediates };
}
