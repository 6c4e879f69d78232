# remove.sh URN TARGET ESCAPED UNIT AUTOMOUNT HOME FORCE FILE...: unmounts and takes away what we made. The mount point stays, unless
# we made it and it is empty. Doing it twice is fine.
mount_urn=$1
mount_target=$2
mount_escaped=$3
mount_unit=$4
mount_automount=$5
mount_home=$(mount_home_of "$6")
mount_force=$7
shift 7
mount_log=$(mktemp "${TMPDIR:-/tmp}/pulumi-docker-fleet.XXXXXX") || fail REMOTE_COMMAND_FAILED "mktemp failed"
trap 'rm -f "$mount_log"' EXIT

# Another resource's mount, or none of ours: nothing to do.
[ "$(cat "$mount_home/owner" 2>/dev/null)" = "$mount_urn" ] || exit 0
phase "unmounting $mount_target"
mount_keepers
mount_release || {
    mount_by busy
    mount_busy "$(one_line "$(cat "$mount_log")")"
}
mount_by remove "$@"
mount_guard_off || fail MOUNT_FAILED "$mount_target is unmounted, and its guard cannot be taken away (chattr -i)" "$mount_log"
mount_unmake
rm -rf "$mount_home" "/run/pulumi-docker-fleet/docker-$mount_unit"
rmdir "$MOUNT_RECORDS" "$(dirname "$MOUNT_RECORDS")" /run/pulumi-docker-fleet 2>/dev/null || :
