import type { MountType } from "./options";
import { unitName } from "./unit-name";

/** What a source looks like, by type. */
const forms: Record<Exclude<MountType, "tmpfs">, { form: RegExp; words: string }> = {
    bind: { form: /^\/./, words: 'a directory of the machine, such as "/srv/data"' },
    block: {
        form: /^(?:\/dev\/.+|(?:UUID|LABEL|PARTUUID|PARTLABEL)=.+)$/,
        words: '"UUID=…", "LABEL=…", "PARTUUID=…", "PARTLABEL=…" or a path below /dev',
    },
    sshfs: {
        form: /^(?:[^\s@:/-][^\s@:/]*@)?(?:\[[0-9a-fA-F:.%\w]+\]|[^\s@:/[\]-][^\s@:/[\]]*):\/.*$/,
        words: '"user@host:/path"; an IPv6 address in brackets',
    },
    nfs: nfsForm(),
    nfs4: nfsForm(),
    cifs: { form: /^\/\/[^\s/-][^\s/]*\/[^/].*$/, words: '"//server/share"' },
};

/** Where a mount would take away what the machine itself needs. */
const system =
    /^\/(?:|bin|boot|dev|etc|home|lib|lib32|lib64|libx32|mnt|media|opt|proc|root|run|sbin|srv|sys|tmp|usr|var|var\/lib|var\/log|var\/run|var\/lib\/pulumi-docker-fleet)$|^\/(?:dev|proc|sys|run|etc|usr|boot|bin|sbin|lib|lib64)\//;
/** These among them can be mounted without harm, and often are. */
const allowed = /^\/(?:home|mnt|media|opt|srv|tmp|var\/log|boot)$/;

/** What is wrong with a mount point; undefined when nothing is. */
export function targetMistake(target: string): string | undefined {
    if (!target.startsWith("/")) return "expected an absolute path";
    if (!isPlain(target))
        return "a mount point without control characters, backslashes and blanks at its ends is expected";
    if (target !== "/" && (target.endsWith("/") || /\/(?:\/|\.{1,2}(?:\/|$))/.test(target))) {
        return 'expected a path without a slash at its end, empty parts, "." and ".."';
    }
    if (system.test(target) && !allowed.test(target)) return "the machine itself needs what is there";
    // Names of files, such as that of a drop-in, have 255 bytes at most.
    if (Buffer.byteLength(unitName(target, "automount")) > 230) return "the path is too long for the name of a unit";
    return undefined;
}

/** What is wrong with a source; undefined when nothing is. */
export function sourceMistake(type: MountType, source: string | undefined, target: string): string | undefined {
    if (type === "tmpfs") return source === undefined ? undefined : "a tmpfs has no source";
    const { form, words } = forms[type];
    if (source === undefined) return `is missing: expected ${words}`;
    if (!isPlain(source) || !form.test(source)) return `expected ${words}`;
    if (type === "bind") {
        if (/\/(?:\/|\.{1,2}(?:\/|$))|.\/$/.test(source)) {
            return 'expected a path without a slash at its end, empty parts, "." and ".."';
        }
        if (source === target || source.startsWith(`${target}/`)) return "the source lies in the mount point";
    }
    return undefined;
}

function nfsForm() {
    return {
        form: /^(?:\[[0-9a-fA-F:.%\w]+\]|[^\s:/[\]-][^\s:/[\]]*):\/.*$/,
        words: '"server:/path"; an IPv6 address in brackets',
    };
}

function isPlain(text: string): boolean {
    return !/[\0-\x1f\x7f\\]|^\s|\s$/.test(text);
}
