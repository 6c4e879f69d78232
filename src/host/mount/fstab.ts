import { quote } from "../../ssh/quote";
import { encodePath } from "./mountinfo";
import { typeFacts } from "./options";
import { unitName } from "./unit-name";
import { mountOptions, mountTypeName, type UnitWish, type WantedFile } from "./units";

/** What a machine without systemd needs for a mount. */
export interface Fstab {
    /** Its line of /etc/fstab. */
    line: string;
    files: WantedFile[];
    /** Files that a mount with other arguments may have. */
    unwanted: string[];
    /** The service that mounts it at boot, where that is in no runlevel by itself. */
    service: "netmount" | undefined;
}

/** The line and files for a mount on a machine with OpenRC. */
export function fstabOf(wish: UnitWish): Fstab {
    const { type, source, target, requiredByDocker } = wish;
    // mount hands on nofail to FUSE, which does not know it (systemd takes it out). Nothing at boot fails by it here in any case.
    const options = mountOptions(wish).filter((option) => type !== "sshfs" || option !== "nofail");
    const fields = [
        source,
        target,
        mountTypeName(wish) ?? "auto",
        options.length === 0 ? "defaults" : options.join(","),
        // Not saved by dump, and not checked by fsck at boot: as with units.
        "0",
        "0",
    ];
    const path = gatePath(target);
    return {
        line: fields.map(encodeField).join(" "),
        files: requiredByDocker ? [{ path, mode: "0644", content: dockerGate(wish) }] : [],
        unwanted: requiredByDocker ? [] : [path],
        service: typeFacts[type].network ? "netmount" : undefined,
    };
}

/** The file that lets Docker wait for a mount. */
export function gatePath(target: string): string {
    return `/etc/rc.conf.d/docker-${unitName(target, "mount")}.conf`;
}

/** A field as fstab(5) has it: what separates fields, and what escapes them, as octal numbers. */
function encodeField(text: string): string {
    return text.replace(/[ \t\n\\]/g, (letter) => `\\${letter.charCodeAt(0).toString(8).padStart(3, "0")}`);
}

/**
 * OpenRC reads this whenever it runs a service (openrc-run.sh) and when it works out their order (gendepends.sh), after the
 * service's own /etc/conf.d there. A service that is told to start is marked as starting before that. A service of our own that
 * Docker needs would not do: OpenRC asks for it only when it starts that service, and stops Docker together with it.
 */
function dockerGate({ type, target, owner }: UnitWish): string {
    const waits = quote(`/run/pulumi-docker-fleet/docker-${unitName(target, "mount")}`);
    const order = ['    rc_docker_after="$' + '{rc_docker_after:-$rc_after} netmount"'];
    const lines = [
        `# Written by pulumi-docker-fleet for ${owner}.`,
        `# Docker does not start while nothing is mounted at ${target}.`,
        'if [ "$RC_SVCNAME" = docker ]; then',
        ...(typeFacts[type].network ? order : []),
        "    case $0 in",
        "    *openrc-run.sh)",
        "        if service_starting; then",
        `            if cut -d ' ' -f 5 /proc/self/mountinfo | grep -qxF ${quote(encodePath(target))}; then`,
        `                rm -f ${waits}`,
        "            else",
        `                mkdir -p /run/pulumi-docker-fleet && : >${waits}`,
        `                eerror ${quote(`docker: nothing is mounted at ${target}`)}`,
        "                exit 1",
        "            fi",
        "        fi",
        "        ;;",
        "    esac",
        "fi",
        "",
    ];
    return lines.join("\n");
}
