import { Lab, type Release, releases } from "../../lab";

/** `describe` where there are lab hosts, `describe.skip` elsewhere; tools/test.ts says why. */
export const describeLab = Lab.unavailable() === undefined ? describe : describe.skip;

/**
 * The releases that a file of tests runs on: in the everyday suite the ones it names, which the files take in turns so that
 * each release is met; with `FLEET_RELEASES=all` every one.
 *
 * @example describeLab.each(suiteReleases("trixie"))("a Mount on %s", (release) => { … });
 */
export function suiteReleases(...everyday: Release[]): readonly Release[] {
    return process.env.FLEET_RELEASES === "all" ? releases : everyday;
}
