/** A shell that an environment is written for; `sh` is bash, zsh, dash and their like. */
export type Shell = "sh" | "fish" | "powershell" | "cmd";

/** What a shell is to know. */
interface Environment {
    /** DOCKER_HOST. */
    endpoint: string;
    /** Where the client's files are, below the home directory's `.docker/docker-fleet`. */
    directory: string;
    /** The client's files, by name; undefined for a host without TLS. */
    files: Readonly<Record<string, string>> | undefined;
}

/**
 * For each shell the text that leads `docker` in it to a host, as `docker-machine env` did: it writes the client's files, for
 * their owner alone, and sets variables.
 */
export function environmentsFor(environment: Environment): Record<Shell, string> {
    const texts = Object.entries(writers).map(([shell, write]) => [shell, `${write(environment).join("\n")}\n`]);
    return Object.fromEntries(texts) as Record<Shell, string>;
}

const writers: Record<Shell, (environment: Environment) => string[]> = {
    sh({ endpoint, directory, files }) {
        const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
        const host = `export DOCKER_HOST=${quote(endpoint)}`;
        if (files === undefined) return ["unset DOCKER_TLS_VERIFY DOCKER_CERT_PATH", host];
        const home = `"$HOME"/${quote(`.docker/docker-fleet/${directory}`)}`;
        const write = Object.entries(files).map(
            ([name, text]) => `rm -f ${home}/${name} && printf '%s\\n' ${quote(text.trimEnd())} >${home}/${name}`,
        );
        return [
            `(umask 077 && mkdir -p ${home} && ${write.join(" && ")})`,
            host,
            "export DOCKER_TLS_VERIFY=1",
            `export DOCKER_CERT_PATH=${home}`,
        ];
    },

    fish({ endpoint, directory, files }) {
        const quote = (text: string) => `'${text.replace(/['\\]/g, "\\$&")}'`;
        const host = `set -gx DOCKER_HOST ${quote(endpoint)}`;
        if (files === undefined) return ["set -e DOCKER_TLS_VERIFY", "set -e DOCKER_CERT_PATH", host];
        const home = `"$HOME"/${quote(`.docker/docker-fleet/${directory}`)}`;
        const write = Object.entries(files).map(
            ([name, text]) => `printf '%s\\n' ${quote(text.trimEnd())} >${home}/${name}; and chmod 600 ${home}/${name}`,
        );
        return [
            // Closed before anything is in it: fish has no subshell for an umask.
            `mkdir -p ${home}; and chmod 700 ${home}; and ${write.join("; and ")}`,
            host,
            "set -gx DOCKER_TLS_VERIFY 1",
            `set -gx DOCKER_CERT_PATH ${home}`,
        ];
    },

    powershell({ endpoint, directory, files }) {
        const quote = (text: string) => `'${text.replaceAll("'", "''")}'`;
        const host = `$Env:DOCKER_HOST = ${quote(endpoint)}`;
        if (files === undefined) {
            return ["Remove-Item Env:DOCKER_TLS_VERIFY, Env:DOCKER_CERT_PATH -ErrorAction Ignore", host];
        }
        const write = Object.entries(files).map(
            ([name, text]) => `[IO.File]::WriteAllText("$Env:DOCKER_CERT_PATH/${name}", ${quote(text)})`,
        );
        return [
            host,
            "$Env:DOCKER_TLS_VERIFY = '1'",
            `$Env:DOCKER_CERT_PATH = "$HOME/.docker/docker-fleet/" + ${quote(directory)}`,
            "New-Item -ItemType Directory -Force $Env:DOCKER_CERT_PATH | Out-Null",
            ...write,
        ];
    },

    cmd({ endpoint, directory, files }) {
        const host = `set "DOCKER_HOST=${endpoint}"`;
        if (files === undefined) return ["@echo off", "set DOCKER_TLS_VERIFY=", "set DOCKER_CERT_PATH=", host];
        const write = Object.entries(files).flatMap(([name, text]) => [
            `>"%DOCKER_CERT_PATH%\\${name}" (`,
            // PEM has no letter that cmd would take for something else.
            ...text
                .trimEnd()
                .split("\n")
                .map((line) => `echo ${line}`),
            ")",
        ]);
        return [
            "@echo off",
            host,
            "set DOCKER_TLS_VERIFY=1",
            `set "DOCKER_CERT_PATH=%USERPROFILE%\\.docker\\docker-fleet\\${directory}"`,
            'if not exist "%DOCKER_CERT_PATH%" mkdir "%DOCKER_CERT_PATH%"',
            ...write,
        ];
    },
};
