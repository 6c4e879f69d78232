const { spawn } = require("node:child_process");
const { onEngineGone } = require("./engine-watch");
const { runtimeOptions } = require("./options");

/**
 * Installs the program's dependencies with the package manager of the project's options (default npm) and streams what
 * it prints. Throws when it cannot be started or ends with another code than 0.
 */
async function install(call, messages) {
    const info = call.request.getInfo();
    const { packageManager } = runtimeOptions(info);
    const command = packageManager === "auto" ? "npm" : packageManager;
    const send = (stream, text) => {
        const response = new messages.InstallDependenciesResponse();
        if (stream === "stdout") {
            response.setStdout(Buffer.from(text));
        } else {
            response.setStderr(Buffer.from(text));
        }
        call.write(response);
    };

    send("stdout", "Installing dependencies...\n\n");
    const child = spawn(command, ["install", "--loglevel=error"], {
        cwd: info.getProgramDirectory(),
        stdio: ["ignore", "pipe", "pipe"],
    });
    const stop = () => child.kill("SIGTERM");
    const forget = onEngineGone(stop);
    call.on("cancelled", stop);
    child.stdout.on("data", (chunk) => send("stdout", chunk));
    child.stderr.on("data", (chunk) => send("stderr", chunk));
    await new Promise((resolve, reject) => {
        child.once("error", (error) => reject(new Error(`could not run ${command} install: ${error.message}`)));
        child.once("close", (code, signal) =>
            code === 0 ? resolve() : reject(new Error(`${command} install failed: ${signal ?? `exit code ${code}`}`)),
        );
    }).finally(forget);
    send("stdout", "Finished installing dependencies\n\n");
}

module.exports = { install };
