import { wrongCombinations, wrongVersions } from "../../docker/daemon/check";
import { keyOf } from "../../docker/daemon/keys";
import {
    type Claim,
    type Content,
    collisions,
    everything,
    parse,
    sameContent,
    valueAt,
} from "../../docker/daemon/merge";
import { networkTaken } from "../../docker/daemon/networks";
import type { Plan, Situation } from "../../docker/daemon/plan";
import { givenFlags } from "../../docker/daemon/unit";
import { type ErrorCode, FleetError } from "../../errors";
import { type DaemonFacts, daemonFile } from "../daemon";
import type { Unit } from "./found";
import type { DaemonWish } from "./wish";

/** Ends with an error: code, message, cure. */
export type Refuse = (code: ErrorCode, message: string, cure: string) => never;

/** What ends with an error of this machine. */
export function refuser(machine: string): Refuse {
    return (code, message, cure) => {
        throw new FleetError({ code, machine, step: "configure the Docker daemon", message, cure });
    };
}

/**
 * Refuses a machine that has no daemon to configure.
 *
 * @throws FleetError ENGINE_MISSING, UNSUPPORTED_MACHINE
 */
export function requireDaemon(facts: DaemonFacts, machine: string): void {
    const refuse = refuser(machine);
    if (!facts.systemd) {
        refuse("UNSUPPORTED_MACHINE", "its init system is not systemd.", "Use a machine with systemd.");
    }
    if (facts.dockerd === undefined || facts.unit === "") {
        refuse("ENGINE_MISSING", "there is no Docker Engine on this machine.", "Declare a DockerHost for it first.");
    }
}

/** What other resources of the machine claim, nobody else can have. */
export function refuseCollisions(facts: DaemonFacts, id: string, claims: readonly Claim[], refuse: Refuse): void {
    for (const [other, record] of facts.owners) {
        const both = other === id ? [] : collisions(claims, record.claims);
        if (both.length > 0) {
            refuse(
                "SETTING_CLAIMED",
                `${both.map((claim) => (claim === everything ? "the whole file" : claim)).join(", ")} is set by another resource on this machine already: ${record.owner}.`,
                `Take it out of one of the two. If that one no longer exists, delete /var/lib/pulumi-docker-fleet/daemon/owners/${other}.json on the machine.`,
            );
        }
    }
}

/** The file's content. One that cannot be read is refused, unless it is to be replaced anyway. */
export function contentOf(facts: DaemonFacts, exclusive: boolean, refuse: Refuse): Content {
    try {
        return parse(facts.file.content);
    } catch (error) {
        if (exclusive) return {};
        return refuse(
            "DAEMON_JSON_INVALID",
            `${daemonFile} cannot be read: ${(error as Error).message}. What others have written there must not be lost.`,
            "Correct the file on the machine, or set exclusive to have it replaced.",
        );
    }
}

/** What this version does not know, what does not go together, and what would not work on this machine. */
export function refuseMistakes(
    facts: DaemonFacts,
    { settings, api }: DaemonWish,
    wanted: Content,
    ours: readonly string[],
    refuse: Refuse,
): void {
    const mistakes = [
        ...(facts.version === undefined ? [] : wrongVersions(settings, facts.version)),
        ...wrongCombinations(wanted, true, undefined, api?.tcp?.allowUnprotected).filter(({ path }) =>
            ours.includes(path[0] ?? ""),
        ),
    ];
    if (settings["live-restore"] === true && facts.info?.swarm === "active") {
        mistakes.push({ path: ["live-restore"], problem: "a daemon in swarm mode does not start with it" });
    }
    const { bip } = settings;
    const taken = typeof bip === "string" ? networkTaken(bip, facts.routes) : undefined;
    if (taken !== undefined) {
        const problem = `${bip} overlaps ${taken.network}, which the machine reaches through ${taken.device}: it would be cut off from there`;
        mistakes.push({ path: ["bip"], problem });
    }
    const driver = settings["log-driver"];
    const drivers = facts.info?.logDrivers ?? [];
    // The daemon would start all the same, and then no container.
    if (typeof driver === "string" && driver !== "none" && drivers.length > 0 && !drivers.includes(driver)) {
        const problem = `this machine has no log driver ${driver}; there are none, ${drivers.join(", ")}`;
        mistakes.push({ path: ["log-driver"], problem });
    }
    if (mistakes.length > 0) {
        const lines = mistakes.map(({ path, problem }) => `settings.${path.join(".")}: ${problem}`);
        refuse("SETTING_REFUSED", `${lines.join("; ")}.`, "Nothing was changed.");
    }
}

/** A key must not be in the file and among the flags, whatever its value. `-H` of the unit itself is ours to solve. */
export function refuseFlags(unit: Unit, settings: Content, refuse: Refuse): void {
    for (const { key, text, variable } of givenFlags(unit.words)) {
        const solved = key === "hosts" && variable === undefined;
        // Runtimes are the one thing that dockerd takes from both.
        if (settings[key] === undefined || solved || key === "runtimes") continue;
        const place =
            variable === undefined ? unit.path : `${variable} in ${unit.sources.get(variable) ?? "the environment"}`;
        refuse(
            "SETTING_CONFLICT",
            `${key} is given to the daemon as a flag too: ${text}, by ${place}. dockerd does not start with both.`,
            "Take the flag out there, or the key out of settings.",
        );
    }
}

/** A restart where the wish does not allow one. */
export function refuseRestart(plan: Plan, mode: DaemonWish["applyMode"], refuse: Refuse): void {
    if (plan.action !== "restart") return;
    const because = plan.because.join(", ");
    if (mode === "reloadOnly") {
        refuse(
            "RESTART_NOT_ALLOWED",
            `${because} needs a restart of the daemon (${plan.text}), and applyMode is "reloadOnly".`,
            'Nothing was changed. Use another applyMode; "staged" writes the file and leaves the restart to you.',
        );
    }
    if (mode === "ifNoContainers" && plan.stops.length > 0) {
        const names = plan.stops.map(({ name }) => name);
        const shown =
            names.length > 5 ? `${names.slice(0, 5).join(", ")} and ${names.length - 5} more` : names.join(", ");
        refuse(
            "RESTART_NOT_ALLOWED",
            `${because} needs a restart of the daemon, which would stop ${shown}, and applyMode is "ifNoContainers".`,
            "Nothing was changed. Stop them, or let them keep running: live-restore with enableLiveRestoreFirst.",
        );
    }
}

/** Keys whose change hides what people have on the machine. */
export function refuseDestruction(
    facts: DaemonFacts,
    { file, loaded }: Situation,
    wanted: Content,
    ours: readonly string[],
    refuse: Refuse,
): void {
    const { info } = facts;
    const before = loaded ?? file;
    const now: Content = { ...before };
    if (info !== undefined) {
        // In effect already, whether or not it is written down.
        if (wanted["storage-driver"] === info.storage) now["storage-driver"] = info.storage;
        if (wanted["data-root"] === info.root) now["data-root"] = info.root;
        const [root, driver] = [before["data-root"], before["storage-driver"]];
        if (root === info.root && info.root === "/var/lib/docker" && wanted["data-root"] === undefined)
            delete now["data-root"];
        if (driver === info.storage && wanted["storage-driver"] === undefined) delete now["storage-driver"];
    }
    const claims = [...ours.filter((key) => keyOf(key)?.hides), "features.containerd-snapshotter"];
    for (const claim of claims) {
        const key = claim.split(".")[0]!;
        if (!ours.includes(key) || sameContent(valueAt(now, claim), valueAt(wanted, claim))) continue;
        const hides = keyOf(claim)?.hides ?? "all images and containers";
        const count = (n: number, what: string) => `${n} ${what}${n === 1 ? "" : "s"}`;
        const there = [
            ...(info ? [count(info.images, "image"), count(info.containers, "container")] : []),
            ...(hides.includes("volumes") ? [count(facts.volumes, "volume")] : []),
        ];
        if (info !== undefined && there.every((text) => text.startsWith("0 "))) continue;
        refuse(
            "DESTRUCTIVE_CHANGE",
            `a change of ${claim} takes ${hides} out of sight: ${there.join(", ") || "what there is of them"}. They stay on the disk.`,
            "Nothing was changed. Set allowDestructive: true if that is what you want.",
        );
    }
}
