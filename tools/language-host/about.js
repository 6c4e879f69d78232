const { execFile } = require("node:child_process");
const { readFile } = require("node:fs/promises");
const path = require("node:path");
const { promisify } = require("node:util");
const { runtimeOptions } = require("./options");

/** Answers what `pulumi about` shows of the runtime. */
async function about(request, messages) {
    const { packageManager } = runtimeOptions(request.getInfo());
    const name = packageManager === "auto" ? "npm" : packageManager;
    const response = new messages.AboutResponse();
    response.setExecutable(process.execPath);
    response.setVersion(process.version);
    response.getMetadataMap().set("packagemanager", name);
    try {
        const { stdout } = await promisify(execFile)(name, ["--version"]);
        response.getMetadataMap().set("packagemanagerVersion", stdout.trim());
    } catch {
        // A package manager that does not answer is no reason to say nothing at all.
    }
    return response;
}

/** Lists the packages the program names in package.json, or all that those need as well, as installed. */
async function dependencies(request, messages) {
    const directory = request.getInfo().getProgramDirectory();
    const found = new Map();
    const add = async (from, names) => {
        for (const name of names) {
            const home = await installed(from, name);
            if (home !== undefined && !found.has(home.directory)) {
                found.set(home.directory, { name, version: home.manifest.version });
                if (request.getTransitivedependencies()) {
                    await add(home.directory, Object.keys(home.manifest.dependencies ?? {}));
                }
            }
        }
    };
    const manifest = await manifestOf(directory);
    await add(directory, Object.keys({ ...manifest?.dependencies, ...manifest?.devDependencies }));

    const response = new messages.GetProgramDependenciesResponse();
    response.setDependenciesList(
        [...found.values()].map(({ name, version }) => {
            const info = new messages.DependencyInfo();
            info.setName(name);
            info.setVersion(version);
            return info;
        }),
    );
    return response;
}

/** Finds a package the way Node does: in the node_modules of the directory and of those above. */
async function installed(from, name) {
    for (let directory = from; ; directory = path.dirname(directory)) {
        const home = path.join(directory, "node_modules", name);
        const manifest = await manifestOf(home);
        if (manifest !== undefined) {
            return { directory: home, manifest };
        }
        if (directory === path.dirname(directory)) {
            return undefined;
        }
    }
}

async function manifestOf(directory) {
    try {
        return JSON.parse(await readFile(path.join(directory, "package.json"), "utf8"));
    } catch {
        return undefined;
    }
}

module.exports = { about, dependencies };
