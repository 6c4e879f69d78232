import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { sleep } from "./run";

/** Where the version 2 control group tree is mounted: /sys/fs/cgroup, or a place beside version 1 trees. */
export function unifiedTree(): string | undefined {
    const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
    // The last one: a later mount may cover an earlier one.
    const mount = mounts.filter((line) => line.includes(" - cgroup2 ")).at(-1);
    return mount?.split(" ")[4];
}

/** The control group of one lab host: all of its processes, and the ones that serve it. */
export class ControlGroup {
    /** The directory of the group. */
    readonly path: string;

    constructor(name: string) {
        this.path = join(unifiedTree() ?? "/sys/fs/cgroup", `pdflab-${name}`);
    }

    /** Makes the group with its two children: `run` for what serves the host, `host` for the host itself. */
    create(): void {
        mkdirSync(this.path, { recursive: true });
        // Hand down every controller there is; next to version 1 trees there are none.
        for (const controller of readFileSync(join(this.path, "cgroup.controllers"), "utf8").split(/\s+/)) {
            if (controller) writeFileSync(join(this.path, "cgroup.subtree_control"), `+${controller}`);
        }
        for (const child of ["run", "host"]) mkdirSync(join(this.path, child), { recursive: true });
    }

    /** Whether any process is in the group. */
    isPopulated(): boolean {
        try {
            return readFileSync(join(this.path, "cgroup.events"), "utf8").includes("populated 1");
        } catch {
            return false;
        }
    }

    /** Kills every process of the group at once, waits until they are gone and removes the group. */
    async kill(): Promise<void> {
        if (!existsSync(this.path)) return;
        writeFileSync(join(this.path, "cgroup.kill"), "1");
        for (let tries = 0; this.isPopulated(); tries++) {
            if (tries > 500) throw new Error(`lab: processes of ${this.path} do not die`);
            await sleep(20);
        }
        remove(this.path);
    }
}

function remove(group: string): void {
    for (const entry of readdirSync(group, { withFileTypes: true })) {
        if (entry.isDirectory()) remove(join(group, entry.name));
    }
    rmdirSync(group);
}
