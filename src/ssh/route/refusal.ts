/** What a proxy has done instead of opening a connection. */
export class ProxyRefusal extends Error {
    /**
     * @param kind "login": our name or password; "forbidden": it does not let anybody there; "target": it could not reach the
     * machine; "other": it does not speak as it should
     */
    constructor(
        readonly kind: "login" | "forbidden" | "target" | "other",
        message: string,
    ) {
        super(message);
    }
}
