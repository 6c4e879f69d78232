import { sshKey } from "../../src/provider/ssh-key";
import type { Connection } from "../../src/ssh";
import { DrivenResource } from "./resource";

/** An SshKey without the engine; the real one is in ssh-key-cli.test.ts. */
export class KeyResource extends DrivenResource {
    constructor(name: string, args: { connection: Connection } & Record<string, unknown>) {
        super(sshKey, "SshKey", name, args);
    }
}
