import { loadScript, type Script } from "../ssh";

const cache = new Map<string, Script>();

/**
 * A script of this folder with the shell libraries that it uses in front of it, as one text.
 *
 * @param main path of the script below src/host, without `.sh`, e.g. `"engine/install"`
 * @param libraries the same for each file of functions, in order
 */
export function hostScript(main: string, libraries: readonly string[]): Script {
    let script = cache.get(main);
    if (script === undefined) {
        const parts = [...libraries, main].map((name) => loadScript(__dirname, `${name}.sh`).text);
        script = { name: main, text: parts.join("\n") };
        cache.set(main, script);
    }
    return script;
}
