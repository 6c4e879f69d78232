import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { transformSync } from "@swc/core";

const root = join(__dirname, "..", "..");

/** A package `pulumi-docker-fleet` in a temporary directory. */
export interface FixturePackage {
    /** The package's directory. */
    directory: string;
    /** A directory beside it from which it can be loaded: what the provider process wants as its working directory. */
    program: string;
    remove(): void;
}

/**
 * Builds a package that is loaded as `pulumi-docker-fleet`, compiled from the sources: the adapter and the base class are
 * the real ones, the resource is the one in test/engine/fixtures.
 */
export function fixturePackage(): FixturePackage {
    const top = mkdtempSync(join(tmpdir(), "docker-fleet-fixture-"));
    const directory = join(top, "package");
    const program = join(top, "program");
    mkdirSync(join(program, "node_modules"), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(top, "node_modules"));
    symlinkSync(directory, join(program, "node_modules", "pulumi-docker-fleet"));
    for (const source of ["src", "test/engine/fixtures"]) {
        compile(join(root, source), directory);
    }
    const exported = { "./provider": "machine", "./program": "program" };
    writeFileSync(
        join(directory, "package.json"),
        JSON.stringify({
            name: "pulumi-docker-fleet",
            version: "0.0.0",
            exports: Object.fromEntries(
                Object.entries(exported).map(([name, file]) => [name, `./test/engine/fixtures/${file}.js`]),
            ),
        }),
    );
    return { directory, program, remove: () => rmSync(top, { recursive: true, force: true }) };
}

/** Compiles a file or directory of the repository to the same place under `target`. Types are checked elsewhere. */
function compile(source: string, target: string): void {
    const files = source.endsWith(".ts")
        ? [source]
        : readdirSync(source, { recursive: true, encoding: "utf8" })
              .filter((file) => file.endsWith(".ts"))
              .map((file) => join(source, file));
    for (const file of files) {
        const { code } = transformSync(readFileSync(file, "utf8"), {
            filename: file,
            swcrc: false,
            jsc: { target: "es2022", parser: { syntax: "typescript" } },
            module: { type: "commonjs" },
        });
        const output = join(target, relative(root, file)).replace(/\.ts$/, ".js");
        mkdirSync(dirname(output), { recursive: true });
        writeFileSync(output, code);
    }
}
