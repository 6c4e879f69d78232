import { randomUUID } from "node:crypto";
import { FleetError } from "../../errors";
import { type Machine, standaloneScript } from "../../ssh";
import { exclusiveFor } from "../exclusive";
import { type Listener, type Report, runReporting } from "../report";
import { hostScript } from "../script";
import {
    completeHardening,
    type Hardening,
    type HardeningKey,
    hardeningText,
    keywordOf,
    readSetting,
    sameSetting,
    settingsOf,
    written,
} from "./settings";

/** Whose settings are on a machine. */
export interface HardeningOwner {
    /** The resource's URN. It may change, e.g. when the resource is renamed. */
    resource: string;
    /** Tells a resource from the one that replaces it under the same URN, e.g. the fingerprint of its key. */
    instance: string;
}

/** How a machine's SSH server is configured, as far as a wish goes. */
export interface HardeningFacts {
    /**
     * - `in place`: our settings are there, and nothing else says otherwise
     * - `missing`: they are not there
     * - `edited`: others stand in their place
     * - `not confirmed`: a run has died while it changed them; the machine is about to undo that change
     * - `overridden`: they are there, and the server does not heed all of them
     */
    state: "in place" | "missing" | "edited" | "not confirmed" | "overridden";
    /** The wish with the values that the server really heeds. */
    found: Hardening;
    /** Content of /etc/machine-id. */
    machineId: string;
    /** Whose settings are there. */
    owner: HardeningOwner | undefined;
    /** What differs and where, as a sentence without its end; undefined where nothing does. */
    override: string | undefined;
}

/** What {@link applyHardening} shall reach. */
export interface HardeningTarget {
    wanted: Hardening;
    /** Whose login must go on working; the server is asked how it treats this user and root. */
    user: string;
    owner: HardeningOwner;
    /** Logs in anew, with the key alone and not over a connection that is open already, and becomes root. */
    prove: () => Promise<void>;
}

/** The clock of a change, in milliseconds. Nobody sets these through arguments; tests shorten them. */
export const timing = {
    /** For another change of the same machine by this package, from whatever stack. */
    machineLock: 10 * 60_000,
    /** The machine undoes a change that was not confirmed for so long. */
    undoAfter: 60_000,
    /** How long a proof may take; less than the above. */
    proof: 45_000,
};

const libraries = ["report", "facts", "services/systemd", "sshd/sshd"] as const;
const script = (name: string) => hostScript(`sshd/${name}`, libraries);

/** Looks at the SSH server's configuration. One execution; changes nothing. */
export async function observeHardening(
    machine: Machine,
    wanted: Hardening,
    user: string,
    listener: Listener,
): Promise<HardeningFacts> {
    const settings = completeHardening(wanted);
    const report = await runReporting(
        machine,
        { step: "look at the SSH server", script: script("observe"), args: [user, keywords(settings)] },
        listener,
    );
    return readFacts(report, settings);
}

/**
 * Gives the SSH server these settings, without the danger of locking anybody out: the machine itself undoes them, also
 * over a reboot, unless a fresh login with the key has worked under them and was confirmed. Does nothing where they are in
 * place. What a former run has left unconfirmed is taken over.
 *
 * @throws FleetError HARDENING_REFUSED before anything is changed; SSHD_CONFIG_INVALID, SSHD_SETTING_OVERRIDDEN,
 *     HARDENING_UNDONE after everything was undone; HARDENING_OWNED, and the errors of every execution
 *
 * @param seen what {@link observeHardening} has just found
 */
export async function applyHardening(
    machine: Machine,
    target: HardeningTarget,
    seen: HardeningFacts,
    listener: Listener,
): Promise<void> {
    const { owner } = target;
    const settings = completeHardening(target.wanted);
    requireOwnership(machine, seen.owner, owner);
    if (seen.state === "in place" && seen.owner?.instance === owner.instance) {
        return;
    }
    listener.progress(`${machine.name}: proving the key`);
    await prove(machine, target, {
        code: "HARDENING_REFUSED",
        step: "prove the key",
        outcome: `Nothing was changed, since the key does not let ${target.user} in even now`,
    });
    const token = randomUUID();
    try {
        await stage(machine, settings, target, token, listener);
        const step = "reload the SSH server";
        await runReporting(machine, { step, script: script("activate"), args: [token], timeout: 120_000 }, listener);
        listener.progress(`${machine.name}: proving that the key still lets us in`);
        await prove(machine, target, {
            code: "HARDENING_UNDONE",
            step: "prove that the key still lets us in",
            outcome: "The settings were taken back, since under them it did not",
        });
        listener.progress(`${machine.name}: the key lets us in, the settings stay`);
        await runReporting(
            machine,
            { step: "confirm the SSH server's settings", script: script("confirm"), args: [token], timeout: 150_000 },
            listener,
        );
    } catch (error) {
        await undo(machine, token);
        throw error;
    }
}

/**
 * Takes our settings away, whatever they are; what others have changed meanwhile stays. Doing it twice is fine, and so is
 * doing it when another instance has taken them over: then they stay.
 */
export async function removeHardening(machine: Machine, owner: HardeningOwner, listener: Listener): Promise<void> {
    await runReporting(
        machine,
        {
            step: "take the SSH server's settings back",
            script: script("remove"),
            args: [owner.instance],
            timeout: 120_000,
            exclusive: exclusiveFor(owner.resource, timing.machineLock),
        },
        listener,
    );
}

/**
 * Makes sure that a login leads to root.
 *
 * @throws FleetError the errors of every execution; HARDENING_REFUSED
 */
export async function becomeRoot(machine: Machine, listener: Listener): Promise<void> {
    await runReporting(machine, { step: "become root", script: script("root"), timeout: 30_000 }, listener);
}

function requireOwnership(machine: Machine, there: HardeningOwner | undefined, owner: HardeningOwner): void {
    // One of the two always stays: the URN when the key is replaced, the key when the resource is renamed.
    if (there === undefined || there.resource === owner.resource || there.instance === owner.instance) {
        return;
    }
    throw new FleetError({
        code: "HARDENING_OWNED",
        machine: machine.name,
        step: "look at the SSH server",
        message: `${there.resource} has hardened this machine already.`,
        cure: "Give hardening to one resource per machine. If that one is gone for good, delete /var/lib/pulumi-docker-fleet/sshd/owner.",
    });
}

/** A proof that fails is an error that tells what came of it. */
async function prove(
    machine: Machine,
    target: HardeningTarget,
    { code, step, outcome }: { code: "HARDENING_REFUSED" | "HARDENING_UNDONE"; step: string; outcome: string },
): Promise<void> {
    try {
        await withinTime(target.prove());
    } catch (error) {
        const message = `${outcome}: ${messageOf(error)}`;
        throw new FleetError({ code, machine: machine.name, step, message, cause: error });
    }
}

/** Arms the undo and writes the settings; nothing is live when this returns, nor when it throws. */
async function stage(
    machine: Machine,
    settings: Hardening,
    { user, owner }: HardeningTarget,
    token: string,
    listener: Listener,
): Promise<void> {
    const step = "write the SSH server's settings";
    const report = await runReporting(
        machine,
        {
            step,
            script: script("stage"),
            args: [
                user,
                keywords(settings),
                hardeningText(settings),
                owner.resource,
                owner.instance,
                token,
                String(Math.ceil(timing.undoAfter / 1000)),
                standaloneScript(script("undo")),
            ],
            timeout: 120_000,
            exclusive: exclusiveFor(owner.resource, timing.machineLock),
        },
        listener,
    );
    const { override } = readFacts(report, settings);
    if (override !== undefined) {
        throw new FleetError({
            code: "SSHD_SETTING_OVERRIDDEN",
            machine: machine.name,
            step,
            message: `The settings were taken back, since sshd would not heed them: ${override}.`,
            cure: "Remove what stands against them, or leave that keyword out of hardening.",
        });
    }
}

/** Undoes at once what the machine would undo a little later; that it will do so in any case is why errors do not matter. */
async function undo(machine: Machine, token: string): Promise<void> {
    const step = "undo the SSH server's settings";
    await machine.run({ step, script: script("undo"), args: [token], timeout: 150_000 }).catch(() => {});
}

function withinTime(proof: Promise<void>): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
        timer = setTimeout(
            () => reject(new Error(`the login took longer than ${timing.proof / 1000} s.`)),
            timing.proof,
        );
    });
    return Promise.race([proof, late]).finally(() => clearTimeout(timer));
}

function messageOf(error: unknown): string {
    return error instanceof Error ? error.message : String(error);
}

function keywords(settings: Hardening): string {
    return settingsOf(settings)
        .map(([key]) => key.toLowerCase())
        .join(" ");
}

function readFacts(report: Report, settings: Hardening): HardeningFacts {
    const all = (key: string) => report.facts.filter((fact) => fact.key === key).map((fact) => fact.values);
    const place = all("place")[0]?.[0] ?? "drop-in";
    const has = all("has").map(([where]) => where);
    const lines = all(place).map(([line = ""]) => line);
    const [owner] = all("owner");

    const found: Hardening = { ...settings };
    const differing: string[] = [];
    const differ = (key: HardeningKey, value: ReturnType<typeof readSetting>, where: string) => {
        Object.assign(found, { [key]: value });
        differing.push(`${keywordOf(key)} is ${JSON.stringify(written(value))} ${where}`);
    };
    for (const [key, wanted] of settingsOf(settings)) {
        const name = key.toLowerCase();
        const effective = all("effective").filter(([, keyword]) => keyword === name);
        const set = all("set").filter(([, , keyword]) => keyword === name);
        const places = set.map(([file, block]) => (block === "-" ? file : `${file} in "Match ${block}"`));
        for (const user of new Set(all("effective").map(([who = ""]) => who))) {
            const value = readSetting(
                key,
                effective.filter(([who]) => who === user).map(([, , word = ""]) => word),
            );
            if (!sameSetting(value, wanted)) {
                differ(key, value, `for ${user}, set by ${places.join(", ") || "its default"}`);
            }
        }
        for (const [file, block, , word = ""] of set) {
            const value = readSetting(key, [word === "-" ? "" : word]);
            if (block !== "-" && !sameSetting(value, wanted)) {
                differ(key, value, `by ${file} in "Match ${block}"`);
            }
        }
    }
    const rightText = lines.join("\n") === hardeningText(settings) && has.length === 1;
    return {
        state:
            all("armed").length > 0
                ? "not confirmed"
                : has.length === 0
                  ? "missing"
                  : !rightText
                    ? "edited"
                    : differing.length > 0
                      ? "overridden"
                      : "in place",
        found,
        machineId: all("machine-id")[0]?.[0] ?? "",
        owner: owner && { resource: owner[0] ?? "", instance: owner[1] ?? "" },
        override: differing.length > 0 ? [...new Set(differing)].join("; ") : undefined,
    };
}
