# apply.sh WORD...: makes a mount what is wanted: either all of it is in place, or everything is as it was. It needs nobody to
# watch it, and can be run again after it was killed at any point. The words:
#   owner URN              who mounts
#   target PATH ESCAPED    where; the second as mountinfo writes it
#   type TYPE SOURCE       as the resource names them
#   device PATH            of a block device
#   format TYPE            the file system that an empty device gets
#   units MOUNT START AUTOMOUNT HOME   the unit that mounts, the one to start, the one that mounts on first use, our directory
#   helper COMMAND PACKAGE what mounting needs; the second as package_install has it
#   own OWNER MODE         of the root of what is mounted; either may be empty
#   put PATH MODE CONTENT  a file, in base64
#   drop PATH              no file
#   fstab LINE             of a machine without systemd
#   action none|remount|mount   mount: it is unmounted, if it is mounted, and mounted anew
#   remount OPTIONS BACK   what mount -o gets for that, and what takes it back; empty: the kernel has nothing to change
#   force no|lazy          lazy: what is in use is let go of
#   managed yes|no         no: nobody has mounted there for this resource yet
#   docker yes|no          yes: Docker needs it
#   guard yes|no           yes: nothing can be written into the mount point while nothing is mounted
# What follows "wait SECONDS", the last words, is for others at the package manager.
mount_device=
mount_format=
mount_helper=
mount_owner=
mount_mode=
mount_paths=
mount_options=
mount_back=
mount_log=$(mktemp "${TMPDIR:-/tmp}/pulumi-docker-fleet.XXXXXX") || fail REMOTE_COMMAND_FAILED "mktemp failed"
mount_stage=$(mktemp -d "${TMPDIR:-/tmp}/pulumi-docker-fleet.XXXXXX") || fail REMOTE_COMMAND_FAILED "mktemp failed"
trap 'rm -rf "$mount_log" "$mount_stage"' EXIT
mount_count=0
mount_nl='
'

# mount_plan PATH MODE CONTENT: remembers a file to write; without CONTENT it is to go.
mount_plan() {
    mount_count=$((mount_count + 1))
    printf '%s\n' "$1" >"$mount_stage/$mount_count.path"
    mount_paths="$mount_paths$1$mount_nl"
    [ $# -gt 1 ] || return 0
    (
        umask 077
        printf '%s' "$3" | base64 -d >"$mount_stage/$mount_count.file"
    ) || fail REMOTE_COMMAND_FAILED "a file could not be staged in ${TMPDIR:-/tmp}"
    chmod "$2" "$mount_stage/$mount_count.file"
}

while [ $# -gt 0 ]; do
    case $1 in
    owner) mount_urn=$2 && shift 2 ;;
    target) mount_target=$2 mount_escaped=$3 && shift 3 ;;
    type) mount_type=$2 mount_source=$3 && shift 3 ;;
    device) mount_device=$2 && shift 2 ;;
    format) mount_format=$2 && shift 2 ;;
    units) mount_unit=$2 mount_start=$3 mount_automount=$4 mount_home=$(mount_home_of "$5") && shift 5 ;;
    helper) mount_helper=$2 mount_package=$3 && shift 3 ;;
    own) mount_owner=$2 mount_mode=$3 && shift 3 ;;
    put) mount_plan "$2" "$3" "$4" && shift 4 ;;
    fstab) mount_line=$2 && shift 2 ;;
    drop) mount_plan "$2" && shift 2 ;;
    action) mount_action=$2 && shift 2 ;;
    remount) mount_options=$2 mount_back=$3 && shift 3 ;;
    force) mount_force=$2 && shift 2 ;;
    managed) mount_managed=$2 && shift 2 ;;
    docker) mount_docker=$2 && shift 2 ;;
    guard) mount_guard=$2 && shift 2 ;;
    wait) mount_wait=$2 && shift 2 ;;
    *) fail REMOTE_COMMAND_FAILED "apply.sh does not know $1" ;;
    esac
done

# mount_content: the names of a few things in the mount point.
mount_content() { find "$mount_target" -mindepth 1 -maxdepth 1 2>/dev/null | head -n 3; }

# mount_check: refuses what would do harm, before anything is changed.
mount_check() {
    mount_path=$(mount_real)
    [ "$mount_path" = "$mount_target" ] ||
        fail MOUNT_TARGET_UNUSABLE "$mount_target leads through a link; its real path is $mount_path"
    # What is mounted is not looked at: its server may not answer.
    mount_mounted || [ ! -e "$mount_target" ] || [ -d "$mount_target" ] || fail MOUNT_TARGET_UNUSABLE "$mount_target is no directory"
    if [ -e "$mount_home/owner" ] && [ "$(cat "$mount_home/owner")" != "$mount_urn" ]; then
        fail MOUNT_CONFLICT "$mount_target belongs to another resource already: $(cat "$mount_home/owner")"
    fi
    mount_by check
    [ -e "$mount_home/owner" ] || [ "$mount_managed" = yes ] || mount_check_new
    [ -z "$mount_owner" ] || chown -- "$mount_owner" "$mount_log" 2>/dev/null || fail MOUNT_FAILED "this machine does not know the owner $mount_owner"
    case $mount_type in
    bind) [ -d "$mount_source" ] || fail MOUNT_SOURCE_MISSING "there is no directory $mount_source on this machine" ;;
    block)
        mount_by find_device
        [ -b "$mount_device" ] ||
            fail MOUNT_SOURCE_MISSING "there is no block device $mount_device; there are: $(one_line "$(lsblk -no PATH,SIZE,FSTYPE,LABEL,UUID 2>/dev/null | head -n 20)")"
        ;;
    esac
}

# mount_check_new: of a mount that was not ours until now.
mount_check_new() {
    if mount_mounted; then
        fail MOUNT_CONFLICT "something is mounted at $mount_target already: $(mount_entries | tail -n 1 | sed 's/.* - //')"
    fi
    mount_by check_new
    if [ -n "$(mount_content)" ]; then
        fail MOUNT_TARGET_UNUSABLE "$mount_target is not empty: what is in it would be hidden by the mount"
    fi
}

# mount_install COMMAND PACKAGE: the program is there.
mount_install() { command -v "$1" >/dev/null 2>&1 || package_install "$1" "$2" "$mount_wait" "$mount_log"; }

# mount_signature: what is on the device: the name of a file system or the like; nothing for an empty one.
mount_signature() {
    {
        blkid -p -o value -s TYPE "$mount_device" 2>/dev/null || :
        blkid -p -o value -s PTTYPE "$mount_device" 2>/dev/null || :
        wipefs -n --noheadings -O TYPE "$mount_device" 2>/dev/null || :
    } | MOUNT_DEVICE=$mount_device: awk 'index($0, ENVIRON["MOUNT_DEVICE"]) != 1' # BusyBox's blkid says everything, in a line that begins so
}

# mount_make_system: an empty device gets its file system. Empty means: no signature of anything, not a byte in the first MiB.
mount_make_system() {
    [ -n "$mount_format" ] || return 0
    # Alpine has it in a package of its own, and in BusyBox a blkid that knows little.
    mount_install wipefs "util-linux apk=wipefs"
    mount_found=$(mount_signature | sort -u)
    [ "$mount_found" != "$mount_format" ] || return 0
    [ -z "$mount_found" ] ||
        fail MOUNT_FORMAT_REFUSED "$mount_device is not formatted, since there is something on it: $(one_line "$mount_found")"
    mount_bytes=$(head -c 1048576 "$mount_device" 2>"$mount_log" | tr -d '\0' | wc -c)
    [ ! -s "$mount_log" ] || fail MOUNT_FORMAT_REFUSED "$mount_device cannot be read" "$mount_log"
    [ "$mount_bytes" -eq 0 ] ||
        fail MOUNT_FORMAT_REFUSED "$mount_device is not formatted, since there is something on it that has no known signature"
    mount_install "mkfs.$mount_format" e2fsprogs
    phase "making a file system ($mount_format) on $mount_device"
    # Without -F it refuses a device that is in use.
    "mkfs.$mount_format" -q "$mount_device" >"$mount_log" 2>&1 </dev/null ||
        fail MOUNT_FAILED "mkfs.$mount_format $mount_device failed" "$mount_log"
}

# mount_keep: remembers how everything was. What a killed run has remembered is older, and is kept.
mount_keep() {
    mkdir -p "$mount_home" || fail REMOTE_COMMAND_FAILED "$mount_home cannot be made"
    chmod 0700 "$MOUNT_RECORDS"
    [ ! -e "$mount_home/before/complete" ] || return 0
    rm -rf "$mount_home/before"
    mkdir "$mount_home/before"
    mount_index=0
    for mount_file in "$mount_stage"/*.path; do
        mount_index=$((mount_index + 1))
        mount_path=$(cat "$mount_file")
        cp "$mount_file" "$mount_home/before/$mount_index.path"
        if [ -f "$mount_path" ]; then cp -p "$mount_path" "$mount_home/before/$mount_index.file" || fail REMOTE_COMMAND_FAILED "$mount_path cannot be kept"; fi
    done
    mount_by keep
    if [ ! -e "$mount_home/owner" ]; then
        touch "$mount_home/before/new"
        printf '%s\n' "$mount_urn" >"$mount_home/owner.new" && mv "$mount_home/owner.new" "$mount_home/owner"
    fi
    [ ! -e "$mount_home/guard" ] || : >"$mount_home/before/guard"
    [ "$mount_action" != remount ] || printf '%s' "$mount_back" >"$mount_home/before/back"
    : >"$mount_home/before/complete"
    sync
}

# mount_place DIRECTORY: puts the files of a directory (N.path with N.file, or without it for no file) in place.
mount_place() {
    for mount_file in "$1"/*.path; do
        mount_path=$(cat "$mount_file")
        if [ -e "${mount_file%.path}.file" ]; then
            mkdir -p "$(dirname "$mount_path")" && cp -p "${mount_file%.path}.file" "$mount_path.new" &&
                mv -f "$mount_path.new" "$mount_path" || return 1
        else
            rm -rf "$mount_path" || return 1
        fi
    done
}

# mount_undo CODE TEXT: everything becomes as it was, and the script ends with the error.
mount_undo() {
    cp "$mount_log" "$mount_stage/words"
    mount_rest="everything is as it was before"
    # What was only to get other options is still mounted; what an older run has unmounted is not there to be remounted.
    if [ "$mount_action" = remount ] && [ -e "$mount_home/before/back" ]; then
        mount_set "$(cat "$mount_home/before/back")" || mount_rest="it is set up as it was before, and its old options could not be set again"
    else
        mount_release || :
    fi
    mount_by unsettle
    if [ -e "$mount_home/before/guard" ]; then mount_guard_on || :; else mount_guard_off || :; fi
    mount_place "$mount_home/before" || :
    mount_by restore || mount_rest="it is set up as it was before, and what was mounted could not be mounted again"
    if [ -e "$mount_home/before/new" ]; then
        mount_unmake
        rm -rf "$mount_home"
        rmdir "$MOUNT_RECORDS" "$(dirname "$MOUNT_RECORDS")" 2>/dev/null || :
    else
        rm -rf "$mount_home/before"
    fi
    fail "$1" "$2; $mount_rest" "$mount_stage/words"
}

# mount_make_point: the directory to mount on, and a record of those that we made for it.
mount_make_point() {
    mount_new=
    mount_path=$mount_target
    while [ ! -d "$mount_path" ]; do
        mount_new=$mount_new$mount_path$mount_nl
        mount_path=$(dirname "$mount_path")
    done
    [ -n "$mount_new" ] || return 0
    printf '%s' "$mount_new" >"$mount_home/made.new"
    if [ -e "$mount_home/made" ]; then grep -vxF "$mount_new" "$mount_home/made" >>"$mount_home/made.new" || :; fi
    mv "$mount_home/made.new" "$mount_home/made"
    mkdir -p -- "$mount_target" 2>"$mount_log" || mount_undo MOUNT_TARGET_UNUSABLE "$mount_target cannot be made"
}

# mount_set OPTIONS: gives them to what is mounted, which stays as it is otherwise.
mount_set() {
    [ -n "$1" ] || return 0
    # No helper: it would mount once more in place of changing what is there.
    case $mount_type in bind | sshfs) set -- -i -o "$1" ;; *) set -- -o "$1" ;; esac
    timeout -k 2 60 mount "$@" -- "$mount_target" 2>"$mount_log" >&2
}

# mount_change: the mount gets its new options without being unmounted.
mount_change() {
    [ -n "$mount_options" ] || return 0
    phase "remounting $mount_target"
    ! mount_set "$mount_options" || return 0
    case $(cat "$mount_log") in
    *busy*)
        if [ "$mount_force" = lazy ]; then
            # From here on it is mounted anew.
            mount_action=mount
            rm -f "$mount_home/before/back"
            mount_release || mount_undo MOUNT_FAILED "$mount_target cannot be unmounted"
            return 0
        fi
        mount_names=$(mount_writers)
        mount_names=${mount_names%, }
        mount_undo MOUNT_BUSY "$mount_target cannot be made read-only: files are open for writing, by ${mount_names:-somebody who cannot be told}"
        ;;
    *) mount_undo MOUNT_FAILED "$mount_target cannot be remounted with $mount_options" ;;
    esac
}

mount_apply() {
    if [ "$mount_action" = mount ]; then
        mount_release || {
            # Nothing was changed yet, but the automount may have been stopped.
            mount_by resume || :
            if [ -e "$mount_home/before/new" ]; then rm -rf "$mount_home"; else rm -rf "$mount_home/before"; fi
            mount_busy "$(one_line "$(cat "$mount_log")")"
        }
        mount_hidden=$(mount_content)
        [ -z "$mount_hidden" ] || fact hidden "$(one_line "$mount_hidden")"
    fi
    mount_place "$mount_stage" || mount_undo MOUNT_FAILED "its files could not be written"
    mount_make_point
    if [ "$mount_guard" = yes ]; then
        mount_guard_on || mount_undo MOUNT_FAILED "the empty mount point $mount_target cannot be guarded: its file system refuses chattr +i"
    else
        mount_guard_off || mount_undo MOUNT_FAILED "the guard of the mount point $mount_target cannot be taken away"
    fi
    mount_by settle || mount_undo MOUNT_FAILED "it could not be set up to be mounted at each boot"
    [ "$mount_action" != remount ] || mount_change
    if [ "$mount_action" = mount ]; then
        phase "mounting $mount_target"
        mount_by begin || mount_undo MOUNT_FAILED "$mount_source cannot be mounted at $mount_target"
    fi
    case $mount_action in
    mount) mount_strangers ;;
    remount) mount_outdated ;;
    esac
    if [ -n "$mount_owner" ]; then
        chown -- "$mount_owner" "$mount_target" 2>"$mount_log" || mount_undo MOUNT_FAILED "chown $mount_owner $mount_target failed"
    fi
    if [ -n "$mount_mode" ]; then
        chmod -- "$mount_mode" "$mount_target" 2>"$mount_log" || mount_undo MOUNT_FAILED "chmod $mount_mode $mount_target failed"
    fi
    rm -rf "$mount_home/before"
    if [ "$mount_docker" = yes ]; then mount_by docker_begin || fact docker-down yes; fi
}

mount_check
[ -z "$mount_helper" ] || mount_install "$mount_helper" "$mount_package"
[ "$mount_guard" != yes ] || mount_install chattr "e2fsprogs apk=e2fsprogs-extra"
mount_by tools
mount_make_system
mount_keep
mount_apply
machine_facts
# The paths hold neither blanks nor wildcards: they come of names of units.
set -f
# shellcheck disable=SC2086
mount_facts "$mount_guard" $mount_paths
