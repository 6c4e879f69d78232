# Mounts of a machine with systemd: a .mount unit each, and an .automount unit for those that are mounted on first use.

# units_stop_attempt: of the unit that is about to mount or unmount just now. One that has mounted is not stopped: that would stop
# whatever requires it, services and mounts below it, whether or not they use it. umount takes nothing from anybody.
units_stop_attempt() {
    case $(unit_property "$mount_unit" ActiveState) in
    activating | deactivating) timeout 60 systemctl stop "$mount_unit" >/dev/null 2>"$mount_log" || : ;;
    esac
}

# units_notice: waits until systemd has noticed an umount: it does not start what it takes for active.
units_notice() {
    mount_waited=0
    while [ "$mount_waited" -lt 100 ] && ! mount_mounted && unit_active "$mount_unit"; do
        sleep 0.1
        mount_waited=$((mount_waited + 1))
    done
}

# units_disable: neither unit is started at boot.
units_disable() {
    for mount_name in "$mount_unit" "$mount_automount"; do
        timeout 60 systemctl disable "$mount_name" >/dev/null 2>&1 || :
    done
}

units_reload() { timeout 60 systemctl daemon-reload >/dev/null 2>&1 || :; }

# units_options_of FILE: a fact about the options that a unit mounts with; none where there is no unit.
units_options_of() { if [ -f "$1" ]; then fact options "$(sed -n 's/^Options=//p' "$1" | sed 's/%%/%/g')"; fi; }

# units_facts: enablement and options, and whether Docker waits.
units_facts() {
    unit_facts "$mount_unit" "$mount_start"
    if mount_docker_waits "/etc/systemd/system/docker.service.d/mount-$mount_unit.conf"; then fact docker-waits yes; fi
    if [ -d "$mount_home/before" ]; then
        for mount_file in "$mount_home/before"/*.path; do
            if [ "$(cat "$mount_file" 2>/dev/null)" = "/etc/systemd/system/$mount_unit" ]; then units_options_of "${mount_file%.path}.file"; fi
        done
    fi
    units_options_of "/etc/systemd/system/$mount_unit"
}

units_find_device() { :; }
units_tools() { :; }

# units_check: refuses what would do harm.
units_check() {
    [ -z "$(fstab_entries)" ] || fail MOUNT_CONFLICT "/etc/fstab mounts something at $mount_target"
}

# units_check_new: the same, of a mount that was not ours until now.
units_check_new() {
    for mount_path in "/etc/systemd/system/$mount_unit" "/etc/systemd/system/$mount_automount"; do
        [ ! -e "$mount_path" ] || fail MOUNT_CONFLICT "$mount_path is there already, and not of this resource"
    done
}

# units_keep: remembers in before/ what is active and enabled.
units_keep() {
    # In the order in which they are started again: an automount does not start over what is mounted.
    for mount_name in "$mount_automount" "$mount_unit"; do
        # A mount without a unit file is active too.
        if unit_active "$mount_name" && [ -f "/etc/systemd/system/$mount_name" ]; then printf '%s\n' "$mount_name" >>"$mount_home/before/active"; fi
        case $(unit_property "$mount_name" UnitFileState) in enabled) printf '%s\n' "$mount_name" >>"$mount_home/before/enabled" ;; esac
    done
}

# units_stop_mount: what could mount while it is unmounted. Not the automount: to stop that would take what is mounted from those
# who use it, as umount -l does.
units_stop_mount() { units_stop_attempt; }

# units_stop_rest: the automount, when nothing is mounted any more, and what its last user has begun.
units_stop_rest() {
    timeout 60 systemctl stop "$mount_automount" >/dev/null 2>"$mount_log" || :
    units_stop_attempt
}

# units_resume: what was active before is started again.
units_resume() {
    [ -e "$mount_home/before/active" ] || return 0
    units_notice
    mount_code=0
    while IFS= read -r mount_name; do timeout 60 systemctl start "$mount_name" >/dev/null 2>&1 || mount_code=1; done <"$mount_home/before/active"
    return "$mount_code"
}

# units_settle: the units hold as they are in their files now, and at each boot.
units_settle() {
    units_reload
    case $(unit_property "$mount_start" UnitFileState) in
    enabled) ;;
    *)
        units_disable
        timeout 60 systemctl enable "$mount_start" >/dev/null 2>"$mount_log"
        ;;
    esac
}

# units_unsettle: before the files of before/ are put back.
units_unsettle() { units_disable; }

# units_restore: after that. Fails if what was mounted cannot be mounted again.
units_restore() {
    units_reload
    if [ -e "$mount_home/before/enabled" ]; then
        while IFS= read -r mount_name; do timeout 60 systemctl enable "$mount_name" >/dev/null 2>&1 || :; done <"$mount_home/before/enabled"
    fi
    rmdir /etc/systemd/system/docker.service.d 2>/dev/null || :
    units_resume
}

# units_begin: mounts. The reason of a failure is in $mount_log.
units_begin() {
    units_notice
    systemctl reset-failed "$mount_unit" "$mount_automount" 2>/dev/null || :
    # The first use of an automount shows whether it can be mounted.
    for mount_name in "$mount_start" "$mount_unit"; do
        if ! timeout 90 systemctl start "$mount_name" >/dev/null 2>"$mount_log"; then
            unit_words "$mount_unit" "$mount_log"
            return 1
        fi
    done
    ! mount_mounted || return 0
    unit_words "$mount_unit" "$mount_log"
    return 1
}

units_docker_active() { unit_active docker.service; }

# units_docker_begin: starts Docker where it did not start without a mount.
units_docker_begin() {
    mount_docker_refused || return 0
    phase "starting docker.service, which has waited for a mount"
    systemctl reset-failed docker.service docker.socket 2>/dev/null || :
    timeout 120 systemctl start docker.service >/dev/null 2>&1
}

# units_busy: a removal cannot go on: the automount is as before.
units_busy() { timeout 60 systemctl start "$mount_automount" >/dev/null 2>&1 || :; }

# units_remove FILE...: the units go.
units_remove() {
    units_disable
    rm -f "$@"
    units_reload
    systemctl reset-failed "$mount_unit" "$mount_automount" 2>/dev/null || :
    rmdir /etc/systemd/system/docker.service.d 2>/dev/null || :
}
