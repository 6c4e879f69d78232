import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { MachineFile } from "../engine/fixtures/machine";
import type { Member } from "../engine/fixtures/program";

/** The machines of the fixture package, and what its program declares, as files in a program's directory. */
export class FixtureFleet {
    /** Where the machines are. */
    readonly machines: string;

    /** @param directory the program's directory */
    constructor(private readonly directory: string) {
        this.machines = join(directory, "machines");
        this.clear();
    }

    /** Says which resources the program declares. */
    declare(...members: Member[]): void {
        writeFileSync(join(this.directory, "fleet.json"), JSON.stringify(members));
    }

    /** Sets what is on a machine and how it behaves. */
    set(host: string, file: MachineFile): void {
        writeFileSync(this.path(host, "json"), JSON.stringify(file));
    }

    /** What is on a machine now and how it behaves. */
    get(host: string): MachineFile {
        return JSON.parse(readFileSync(this.path(host, "json"), "utf8"));
    }

    /** What was done to a machine, one line per act. */
    log(host: string): string[] {
        try {
            return readFileSync(this.path(host, "log"), "utf8").split("\n").filter(Boolean);
        } catch {
            return [];
        }
    }

    /** Resolves when a line that begins so is in the log of the machine. */
    async logged(host: string, beginning: string): Promise<void> {
        while (!this.log(host).some((line) => line.startsWith(beginning))) {
            await new Promise((resolve) => setTimeout(resolve, 50));
        }
    }

    /** Forgets machines and logs. */
    clear(): void {
        rmSync(this.machines, { recursive: true, force: true });
        mkdirSync(this.machines);
    }

    private path(host: string, kind: string): string {
        return join(this.machines, `${host}.${kind}`);
    }
}
