import type { Lab, LabHost } from "../../lab";
import { dockerHost } from "../../src/provider/docker-host";
import type { Connection } from "../../src/ssh";
import { DrivenResource } from "./resource";

/** How the three users of a lab host log in. */
export function login(lab: Lab, host: LabHost, user: "root" | "admin" | "ops" = "admin"): Connection {
    const base = { host: host.address, user, hostKey: host.hostKey };
    return user === "admin" ? { ...base, password: lab.password } : { ...base, privateKey: lab.privateKey };
}

/** A DockerHost without the engine. */
export class HostResource extends DrivenResource {
    constructor(name: string, args: { connection: Connection } & Record<string, unknown>) {
        super(dockerHost, "DockerHost", name, args);
    }
}
