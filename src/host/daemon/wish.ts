import { type ApiWish, apiSettings } from "../../docker/daemon/api";
import { type Claim, type Content, claimsOf, environmentClaim, everything } from "../../docker/daemon/merge";
import { givenFlags } from "../../docker/daemon/unit";
import type { DaemonFacts } from "../daemon";
import { unitOf } from "./found";

/** What a resource wants of a daemon. */
export interface DaemonWish {
    /** What belongs into the file. */
    settings: Content;
    /** The file has these settings and no others. */
    exclusive: boolean;
    /** The daemon's environment; undefined: it is not ours. */
    environment?: Record<string, string>;
    /** How the API is to be reached over TCP. What settings it takes is found out on the machine. */
    api?: ApiWish;
    applyMode: "auto" | "reloadOnly" | "ifNoContainers" | "staged";
    liveRestoreFirst: boolean;
    allowDestructive: boolean;
}

/** What a resource with this wish owns on its machine. */
export function claimsOfWish({ settings, exclusive, environment, api }: DaemonWish): Claim[] {
    const file = exclusive ? [everything] : claimsOf({ ...settings, ...apiSettings(api, settings, "fd://") });
    return environment === undefined ? file : [...file, environmentClaim];
}

/** The settings that the wish for an API stands for, on this machine. */
export function apiSettingsFor(facts: DaemonFacts, { api, settings }: DaemonWish): Content {
    const bySocket = givenFlags(unitOf(facts).words).some(({ key, text }) => key === "hosts" && text.includes("fd://"));
    return apiSettings(api, settings, bySocket ? "fd://" : "unix:///var/run/docker.sock");
}
