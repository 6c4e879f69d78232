# The guard of an empty mount point: the directory itself is immutable (chattr +i), so that nobody, not even root or a container,
# can make anything in it while nothing is mounted. A file of our directory, guard, says that it was us.

# mount_below COMMAND...: runs a command on the directory below what is mounted, which is its last word. In a mount name space
# of its own, so that nobody else sees how, and that nothing is left behind when it is killed. No server is asked.
mount_below() {
    [ -d "$mount_home" ] || return 1
    # shellcheck disable=SC2016 # the inner shell's own
    timeout -k 2 30 unshare --mount --propagation private -- sh -c '
        parent=$1 name=$2 aside=$3
        shift 3
        mount --bind -- "$parent" "$aside" && exec "$@" "$aside/$name"
    ' sh "$(dirname -- "$mount_target")" "$(basename -- "$mount_target")" "$mount_home" "$@"
}

# mount_is_guarded: the directory is immutable, whoever did it.
mount_is_guarded() {
    case $(mount_below lsattr -d -- 2>/dev/null | cut -d ' ' -f 1) in *i*) ;; *) return 1 ;; esac
}

# mount_guard_facts WANTED: whether it is there; nothing where nobody wants or has it.
mount_guard_facts() {
    if [ "$1" != yes ] && [ ! -e "$mount_home/guard" ]; then return 0; fi
    if mount_is_guarded; then fact guard on; else fact guard off; fi
    [ ! -e "$mount_home/guard" ] || fact guard-ours yes
}

# mount_guard_on: puts it there. What somebody else has guarded is left to them.
mount_guard_on() {
    ! mount_is_guarded || return 0
    : >"$mount_home/guard"
    mount_below chattr +i -- 2>"$mount_log" >&2 && mount_is_guarded
}

# mount_guard_off: takes away what mount_guard_on did.
mount_guard_off() {
    [ -e "$mount_home/guard" ] || return 0
    ! mount_is_guarded || mount_below chattr -i -- 2>"$mount_log" >&2 || return 1
    rm -f "$mount_home/guard"
}
