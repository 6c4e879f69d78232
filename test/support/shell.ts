import { NodeSSH } from "node-ssh";
import type { Lab, LabHost } from "../../lab";

/** Plain commands as root on a lab host, through a client that shares nothing with the code under test. */
export class Shell {
    static async open(lab: Lab, host: LabHost): Promise<Shell> {
        const ssh = new NodeSSH();
        await ssh.connect({ host: host.address, username: "root", privateKey: lab.privateKey });
        // node-ssh leaves the connection without a listener; a test that cuts the link must not end jest.
        ssh.connection?.on("error", () => {});
        return new Shell(ssh);
    }

    private constructor(private readonly ssh: NodeSSH) {}

    /** The output of a command, trimmed. @throws Error when its exit code is not 0 */
    async run(command: string): Promise<string> {
        const { stdout, stderr, code } = await this.ssh.execCommand(command);
        if (code !== 0) throw new Error(`${command}: exit code ${code}\n${stdout}\n${stderr}`);
        return stdout.trim();
    }

    /** The output of a command whose exit code does not matter. */
    async ask(command: string): Promise<string> {
        return (await this.ssh.execCommand(command)).stdout.trim();
    }

    close(): void {
        this.ssh.dispose();
    }
}

/** Logs in with a key alone, through a client that shares nothing with the code under test. @returns who one is then */
export async function loginWith(host: LabHost, username: string, privateKey: string): Promise<string> {
    const ssh = new NodeSSH();
    try {
        await ssh.connect({ host: host.address, username, privateKey });
        ssh.connection?.on("error", () => {});
        return (await ssh.execCommand("id -un")).stdout.trim();
    } finally {
        ssh.dispose();
    }
}
