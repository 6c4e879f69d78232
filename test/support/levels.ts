import { Lab } from "../../lab";

/** `describe` where there are lab hosts, `describe.skip` elsewhere; tools/test.ts says why. */
export const describeLab = Lab.unavailable() === undefined ? describe : describe.skip;
