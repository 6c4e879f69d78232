import { execFile } from "node:child_process";
import { configError, type SshOptions, type SshQuery } from "./ssh-options";

/** Reading files takes milliseconds; a `Match exec` may ask something in the network. */
const timeout = 15_000;

/**
 * Asks the OpenSSH client of this machine what it would do: nobody else knows all of ssh_config. It connects to nothing.
 *
 * @returns undefined when there is no OpenSSH client, or one from before 2015
 * @throws FleetError SSH_CONFIG_INVALID with the client's own words
 */
export function askSsh({ path, host, user, port }: SshQuery): Promise<SshOptions | undefined> {
    const args = [
        "-G",
        // Without a terminal it would remark on that.
        "-T",
        ...(path === undefined ? [] : ["-F", path]),
        ...(user === undefined ? [] : ["-l", user]),
        ...(port === undefined ? [] : ["-p", String(port)]),
        "--",
        host,
    ];
    return new Promise((resolve, reject) => {
        const child = execFile(
            "ssh",
            args,
            { timeout, killSignal: "SIGKILL", maxBuffer: 1024 * 1024, windowsHide: true },
            (error, stdout, stderr) => {
                const said = stderr.trim();
                if (error === null) {
                    resolve(parseAnswer(stdout));
                } else if (error.code === "ENOENT" || /(illegal|unknown) option -- G/.test(said)) {
                    resolve(undefined);
                } else if (error.killed) {
                    reject(
                        configError(
                            `ssh -G ${host} did not end within ${timeout / 1000} s.`,
                            "Check the commands of Match exec in the configuration.",
                        ),
                    );
                } else {
                    reject(configError(`${said.split(/\r?\n/)[0] || error.message}.`, "Try: ssh -G HOST."));
                }
            },
        );
        child.stdin?.end();
    });
}

/** The answer has one line for each value: the keyword, a blank, the rest. */
export function parseAnswer(text: string): SshOptions {
    const options: SshOptions = new Map();
    for (const line of text.split(/\r?\n/)) {
        const [, keyword, value] = /^(\S+) (.*)$/.exec(line) ?? [];
        if (keyword !== undefined && value !== undefined) {
            options.set(keyword, [...(options.get(keyword) ?? []), value]);
        }
    }
    return options;
}
