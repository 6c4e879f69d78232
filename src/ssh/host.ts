import { isIPv6, SocketAddress } from "node:net";

/**
 * The one writing of a host: names in lower case, IPv6 addresses in their shortest form and without brackets. The zone of an
 * address (`fe80::1%eth0`) stays as it is: it names an interface, where case counts.
 *
 * @returns undefined for what is neither a name nor an address
 */
export function canonicalHost(given: unknown): string | undefined {
    if (typeof given !== "string") {
        return undefined;
    }
    const [, inner] = /^\[(.*)\]$/.exec(given) ?? [];
    const host = inner ?? given;
    if (host.includes(":") || inner !== undefined) {
        const [address = "", ...zone] = host.split("%");
        const isRight = isIPv6(address) && zone.length <= 1 && zone.every((name) => /^[\w.-]+$/.test(name));
        return isRight ? [new SocketAddress({ address, family: "ipv6" }).address, ...zone].join("%") : undefined;
    }
    // No "-" at the beginning, which programs take for an option.
    return /^[^\s/@[\]%-][^\s/@[\]%]*$/.test(host) ? host.toLowerCase() : undefined;
}
