import type { PulumiProject } from "./pulumi";

/** The processes in which the engine of a project runs our providers. */
export async function providers(project: PulumiProject): Promise<number[]> {
    const processes = await project.processes();
    return processes.filter(({ command }) => command.includes("cmd/dynamic-provider")).map(({ pid }) => pid);
}

/** SIGKILL for all of them: nothing of ours gets a chance to clean up. */
export async function killProvider(project: PulumiProject): Promise<void> {
    for (const pid of await providers(project)) {
        try {
            process.kill(pid, "SIGKILL");
        } catch {
            // It has ended meanwhile.
        }
    }
}
