# Mounts of a machine with OpenRC: one line of /etc/fstab each, which localmount or netmount mounts at boot. Docker is held back by a
# piece of configuration that OpenRC reads whenever it starts a service (see docker-gate.ts).

FSTAB=/etc/fstab

# fstab_awk PROGRAM FILE: awk with a function is_ours, which tells lines that mount something at $mount_target, however they write
# it. The awk of BusyBox wants more parentheses and braces than others.
fstab_awk() {
    MOUNT_TARGET=$mount_target LC_ALL=C awk '
        function plain(text, found) {
            found = ""
            while (match(text, /\\[0-3][0-7][0-7]/)) {
                found = found substr(text, 1, RSTART - 1) sprintf("%c", \
                    substr(text, RSTART + 1, 1) * 64 + substr(text, RSTART + 2, 1) * 8 + substr(text, RSTART + 3, 1))
                text = substr(text, RSTART + 4)
            }
            text = found text
            gsub(/\/+/, "/", text)
            if (length(text) > 1) sub(/\/$/, "", text)
            return text
        }
        function is_ours() { return $1 !~ /^#/ && plain($2) == ENVIRON["MOUNT_TARGET"] }
        '"$1" "$2"
}

# fstab_entries [FILE]: the lines for our mount point.
fstab_entries() { [ ! -r "${1:-$FSTAB}" ] || fstab_awk 'is_ours()' "${1:-$FSTAB}"; }

# fstab_edited LINE: /etc/fstab with LINE in place of the first line for our mount point, or at the end where there is none, and without
# further ones; an empty LINE takes them away. Every other byte stays, also where the last line has no line feed.
fstab_edited() {
    # With a byte behind the last one, awk can tell whether there is a line feed before it.
    { cat "$FSTAB" 2>/dev/null; echo .; } | FSTAB_LINE=$1 fstab_awk '
        function add(text) { lines[++count] = text }
        function take(text) {
            $0 = text
            if (!is_ours()) {
                add(text)
            } else {
                if (!done && wish != "") add(wish)
                done = 1
            }
        }
        BEGIN { wish = ENVIRON["FSTAB_LINE"] }
        {
            current = $0
            if (NR > 1) take(last)
            last = current
        }
        END {
            last = substr(last, 1, length(last) - 1)
            open = last != ""
            if (open) take(last)
            if (!done && wish != "") add(wish)
            for (i = 1; i <= count; i++) printf("%s%s", lines[i], (i < count || !open) ? "\n" : "")
        }' -
}

# fstab_write LINE: the same, in place.
fstab_write() {
    fstab_file=$(readlink -f "$FSTAB")
    fstab_new=$fstab_file.pulumi-docker-fleet
    if [ -e "$fstab_file" ]; then cp -p "$fstab_file" "$fstab_new" 2>"$mount_log" || return 1; fi
    if ! fstab_edited "$1" >"$fstab_new" 2>"$mount_log" || [ "$(fstab_entries "$fstab_new")" != "$1" ]; then
        rm -f "$fstab_new"
        return 1
    fi
    if cmp -s "$fstab_new" "$fstab_file"; then
        rm -f "$fstab_new"
    else
        sync
        mv -f "$fstab_new" "$fstab_file"
    fi
}

fstab_is_network() { case $mount_type in sshfs | nfs | nfs4 | cifs) ;; *) return 1 ;; esac }

# fstab_network: netmount is in a runlevel as long as one of our mounts needs it, or somebody else has put it there.
fstab_network() {
    if [ -e "$mount_home/network" ]; then
        if ! rc_enabled netmount; then
            : >"$MOUNT_RECORDS/netmount"
            timeout 60 rc-update add netmount default >"$mount_log" 2>&1 || return 1
        fi
    elif [ -e "$MOUNT_RECORDS/netmount" ]; then
        for mount_path in "$MOUNT_RECORDS"/*/network; do [ ! -e "$mount_path" ] || return 0; done
        timeout 60 rc-update del netmount default >/dev/null 2>&1 || :
        rm -f "$MOUNT_RECORDS/netmount"
    fi
}

fstab_options() { while read -r _ _ _ mount_words _; do fact options "$mount_words"; done; }

# fstab_facts: the lines, their options, whether netmount comes at boot where it is needed, and whether Docker waits.
fstab_facts() {
    fstab_entries | while IFS= read -r mount_words; do fact fstab "$mount_words"; done
    if [ -e "$mount_home/before/fstab" ]; then fstab_options <"$mount_home/before/fstab"; fi
    fstab_entries | fstab_options
    if fstab_is_network && rc_enabled netmount; then fact unit netmount loaded active enabled; fi
    if mount_docker_waits "/etc/rc.conf.d/docker-$mount_unit.conf"; then fact docker-waits yes; fi
}

# fstab_find_device: where a machine has no names below /dev/disk, as with mdev, $mount_device is found by what is on it.
fstab_find_device() {
    case $mount_device in /dev/disk/by-*) ;; *) return 0 ;; esac
    if [ ! -e "$mount_device" ] && mount_found=$(findfs "$mount_source" 2>/dev/null); then mount_device=$mount_found; fi
}

# fstab_check: refuses what would do harm.
fstab_check() {
    if [ "$(fstab_entries | wc -l)" -gt 1 ]; then fail MOUNT_CONFLICT "/etc/fstab has several lines for $mount_target"; fi
    if fstab_is_network && [ ! -e /etc/init.d/netmount ]; then
        fail UNSUPPORTED_MACHINE "there is no service netmount on this machine, which would mount $mount_target at boot"
    fi
}

# fstab_check_new: the same, of a mount that was not ours until now.
fstab_check_new() {
    [ -z "$(fstab_entries)" ] || fail MOUNT_CONFLICT "/etc/fstab mounts something at $mount_target"
}

# fstab_tools: BusyBox's mount makes bind mounts that can be written to, whatever their options are, and says nothing. So a mount
# of util-linux is wanted where there are any.
fstab_tools() {
    mount_words=$(printf '%s\n' "$mount_line" | cut -d ' ' -f 4)
    case $mount_type:$mount_words in bind:bind | bind:rbind) return 0 ;; bind:*) ;; *) return 0 ;; esac
    fstab_is_busybox || return 0
    package_install mount "util-linux apk=mount" "$mount_wait" "$mount_log"
    ! fstab_is_busybox || fail UNSUPPORTED_MACHINE "the mount of this machine is BusyBox's, which ignores the options $mount_words of a bind mount"
}

fstab_is_busybox() { case $(readlink -f "$(command -v mount)") in */busybox) ;; *) return 1 ;; esac }

# fstab_keep: remembers in before/ the line, and whether it is mounted.
fstab_keep() {
    fstab_entries >"$mount_home/before/fstab"
    if mount_mounted && [ -s "$mount_home/before/fstab" ]; then : >"$mount_home/before/mounted"; fi
    [ ! -e "$mount_home/network" ] || : >"$mount_home/before/network"
}

# Nobody but us unmounts here.
fstab_stop_mount() { :; }
fstab_stop_rest() { :; }

# fstab_mount: as /etc/fstab has it. sshfs stays, and keeps what it was given as its output.
fstab_mount() { timeout -k 2 30 mount "$mount_target" >"$mount_log" 2>&1 </dev/null; }

# fstab_resume: what was mounted before is mounted again.
fstab_resume() { [ ! -e "$mount_home/before/mounted" ] || mount_mounted || fstab_mount; }

# fstab_settle: the line is there.
fstab_settle() {
    fstab_write "$mount_line" || return 1
    if fstab_is_network; then : >"$mount_home/network"; else rm -f "$mount_home/network"; fi
    fstab_network || return 1
    rc_order
}

# fstab_unsettle: before the files of before/ are put back.
fstab_unsettle() { :; }

# fstab_restore: after that. Fails if what was mounted cannot be mounted again.
fstab_restore() {
    fstab_write "$(cat "$mount_home/before/fstab")" || return 1
    if [ -e "$mount_home/before/network" ]; then : >"$mount_home/network"; else rm -f "$mount_home/network"; fi
    fstab_network || :
    rc_order
    rmdir /etc/rc.conf.d 2>/dev/null || :
    fstab_resume
}

# fstab_begin: mounts. The reason of a failure is in $mount_log.
fstab_begin() { fstab_mount && mount_mounted; }

fstab_docker_active() { rc_active docker; }

# fstab_docker_begin: starts Docker where it did not start without a mount.
fstab_docker_begin() {
    mount_docker_refused || return 0
    phase "starting docker, which has waited for a mount"
    timeout 120 rc-service docker start >/dev/null 2>&1
}

# fstab_busy: a removal cannot go on.
fstab_busy() { :; }

# fstab_remove FILE...: the line goes, and what holds Docker back.
fstab_remove() {
    fstab_write "" || fail MOUNT_FAILED "$mount_target is unmounted, and its line cannot be taken out of /etc/fstab" "$mount_log"
    rm -f "$@" "$mount_home/network"
    fstab_network
    rc_order
    rmdir /etc/rc.conf.d 2>/dev/null || :
}
