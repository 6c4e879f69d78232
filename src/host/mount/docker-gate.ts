import { quote } from "../../ssh/quote";
import { encodePath } from "./mountinfo";
import { typeFacts } from "./options";
import { unitName } from "./unit-name";
import type { UnitWish } from "./units";

// What keeps Docker from starting while nothing is mounted. It is the kernel's table of mounts that is asked, each time when Docker
// starts: what is mounted may belong to a server that does not answer. A refusal leaves a mark in /run, which goes with the next start.

/** The drop-in of docker.service. */
export function dropInPath(target: string): string {
    return `/etc/systemd/system/docker.service.d/mount-${unitName(target, "mount")}.conf`;
}

/** The file by which OpenRC knows. */
export function rcConfPath(target: string): string {
    return `/etc/rc.conf.d/docker-${unitName(target, "mount")}.conf`;
}

/**
 * Docker waits for the unit, and does not start where there is nothing. RequiresMountsFor= would stop Docker together with the
 * mount; and AssertPathIsMountPoint= lets systemd itself (process 1) ask the file system, and wait for its server.
 *
 * @param start the unit that is started at boot
 */
export function dropIn({ target, owner }: UnitWish, start: string): string {
    const check = ["/bin/sh", "-c", checkScript(target)].map(unitWord).join(" ");
    return [
        `# Written by pulumi-docker-fleet for ${owner}.`,
        "[Unit]",
        `Wants=${start.replaceAll("%", "%%")}`,
        `After=${start.replaceAll("%", "%%")}`,
        "[Service]",
        `ExecStartPre=${check}`,
        "",
    ].join("\n");
}

/**
 * OpenRC reads this whenever it runs a service (openrc-run.sh) and when it works out their order (gendepends.sh), after the
 * service's own /etc/conf.d there. A service that is told to start is marked as starting before that. A service of our own that
 * Docker needs would not do: OpenRC asks for it only when it starts that service, and stops Docker together with it.
 */
export function rcConf({ type, target, owner }: UnitWish): string {
    const order = '    rc_docker_after="${rc_docker_after:-$rc_after} netmount"';
    return [
        `# Written by pulumi-docker-fleet for ${owner}.`,
        `# Docker does not start while nothing is mounted at ${target}.`,
        'if [ "$RC_SVCNAME" = docker ]; then',
        ...(typeFacts[type].network ? [order] : []),
        "    case $0 in",
        "    *openrc-run.sh)",
        "        if service_starting; then",
        `            ${checkScript(target)}`,
        "        fi",
        "        ;;",
        "    esac",
        "fi",
        "",
    ].join("\n");
}

/** Ends the shell with 1 when nothing is mounted. */
function checkScript(target: string): string {
    const mark = quote(`/run/pulumi-docker-fleet/docker-${unitName(target, "mount")}`);
    const words = quote(`docker: nothing is mounted at ${target}`);
    return (
        `if cut -d ' ' -f 5 /proc/self/mountinfo | grep -qxF ${quote(encodePath(target))}; then rm -f ${mark}; ` +
        `else mkdir -p /run/pulumi-docker-fleet; : >${mark}; echo ${words} >&2; exit 1; fi`
    );
}

/** A word of a command as systemd reads it (systemd.service(5), "Command lines"). */
function unitWord(text: string): string {
    return `"${text.replace(/["\\]/g, "\\$&").replaceAll("%", "%%").replaceAll("$", "$$$$")}"`;
}
