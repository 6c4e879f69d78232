import { wrongCombinations } from "../../../src/docker/daemon/check";
import { networkTaken, wrongBridge } from "../../../src/docker/daemon/networks";

const routes = [
    { network: "10.0.0.0/24", device: "eth0" },
    { network: "192.168.7.1", device: "wg0" },
    { network: "172.17.0.0/16", device: "docker0" },
    { network: "172.18.0.0/16", device: "br-0123456789ab" },
];

describe("an address for the default bridge", () => {
    it.each([
        ["10.0.0.1/24", "10.0.0.0/24"],
        ["10.0.0.129/25", "10.0.0.0/24"],
        ["10.9.9.9/8", "10.0.0.0/24"],
        ["192.168.0.1/16", "192.168.7.1"],
    ])("%s takes over a network that the machine reaches otherwise", (bip, network) => {
        expect(networkTaken(bip, routes)?.network).toBe(network);
    });

    it.each(["10.0.1.1/24", "192.168.8.1/24", "172.18.0.1/16", "172.17.0.1/16", "nonsense", "fd00::1/64"])(
        "%s takes over none",
        (bip) => {
            expect(networkTaken(bip, routes)).toBeUndefined();
        },
    );

    it("cuts nobody off where the bridge has it already", () => {
        const there = [...routes, { network: "10.0.0.0/24", device: "docker0" }];
        expect(networkTaken("10.0.0.1/24", there)).toBeUndefined();
        expect(networkTaken("10.0.0.1/25", there)?.device).toBe("eth0");
    });
});

describe("the default bridge", () => {
    it.each([
        ["172.29.0.0/16", /the network's own/],
        ["172.29.255.255/16", /for all of its network/],
        ["10.0.0.128/25", /the network's own/],
    ])("cannot have the address %s", (bip, problem) => {
        expect(wrongBridge(bip).bip).toMatch(problem);
        expect(wrongCombinations({ bip }, true)).toEqual([{ path: ["bip"], problem: expect.stringMatching(problem) }]);
    });

    it.each(["172.29.0.1/16", "172.29.1.0/16", "10.0.0.129/25", "10.0.0.1/31", "nonsense"])("can have %s", (bip) => {
        expect(wrongBridge(bip)).toEqual({});
    });

    it("has its gateway in its own network", () => {
        const wrong = (gateway: string) =>
            wrongCombinations({ bip: "172.29.0.1/16", "default-gateway": gateway }, true);
        expect(wrong("172.29.0.254")).toEqual([]);
        expect(wrong("10.1.1.1")).toEqual([{ path: ["default-gateway"], problem: expect.stringMatching(/not in/) }]);
    });
});
