import { execFileSync } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";

/**
 * Installs Debian packages whose programs a test wants, without starting their services. Needs root and apt-get.
 *
 * @returns why that is not possible, or undefined
 */
export function installPackages(packages: string[]): string | undefined {
    // A service must not start because a test wants the program. The exit code of policy-rc.d says so to dpkg.
    const policy = "/usr/sbin/policy-rc.d";
    const ours = !existsSync(policy);
    if (ours) {
        writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
    }
    try {
        const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
        execFileSync("apt-get", ["update"], { env, stdio: "ignore" });
        execFileSync("apt-get", ["install", "-y", "--no-install-recommends", ...packages], { env, stdio: "ignore" });
        return undefined;
    } catch (error) {
        return `the packages ${packages.join(", ")} could not be installed: ${(error as Error).message}`;
    } finally {
        if (ours) {
            rmSync(policy, { force: true });
        }
    }
}
