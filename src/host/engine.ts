import { FleetError } from "../errors";
import type { Machine } from "../ssh";
import { exclusiveFor } from "./exclusive";
import { type Listener, type Report, runReporting } from "./report";
import { hostScript } from "./script";

/** A package of the machine's package manager. */
export interface InstalledPackage {
    name: string;
    version: string;
    held: boolean;
}

/** A systemd unit. */
export interface Unit {
    load: string;
    active: string;
    file: string;
}

/** A machine and its Docker Engine, as found. */
export interface EngineFacts {
    /** `uname -s`, e.g. `Linux`. */
    kernel: string;
    /** `PRETTY_NAME` of /etc/os-release, e.g. `Debian GNU/Linux 13 (trixie)`. */
    os: string;
    /** `uname -m`, e.g. `x86_64`. */
    arch: string;
    /** /etc/machine-id. */
    machineId: string;
    /** True when systemd is the init system in charge. */
    systemd: boolean;
    /** `apt`, or undefined for a package manager we do not know. */
    packageManager: string | undefined;
    /** The engine's package and its client's, as far as they are installed. */
    engine: InstalledPackage | undefined;
    client: InstalledPackage | undefined;
    /** True while podman-docker poses as Docker. */
    podmanDocker: boolean;
    /** Where snap keeps its Docker, if it has one. */
    snap: string | undefined;
    /** Path of dockerd, installed by whatever. */
    dockerd: string | undefined;
    /** True when the package manager was stopped in the middle of installing the engine. */
    interrupted: boolean;
    /** The owner in our record: who brought the engine to this machine. */
    installedBy: string | undefined;
    /** True when the login user is a member of the group docker. */
    inDockerGroup: boolean;
    /** docker.service. */
    service: Unit | undefined;
    /** What the API says; undefined when it does not answer. */
    api: { engineVersion: string; apiVersion: string } | undefined;
}

/** What {@link installEngine} shall reach. */
export interface EngineTarget {
    /** `"28.5"`, or undefined for whatever is installed or offered. */
    version: string | undefined;
    hold: boolean;
    /** The login user becomes a member of the group docker. */
    userInDockerGroup: boolean;
    /** The login user. */
    user: string;
    /** Who installs, kept in a record on the machine: the resource's URN. */
    owner: string;
}

const libraries = ["report", "facts", "packages/apt", "services/systemd", "engine/engine"] as const;
const enginePackages = ["docker.io", "docker-ce", "moby-engine"];
const clientPackages = ["docker-cli", "docker-ce-cli", "moby-cli"];

/** How long we wait for others, in milliseconds. Nobody sets these through arguments; tests shorten them. */
export const timing = {
    /** For another change of the same machine by this package, from whatever stack. */
    machineLock: 10 * 60_000,
    /** For apt-daily, unattended-upgrades or a person at the package manager. */
    packageLock: 5 * 60_000,
};

/** Looks at the machine and its engine. One execution; changes nothing, and does not wake a stopped daemon. */
export async function observeEngine(machine: Machine, user: string, listener: Listener): Promise<EngineFacts> {
    const script = hostScript("engine/observe", libraries);
    const step = "look at the Docker Engine";
    return readFacts(await runReporting(machine, { step, script, args: [user], timeout: 60_000 }, listener));
}

/**
 * Makes the machine a Docker host and returns what it then is. One execution, under the machine's lock. The script looks
 * at each thing first, so it can be run again after a failure at any point.
 */
export async function installEngine(machine: Machine, target: EngineTarget, listener: Listener): Promise<EngineFacts> {
    const report = await runReporting(
        machine,
        {
            step: "install the Docker Engine",
            script: hostScript("engine/install", libraries),
            args: [
                packageLock(),
                target.user,
                target.owner,
                target.version ?? "",
                yesNo(target.hold),
                yesNo(target.userInDockerGroup),
            ],
            timeout: 30 * 60_000,
            exclusive: exclusiveFor(target.owner, timing.machineLock),
        },
        listener,
    );
    return readFacts(report);
}

/**
 * Undoes {@link installEngine}: `keep` lifts the hold, `uninstall` removes what we brought and keeps all data, `purge`
 * removes the data too. One execution, under the machine's lock; doing it twice is fine.
 */
export async function removeEngine(
    machine: Machine,
    { mode, keepHold, owner }: { mode: "keep" | "uninstall" | "purge"; keepHold: boolean; owner: string },
    listener: Listener,
): Promise<void> {
    await runReporting(
        machine,
        {
            step: `remove the Docker Engine (${mode})`,
            script: hostScript("engine/remove", libraries),
            args: [packageLock(), mode, yesNo(keepHold), owner],
            timeout: 30 * 60_000,
            exclusive: exclusiveFor(owner, timing.machineLock),
        },
        listener,
    );
}

/** Refuses a machine on which we could not work, before anything is changed. */
export function requireSupported(facts: EngineFacts, machine: string): void {
    const refuse = (code: "UNSUPPORTED_MACHINE" | "CONFLICTING_INSTALLATION", message: string, cure: string) => {
        throw new FleetError({ code, machine, step: "look at the Docker Engine", message, cure });
    };
    if (facts.kernel !== "Linux") {
        refuse(
            "UNSUPPORTED_MACHINE",
            `this machine runs ${facts.kernel}, not Linux.`,
            "Docker Engine needs a Linux machine.",
        );
    }
    if (!facts.systemd || facts.packageManager !== "apt") {
        refuse(
            "UNSUPPORTED_MACHINE",
            `${facts.os || "this system"} with ${facts.systemd ? "systemd" : "an init system other than systemd"} and ${facts.packageManager ?? "no apt"} is not supported.`,
            "Use a Debian machine with systemd.",
        );
    }
    if (facts.snap !== undefined) {
        refuse(
            "CONFLICTING_INSTALLATION",
            `Docker is installed as a snap (${facts.snap}).`,
            "Remove it with `snap remove docker` (its data goes with it), then run pulumi up again.",
        );
    }
    if (facts.podmanDocker) {
        refuse(
            "CONFLICTING_INSTALLATION",
            "the docker command is podman's (package podman-docker).",
            "Remove it with `apt-get remove podman-docker`, then run pulumi up again.",
        );
    }
    if (facts.dockerd !== undefined && facts.engine === undefined && !facts.interrupted) {
        refuse(
            "CONFLICTING_INSTALLATION",
            `${facts.dockerd} belongs to no package that we know.`,
            "Remove that engine (its data in /var/lib/docker can stay), then run pulumi up again.",
        );
    }
}

/** The engine's own version without packaging: `5:28.5.2-1~debian.13` and `28.5.2+dfsg4` are `28.5.2`. */
export function upstreamVersion(version: string): string {
    return version.replace(/^\d+:/, "").replace(/[-+~].*$/, "");
}

/** True when a package version is one that the wish names: `28.5` names 28.5.x. */
export function versionMatches(version: string, wanted: string): boolean {
    const upstream = upstreamVersion(version);
    return version === wanted || upstream === wanted || upstream.startsWith(`${wanted}.`);
}

function packageLock(): string {
    return String(Math.round(timing.packageLock / 1000));
}

function yesNo(value: boolean): string {
    return value ? "yes" : "no";
}

function readFacts(report: Report): EngineFacts {
    const all = (key: string) => report.facts.filter((fact) => fact.key === key).map((fact) => fact.values);
    const first = (key: string) => all(key)[0];
    const known = all("package");
    const packages = known
        .filter(([, , , status]) => status === "installed")
        .map(([name = "", version = "", want]) => ({ name, version, held: want === "hold" }));
    const service = all("unit").find(([name]) => name === "docker.service");
    const api = first("engine");
    return {
        kernel: first("kernel")?.[0] ?? "an unknown kernel",
        os: first("os")?.[0] ?? "",
        arch: first("arch")?.[0] ?? "",
        machineId: first("machine-id")?.[0] ?? "",
        systemd: first("init")?.[0] === "systemd",
        packageManager: first("package-manager")?.[0],
        engine: packages.find(({ name }) => enginePackages.includes(name)),
        client: packages.find(({ name }) => clientPackages.includes(name)),
        podmanDocker: packages.some(({ name }) => name === "podman-docker"),
        snap: first("snap")?.[0],
        dockerd: first("dockerd")?.[0],
        interrupted: known.some(
            ([name = "", , , status = ""]) =>
                enginePackages.includes(name) && !["installed", "config-files", "not-installed"].includes(status),
        ),
        installedBy: first("record")?.[0],
        inDockerGroup: first("docker-group") !== undefined,
        service: service && { load: service[1] ?? "", active: service[2] ?? "", file: service[3] ?? "" },
        api: api && { engineVersion: api[0] ?? "", apiVersion: api[1] ?? "" },
    };
}
