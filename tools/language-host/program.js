const { spawn } = require("node:child_process");
const { createRequire } = require("node:module");
const path = require("node:path");
const { onEngineGone } = require("./engine-watch");
const { runtimeOptions } = require("./options");

/** With this exit code the program's runtime says that the user has already been told what is wrong. */
const alreadyTold = 32;
/** How long an interrupted program may take to end, in ms. */
const grace = 5_000;

/** Runs the program of a Run request to its end and says how it ended. */
async function run(call, state, messages) {
    const request = call.request;
    const info = request.getInfo();
    const response = new messages.RunResponse();
    let runner;
    try {
        runner = createRequire(path.join(info.getProgramDirectory(), "package.json")).resolve("@pulumi/pulumi/cmd/run");
    } catch (error) {
        response.setError(
            error.code === "MODULE_NOT_FOUND"
                ? "It looks like the Pulumi SDK has not been installed. Have you run pulumi install?"
                : error.message,
        );
        return response;
    }
    const options = runtimeOptions(info);
    const child = spawn(
        process.execPath,
        [...options.nodeArguments, runner, ...programArguments(request, state.engineAddress)],
        { stdio: ["ignore", "inherit", "inherit"], env: { ...process.env, ...programEnvironment(request, options) } },
    );

    const kill = () => child.kill("SIGKILL");
    const interrupt = () => {
        child.kill("SIGINT");
        setTimeout(kill, grace).unref();
    };
    const program = { interrupt };
    state.programs.add(program);
    const forget = onEngineGone(kill);
    // The engine takes the request back when it ends the operation, e.g. on Ctrl-C.
    call.on("cancelled", interrupt);
    try {
        const { code, signal } = await ended(child);
        if (code === alreadyTold) {
            response.setBail(true);
        } else if (code !== 0) {
            response.setError(
                signal === null
                    ? `Program exited with non-zero exit code: ${code}`
                    : `Program exited unexpectedly: signal ${signal}`,
            );
        }
    } catch (error) {
        response.setError(`Problem executing program (could not run language executor): ${error.message}`);
    } finally {
        forget();
        state.programs.delete(program);
    }
    return response;
}

function ended(child) {
    return new Promise((resolve, reject) => {
        child.once("error", reject);
        child.once("exit", (code, signal) => resolve({ code, signal }));
    });
}

/** The command line of @pulumi/pulumi/cmd/run: flags that have a value, then the entry point and its arguments. */
function programArguments(request, engineAddress) {
    const info = request.getInfo();
    const flags = {
        monitor: request.getMonitorAddress(),
        engine: engineAddress,
        organization: request.getOrganization(),
        project: request.getProject(),
        "root-directory": info.getRootDirectory(),
        stack: request.getStack(),
        pwd: info.getProgramDirectory(),
        parallel: String(request.getParallel()),
    };
    return [
        ...Object.entries(flags).flatMap(([name, value]) => (value === "" ? [] : [`--${name}`, value])),
        ...(request.getDryrun() ? ["--dry-run"] : []),
        info.getEntryPoint(),
        ...request.getArgsList(),
    ];
}

function programEnvironment(request, options) {
    const config = {};
    for (const [key, value] of request.getConfigMap().entries()) {
        // The runtime wants "namespace:config:name" where the engine says "namespace:name".
        const [namespace, ...name] = key.split(":");
        config[`${namespace}:config:${name.at(-1)}`] = value;
    }
    return {
        PULUMI_CONFIG: JSON.stringify(config),
        PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(request.getConfigsecretkeysList()),
        ...(options.typescript ? { PULUMI_NODEJS_TYPESCRIPT: "true" } : {}),
        ...(options.tsconfig === "" ? {} : { PULUMI_NODEJS_TSCONFIG_PATH: options.tsconfig }),
    };
}

module.exports = { run };
