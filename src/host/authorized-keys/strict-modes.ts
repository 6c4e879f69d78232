/** A file or directory as the machine reports it. */
export interface PathFacts {
    path: string;
    /** Octal permissions, e.g. `0700`. */
    mode: string;
    /** Numeric owner. */
    uid: number;
    /** The owner's name. */
    owner: string;
    /** `"file"`, `"directory"` or something else. */
    type: string;
}

/** One reason for which sshd would silently ignore a file of keys, and what ends it. */
export interface PermissionProblem {
    path: string;
    /** E.g. `"/home/admin has mode 0777: others may write to it"`. */
    text: string;
    /** Take the right to write from group and others. */
    tighten: boolean;
    /** Give it to the user. */
    own: boolean;
}

/**
 * What sshd's StrictModes objects to: the file, and every directory above it up to the home directory (up to / when it lies
 * elsewhere), must belong to the user or to root, and nobody else may write to it.
 *
 * @param chain the file first, then its directories upwards; only what exists
 * @param home the home directory with links resolved
 */
export function strictModesProblems(chain: readonly PathFacts[], uid: number, home: string): PermissionProblem[] {
    const top = chain.findIndex(({ path }) => path === home);
    const checked = top === -1 ? chain : chain.slice(0, top + 1);
    return checked.flatMap(({ path, mode, uid: owner, owner: name }) => {
        const own = owner !== 0 && owner !== uid;
        const tighten = (Number.parseInt(mode, 8) & 0o022) !== 0;
        if (!own && !tighten) return [];
        const reasons = [
            own ? `belongs to ${name}` : "",
            tighten ? `has mode ${mode}, so that others may write to it` : "",
        ].filter(Boolean);
        return [{ path, text: `${path} ${reasons.join(" and ")}`, tighten, own }];
    });
}
