/** A network that a machine has a way to, and through which of its interfaces. */
export interface Route {
    /** `"10.0.0.0/8"`, or one address. */
    network: string;
    device: string;
}

/** Interfaces that Docker itself makes and takes away. */
const dockers = /^(?:docker|br-|veth)/;

/**
 * The network of the machine that the default bridge with this address would take over; undefined where there is none. Docker
 * does not look: it starts, and the machine no longer reaches what is in there, which may be us.
 */
export function networkTaken(bip: string, routes: readonly Route[]): Route | undefined {
    // A bridge that has it already has cut nobody off.
    if (routes.some(({ network, device }) => dockers.test(device) && sameNetwork(network, bip))) return undefined;
    return routes.find(({ network, device }) => !dockers.test(device) && overlap(network, bip));
}

/** What is wrong with an address for the default bridge, and with its gateway; dockerd itself finds it when it starts. */
export function wrongBridge(bip: string, gateway?: string): { bip?: string; gateway?: string } {
    const found = read(bip);
    if (found === undefined || found.bits >= 31) return {};
    const place = found.address % 2 ** (32 - found.bits);
    if (place === 0 || place === 2 ** (32 - found.bits) - 1) {
        return {
            bip: `${bip} is no address that a host can have; it is ${place === 0 ? "the network's own" : "for all of its network"}`,
        };
    }
    return gateway === undefined || read(gateway) === undefined || overlap(gateway, bip)
        ? {}
        : { gateway: `${gateway} is not in the network of bip, ${bip}` };
}

function sameNetwork(a: string, b: string): boolean {
    const [first, second] = [read(a), read(b)];
    return first !== undefined && first.bits === second?.bits && overlap(a, b);
}

/** Whether two IPv4 networks have an address in common. */
function overlap(a: string, b: string): boolean {
    const [first, second] = [read(a), read(b)];
    if (first === undefined || second === undefined) return false;
    const size = 2 ** (32 - Math.min(first.bits, second.bits));
    return Math.floor(first.address / size) === Math.floor(second.address / size);
}

function read(network: string): { address: number; bits: number } | undefined {
    const [, address, bits = "32"] = /^(\d+\.\d+\.\d+\.\d+)(?:\/(\d+))?$/.exec(network) ?? [];
    if (address === undefined || Number(bits) > 32) return undefined;
    return { address: address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0), bits: Number(bits) };
}
