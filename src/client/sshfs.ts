import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { FleetError } from "../errors";

/** The systems on which there is an sshfs. */
export type ClientPlatform = "linux" | "darwin";

/** The programs on this computer. */
export interface SshfsPrograms {
    platform: ClientPlatform;
    /** Path of sshfs. */
    sshfs: string;
    /** Path of what unmounts: fusermount3, fusermount or umount. */
    unmount: string;
}

/** What goes into the command line of sshfs. */
export interface SshfsRequest {
    user: string;
    host: string;
    path: string;
    mountpoint: string;
    /** Path of ssh's configuration. */
    config: string;
    readOnly: boolean;
    options: readonly string[];
}

/**
 * Finds sshfs and what belongs to it.
 *
 * @throws FleetError SSHFS_UNAVAILABLE
 */
export function findSshfs(platform: NodeJS.Platform = process.platform): SshfsPrograms {
    if (platform !== "linux" && platform !== "darwin") {
        const name = platform === "win32" ? "Windows" : platform;
        throw unavailable(`Directories are mounted on computers with Linux and macOS, not with ${name}.`);
    }
    const sshfs = find("sshfs", platform);
    if (sshfs === undefined) {
        throw unavailable("The program sshfs is not installed on this computer.", howToInstall(platform, osRelease()));
    }
    if (find("ssh", platform) === undefined) {
        throw unavailable(
            "The program ssh, which sshfs uses, is not installed on this computer.",
            "Install OpenSSH's client.",
        );
    }
    if (platform === "linux" && !existsSync("/dev/fuse")) {
        throw unavailable(
            "This computer has no /dev/fuse, so it cannot mount with sshfs.",
            "Load the kernel's module (modprobe fuse); a container needs the device given to it.",
        );
    }
    const names = platform === "linux" ? ["fusermount3", "fusermount", "umount"] : ["umount"];
    const unmount = names.map((name) => find(name, platform)).find((program) => program !== undefined);
    if (unmount === undefined) {
        throw unavailable(`The program ${names[0]} is not on this computer's PATH.`);
    }
    return { platform, sshfs, unmount };
}

/** The arguments with which sshfs mounts, and stays until it is unmounted. */
export function sshfsArguments({ user, host, path, mountpoint, config, readOnly, options }: SshfsRequest): string[] {
    const asked = [...(readOnly ? ["ro"] : []), "reconnect", ...options];
    return [
        `${user}@${host.includes(":") ? `[${host}]` : host}:${path}`,
        mountpoint,
        "-f",
        "-F",
        config,
        ...asked.flatMap((option) => ["-o", option]),
    ];
}

/**
 * The command that unmounts.
 *
 * @param how `"gone"`: nobody answers behind it any more, so it is let go of
 */
export function unmountCommand(
    { platform, unmount }: SshfsPrograms,
    mountpoint: string,
    how: "usual" | "gone",
): string[] {
    const isFusermount = /\/fusermount3?$/.test(unmount);
    if (isFusermount) return [unmount, how === "gone" ? "-uz" : "-u", "--", mountpoint];
    if (how === "usual") return [unmount, mountpoint];
    return [unmount, platform === "darwin" ? "-f" : "-l", mountpoint];
}

/**
 * How sshfs is installed.
 *
 * @param release the text of /etc/os-release
 */
export function howToInstall(platform: ClientPlatform, release: string): string {
    if (platform === "darwin") {
        return "Install FUSE-T with its sshfs (https://www.fuse-t.org), or macFUSE with its sshfs (https://macfuse.github.io).";
    }
    const ids = [...release.matchAll(/^ID(?:_LIKE)?="?([^"\n]*)"?$/gm)].flatMap(([, value = ""]) => value.split(" "));
    const commands: [string[], string][] = [
        [["debian", "ubuntu"], "apt-get install sshfs"],
        [["fedora", "rhel", "centos"], "dnf install fuse-sshfs"],
        [["suse", "opensuse"], "zypper install sshfs"],
        [["arch"], "pacman -S sshfs"],
        [["alpine"], "apk add sshfs"],
    ];
    const known = commands.find(([names]) => names.some((name) => ids.includes(name)));
    return known === undefined
        ? "Install it: its package is called sshfs or fuse-sshfs."
        : `Install it: sudo ${known[1]}.`;
}

function unavailable(message: string, cure?: string): FleetError {
    return new FleetError({ code: "SSHFS_UNAVAILABLE", message, cure });
}

function osRelease(): string {
    try {
        return readFileSync("/etc/os-release", "utf8");
    } catch {
        return "";
    }
}

/** Looks for a program where a shell would, and where it usually is though programs with a small PATH do not know. */
function find(name: string, platform: ClientPlatform): string | undefined {
    const usual = platform === "darwin" ? ["/opt/homebrew/bin", "/usr/local/bin", "/sbin"] : ["/usr/bin", "/bin"];
    const directories = [...(process.env.PATH ?? "").split(delimiter).filter((path) => path.startsWith("/")), ...usual];
    return directories.map((directory) => join(directory, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
    try {
        accessSync(path, constants.X_OK);
        return true;
    } catch {
        return false;
    }
}
