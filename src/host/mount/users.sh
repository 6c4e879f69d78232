# Who uses a mount: processes that keep it from being unmounted or made read-only, and containers that see it.

mount_docker_call() { timeout -k 2 15 docker -H unix:///var/run/docker.sock "$@" 2>/dev/null; }

# mount_name_process PID: how a person finds it, with its container.
mount_name_process() {
    printf 'process %s (%s)' "$1" "$(cat "/proc/$1/comm" 2>/dev/null)"
    mount_container=$(grep -oE '[0-9a-f]{64}' "/proc/$1/cgroup" 2>/dev/null | head -n 1)
    if [ -n "$mount_container" ]; then
        mount_label=$(mount_docker_call inspect --format '{{.Name}}' "$mount_container")
        mount_label=${mount_label#/}
        printf ' of the container %s' "${mount_label:-$(printf %.12s "$mount_container")}"
    fi
    printf ', '
}

# mount_groups: the peer groups of what is mounted, each with the directory that is seen: a bind mount shares its group with
# the file system that it comes from.
mount_groups() {
    mount_entries | awk '{ for (i = 7; i <= NF && $i != "-"; i++) if (sub(/^shared:/, "", $i)) print $i ":" $4 }'
}

# mount_unescape PATH: as it is, from mountinfo.
mount_unescape() { printf '%b\n' "$(printf '%s' "$1" | sed 's/\\\([0-7][0-7][0-7]\)/\\0\1/g')"; }

# mount_points_in PID: the paths under which that process sees what unmounting would take away from it too: our mount, or in a
# mount name space of its own (a container's, or that of a unit with a private /tmp) those that follow ours. A private copy
# does not keep it busy.
mount_points_in() {
    if [ "$(readlink "/proc/$1/ns/mnt")" = "$mount_ours" ]; then
        printf '%s\n' "$mount_target"
        return
    fi
    MOUNT_GROUPS=" $(mount_groups | tr '\n' ' ')" awk '{
        for (i = 7; i <= NF && $i != "-"; i++) {
            group = $i
            if (sub(/^(shared|master):/, "", group) && index(ENVIRON["MOUNT_GROUPS"], " " group ":" $4 " ")) { print $5; next }
        }
    }' "/proc/$1/mountinfo" 2>/dev/null | while IFS= read -r mount_point; do mount_unescape "$mount_point"; done
}

# mount_uses PID POINT: it has a file open there, works or has its root there, or has mapped a file of it.
mount_uses() {
    for mount_link in "/proc/$1/cwd" "/proc/$1/root" "/proc/$1/exe" "/proc/$1"/fd/*; do
        case $(readlink "$mount_link" 2>/dev/null) in "$2" | "$2"/*) return 0 ;; esac
    done
    grep -qF " $2/" "/proc/$1/maps" 2>/dev/null
}

# mount_holders: who keeps the mount from being unmounted.
mount_holders() {
    mount_ours=$(readlink /proc/self/ns/mnt)
    for mount_process in /proc/[0-9]*; do
        mount_process=${mount_process#/proc/}
        mount_points_in "$mount_process" | while IFS= read -r mount_point; do
            if mount_uses "$mount_process" "$mount_point"; then
                mount_name_process "$mount_process"
                break
            fi
        done
    done
    MOUNT_ESCAPED=$mount_escaped/ awk 'index($5, ENVIRON["MOUNT_ESCAPED"]) == 1 { print $5 }' /proc/self/mountinfo |
        while IFS= read -r mount_point; do printf 'mount %s, ' "$(mount_unescape "$mount_point")"; done
}

# mount_writers: who has a file open to write, and keeps the mount from becoming read-only: of a bind mount through this very
# mount, else anywhere in its file system.
mount_writers() {
    mount_now=$(mount_entries | tail -n 1)
    mount_id=$(printf '%s\n' "$mount_now" | cut -d ' ' -f 1)
    mount_number=$(printf '%s\n' "$mount_now" | cut -d ' ' -f 3)
    for mount_process in /proc/[0-9]*; do
        if [ "$mount_type" = bind ]; then
            mount_ids=$mount_id
        else
            mount_ids=$(MOUNT_NUMBER=$mount_number awk '$3 == ENVIRON["MOUNT_NUMBER"] { print $1 }' "$mount_process/mountinfo" 2>/dev/null | tr '\n' ' ')
        fi
        [ -n "$mount_ids" ] || continue
        if cat "$mount_process"/fdinfo/* 2>/dev/null | MOUNT_IDS=" $mount_ids " awk '
            $1 == "flags:" { access = substr($2, length($2)) % 4 }
            $1 == "mnt_id:" && access > 0 && index(ENVIRON["MOUNT_IDS"], " " $2 " ") { found = 1 }
            END { exit !found }'; then
            mount_name_process "${mount_process#/proc/}"
        fi
    done
}

# mount_busy WORDS: ends with the names of those who keep it busy.
mount_busy() {
    mount_names=$(mount_holders)
    mount_names=${mount_names%, }
    fail MOUNT_BUSY "$mount_target cannot be unmounted: it is in use by ${mount_names:-somebody who cannot be told ($1)}"
}

# mount_containers: the running containers that were given the mount point, something in it or a directory around it: name,
# process, where it is in the container, and true where it may be written to.
mount_containers() {
    command -v docker >/dev/null 2>&1 && mount_by docker_active || return 0
    mount_ids=$(mount_docker_call ps -q --no-trunc) || return 0
    [ -n "$mount_ids" ] || return 0
    # shellcheck disable=SC2086,SC2016 # ids, one word each; docker's own variables
    mount_docker_call inspect --format '{{range .Mounts}}{{printf "%s\t%d\t%t\t%s\t%s\n" $.Name $.State.Pid .RW .Source .Destination}}{{end}}' $mount_ids |
        while IFS="$tab" read -r mount_name mount_process mount_writes mount_from mount_to; do
            # Docker ends each with an empty line.
            [ -n "$mount_name" ] || continue
            case $mount_from in
            "$mount_target" | "$mount_target"/*) ;;
            *)
                mount_from=${mount_from%/}
                case $mount_target in "$mount_from"/*) mount_to=${mount_to%/}${mount_target#"$mount_from"} ;; *) continue ;; esac
                ;;
            esac
            printf '%s\t%s\t%s\t%s\n' "${mount_name#/}" "$mount_process" "$mount_writes" "$mount_to"
        done
}

# mount_escape PATH: a mount point as mountinfo writes it.
mount_escape() { printf '%s' "$1" | sed 's/\\/\\134/g; s/ /\\040/g'; }

# mount_seen_by PID PATH: what that process sees there: device and root.
mount_seen_by() {
    MOUNT_TO=$(mount_escape "$2") awk '$5 == ENVIRON["MOUNT_TO"] { seen = $3 "\t" $4 } END { print seen }' "/proc/$1/mountinfo" 2>/dev/null
}

# mount_is_there PID PATH: that process sees there what is mounted now, or a directory of it.
mount_is_there() {
    mount_now=$(mount_entries | awk '!/ - autofs / { now = $3 "\t" $4 } END { print now }')
    mount_seen=$(mount_seen_by "$1" "$2")
    mount_root=${mount_now#*"$tab"}
    case $mount_seen in "$mount_now" | "$mount_now"/*) return 0 ;; *) [ "$mount_root" = / ] && [ "${mount_seen%%"$tab"*}" = "${mount_now%%"$tab"*}" ] ;; esac
}

# mount_strangers: facts about running containers that see something else than what is mounted now: they were started before.
mount_strangers() {
    mount_containers | while IFS="$tab" read -r mount_name mount_process mount_writes mount_to; do
        mount_is_there "$mount_process" "$mount_to" || fact stranger "$mount_name"
    done
}

# mount_keepers: facts about running containers that see what is mounted now: they go on doing so after it was unmounted.
mount_keepers() {
    mount_mounted || return 0
    mount_containers | while IFS="$tab" read -r mount_name mount_process mount_writes mount_to; do
        ! mount_is_there "$mount_process" "$mount_to" || fact keeper "$mount_name"
    done
}

# mount_flags FILE ESCAPED: the flags of what is mounted there that count for containers, as the kernel names them.
mount_flags() {
    MOUNT_TO=$2 awk '$5 == ENVIRON["MOUNT_TO"] {
        all = "," $6 ","
        n = split($NF, super, ",")
        for (i = 1; i <= n; i++) if (super[i] == "ro") all = all "ro,"
        flags = ""
        split("ro nosuid nodev noexec", names, " ")
        for (i = 1; i <= 4; i++) if (index(all, "," names[i] ",")) flags = flags " " names[i]
    } END { print flags }' "$1" 2>/dev/null
}

# mount_outdated: facts about running containers whose own copy of the mount has other flags than the mount has now.
mount_outdated() {
    mount_now=$(mount_flags /proc/self/mountinfo "$mount_escaped")
    mount_containers | while IFS="$tab" read -r mount_name mount_process mount_writes mount_to; do
        mount_copy=$(mount_flags "/proc/$mount_process/mountinfo" "$(mount_escape "$mount_to")")
        # Where the container itself asks for reading alone, that is no difference.
        if [ "$mount_writes" != true ]; then mount_copy=" ro${mount_copy#" ro"}" mount_wish=" ro${mount_now#" ro"}"; else mount_wish=$mount_now; fi
        [ "$mount_copy" = "$mount_wish" ] || fact outdated "$mount_name"
    done
}
