import type { Lab, LabHost } from "../../lab";
import { Shell } from "./shell";

/** The real docker client, on a lab host of its own, as somebody else's computer. */
export class DockerCli {
    static async open(lab: Lab): Promise<DockerCli> {
        const host = await lab.up(lab.uniqueName("client"), { layer: "docker" });
        return new DockerCli(host, await Shell.open(lab, host));
    }

    private constructor(
        readonly host: LabHost,
        readonly shell: Shell,
    ) {}

    /** Writes a file that nobody else can read. */
    async write(path: string, content: string): Promise<void> {
        const text = Buffer.from(content).toString("base64");
        await this.shell.run(`umask 077; mkdir -p "$(dirname '${path}')"; echo ${text} | base64 -d >'${path}'`);
    }

    /** What a command prints, or `refused: …` with what it says to its failure. */
    run(command: string): Promise<string> {
        return this.shell.ask(`if out=$(timeout 30 ${command} 2>&1); then echo "$out"; else echo "refused: $out"; fi`);
    }

    close(): void {
        this.shell.close();
    }
}
