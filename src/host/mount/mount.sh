# A mount of this machine, and what we know of it.

# What we keep of each mount, in a directory of its own: owner (the resource's URN), made (the directories that we made for
# the mount point, deepest first), guard (the mount point was made immutable), before/ (what a change that is under way, or
# was killed, found), and files for root alone.
MOUNT_RECORDS=/var/lib/pulumi-docker-fleet/mounts
# How long a file system may take to answer, in tenths of a second.
MOUNT_PATIENCE=50

# What looks after the mounts of this machine. units.sh and fstab.sh have the same functions, each for one of them; what is called
# by mount_by there is units_NAME or fstab_NAME.
if [ -d /run/systemd/system ]; then mount_way=units; else mount_way=fstab; fi
mount_by() {
    mount_verb=$1
    shift
    "${mount_way}_$mount_verb" "$@"
}

# mount_home_of NAME: our directory of a mount.
mount_home_of() { printf '%s/%s' "$MOUNT_RECORDS" "$1"; }

# mount_entries: the lines of mountinfo for $mount_target, lowest first. The kernel answers this whatever the server does.
mount_entries() {
    MOUNT_ESCAPED=$mount_escaped awk '$5 == ENVIRON["MOUNT_ESCAPED"]' /proc/self/mountinfo
}

# mount_mounted: something other than an automount that waits is mounted there.
mount_mounted() { [ -n "$(mount_entries | awk '!/ - autofs /')" ]; }

# mount_sum FILE: its SHA-256, or "absent". A link to nowhere or to /dev/null (a masked unit) is something else.
mount_sum() {
    if [ -f "$1" ]; then sha256sum <"$1" | cut -d ' ' -f 1; elif [ -L "$1" ] || [ -e "$1" ]; then echo other; else echo absent; fi
}

# mount_look OUT: asks the file system itself, in a process that nobody waits for: of a dead server it may never return.
mount_look() {
    (
        mount_answer=0
        { stat -f -c 'type %T' -- "$mount_target" && stat -c 'root %u %g %U %G %a %d:%i' -- "$mount_target/."; } >"$1/out" 2>"$1/err" ||
            mount_answer=$?
        if [ "${mount_type-}" = bind ]; then stat -L -c 'from %d:%i' -- "$mount_source/." >>"$1/out" 2>/dev/null; fi
        echo "$mount_answer" >"$1/code.new" && mv "$1/code.new" "$1/code"
    ) </dev/null >/dev/null 2>&1 &
}

# mount_ask OUT: the same, and waits for the answer as long as a file system may take. (With timeout(1) it could be for ever: a
# call that sshfs has taken on ends with its answer, and not even by SIGKILL.)
mount_ask() {
    mount_look "$1"
    mount_waited=0
    while [ ! -e "$1/code" ] && [ "$mount_waited" -lt "$MOUNT_PATIENCE" ]; do
        sleep 0.1
        mount_waited=$((mount_waited + 1))
    done
}

# mount_probe: facts about what is mounted: how its root looks, or why it cannot be looked at.
mount_probe() {
    mount_notes=$(mktemp -d "${TMPDIR:-/tmp}/pulumi-docker-fleet.XXXXXX") || fail REMOTE_COMMAND_FAILED "mktemp failed"
    mount_ask "$mount_notes"
    if [ ! -e "$mount_notes/code" ]; then
        fact probe silent
    elif [ "$(cat "$mount_notes/code")" != 0 ]; then
        fact probe broken "$(sed 's/^stat: [^:]*: //' "$mount_notes/err" | head -n 1)"
    else
        fact probe ok
        while read -r mount_key mount_values; do
            # shellcheck disable=SC2086 # numbers and names, one word each
            fact "$mount_key" $mount_values
        done <"$mount_notes/out"
    fi
    rm -rf "$mount_notes"
}

# mount_real: $mount_target with links resolved, as far as it is there. The kernel's table holds real paths: what is mounted is not
# asked, which would wait for a dead server.
mount_real() {
    mount_rest=
    mount_path=$mount_target
    if [ -n "$(mount_entries)" ]; then
        printf '%s' "$mount_target"
        return
    fi
    while [ ! -d "$mount_path" ] && [ ! -L "$mount_path" ]; do
        mount_rest=/$(basename -- "$mount_path")$mount_rest
        mount_path=$(dirname -- "$mount_path")
    done
    mount_path=$(readlink -f -- "$mount_path")
    printf '%s' "${mount_path%/}$mount_rest"
}

# mount_docker_waits FILE: Docker needs this mount, by that file of ours, and did not start when it was last told to, as nothing was
# mounted.
mount_docker_waits() { [ -e "$1" ] && [ -e "/run/pulumi-docker-fleet/docker-$mount_unit" ] && ! mount_by docker_active; }

# mount_docker_refused: Docker did not start when it was last told to, as this or another mount that it needs was missing.
mount_docker_refused() {
    for mount_path in /run/pulumi-docker-fleet/docker-*; do
        if [ -e "$mount_path" ]; then
            ! mount_by docker_active
            return
        fi
    done
    return 1
}

# mount_facts GUARD FILE...: everything that decides what has to be done, with the state of these files. Changes nothing, and does
# not mount what waits to be mounted on first use.
mount_facts() {
    mount_guard_facts "$1"
    shift
    fact target "$(mount_real)"
    if [ -e "$mount_home/owner" ]; then fact owner "$(cat "$mount_home/owner")"; fi
    if [ -d "$mount_home/before" ]; then fact unfinished yes; fi
    for mount_path in "$@"; do fact file "$mount_path" "$(mount_sum "$mount_path")"; done
    mount_by facts
    mount_by find_device
    if [ -n "$mount_device" ]; then fact device "$(readlink -f -- "$mount_device")"; fi
    mount_entries | while IFS= read -r mount_line; do fact mountinfo "$mount_line"; done
    if mount_mounted; then mount_probe; fi
}

# mount_unmount: unmounts what lies uppermost. What is dead is let go of: its processes got errors already; so is what nobody
# uses, though calls to a server that does not answer keep it busy; and what is in use, if $mount_force says lazy.
mount_unmount() {
    ! timeout -k 2 30 umount -- "$mount_target" 2>"$mount_log" || return 0
    # An attempt to mount can have come to its end meanwhile.
    mount_mounted || return 0
    if [ "$mount_force" != lazy ]; then
        case $(mount_probe_words) in
        '') return 1 ;;
        *'not connected'*) ;;
        *) mount_is_forlorn || return 1 ;;
        esac
    fi
    timeout -k 2 30 umount -l -- "$mount_target" 2>"$mount_log"
}

# mount_release: unmounts everything from the mount point.
mount_release() {
    mount_rounds=$(mount_entries | grep -vc ' - autofs ')
    mount_by stop_mount
    while mount_mounted && [ "$mount_rounds" -gt 0 ]; do
        mount_unmount || return 1
        mount_rounds=$((mount_rounds - 1))
    done
    mount_by stop_rest
    mount_rounds=0
    while mount_mounted && [ "$mount_rounds" -lt 10 ]; do
        mount_unmount || return 1
        mount_rounds=$((mount_rounds + 1))
    done
    ! mount_mounted
}

# mount_probe_words: why the file system does not answer; nothing when it does.
mount_probe_words() {
    mount_notes=$(mktemp -d "${TMPDIR:-/tmp}/pulumi-docker-fleet.XXXXXX") || return 0
    mount_ask "$mount_notes"
    if [ ! -e "$mount_notes/code" ]; then
        echo "no answer"
    elif [ "$(cat "$mount_notes/code")" != 0 ]; then
        cat "$mount_notes/err"
    fi
    rm -rf "$mount_notes"
}

# mount_is_forlorn: of what does not answer: it is a server's, and nobody has anything open there. What keeps it busy are calls
# that wait for the server, such as those of our own looks at it.
mount_is_forlorn() {
    case $(mount_entries | tail -n 1) in *' - fuse.sshfs '* | *' - nfs '* | *' - nfs4 '* | *' - cifs '* | *' - smb3 '*) ;; *) return 1 ;; esac
    [ -z "$(mount_holders)" ]
}

# mount_unmake: the directories that we made, as far as they are empty.
mount_unmake() {
    [ -e "$mount_home/made" ] || return 0
    while IFS= read -r mount_path; do rmdir -- "$mount_path" 2>/dev/null || :; done <"$mount_home/made"
    rm -f "$mount_home/made"
}
