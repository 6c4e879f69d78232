# remove.sh WAIT MODE KEEP_HOLD OWNER: undoes what install.sh did. Doing it twice is fine.
#   WAIT       for others at the package manager, in seconds
#   MODE:
#   keep       the engine stays as it is; the hold and our record go
#   uninstall  the packages that we brought go; containers, images and volumes stay on the disk
#   purge      the packages go, and all data with them
#   KEEP_HOLD  yes: the packages were held before us and stay held      OWNER  whose record this is
engine_mode=$2
engine_keep_hold=$3
engine_owner=$4
engine_data="/var/lib/docker /var/lib/containerd"

release_holds() {
    set --
    # shellcheck disable=SC2016,SC2086
    for package in $(dpkg-query -W -f '${db:Status-Want} ${Package}\n' $ENGINE_PACKAGES $CLIENT_PACKAGES 2>/dev/null | sed -n 's/^hold //p'); do
        set -- "$@" "$package"
    done
    [ $# -eq 0 ] || apt_retry apt-mark unhold "$@" || fail PACKAGE_OPERATION_FAILED "apt-mark unhold $* failed" "$apt_log"
}

stop_engine() {
    if unit_active docker.service; then
        phase "stopping the containers and docker.service"
        # With live-restore they would live on without an engine.
        running=$(timeout 20 docker ps -q 2>/dev/null) || running=
        # shellcheck disable=SC2086
        [ -z "$running" ] || timeout 120 docker stop $running >/dev/null 2>&1 || :
    fi
    timeout 120 systemctl stop docker.socket docker.service >/dev/null 2>&1 || :
    systemctl reset-failed docker.service docker.socket >/dev/null 2>&1 || :
}

# Debian's docker.io leaves a script in the data directory that a later purge, even one long after another engine has
# moved in, runs to delete all data. Data goes only when it is asked for here.
disarm() { rm -f /var/lib/docker/nuke-graph-directory.sh; }

remove_packages() {
    verb=remove
    [ "$engine_mode" = uninstall ] || verb=purge
    set --
    # shellcheck disable=SC2086
    for package in $ENGINE_PACKAGES $CLIENT_PACKAGES; do
        # "remove" has nothing to do for a package of which only the configuration is left; "purge" has.
        # shellcheck disable=SC2016
        case $verb:$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) in
        *: | *:not-installed | remove:config-files) ;;
        *) set -- "$@" "$package" ;;
        esac
    done
    if [ $# -gt 0 ]; then
        phase "removing $*"
        disarm
        apt_retry apt_get $verb "$@" || fail PACKAGE_OPERATION_FAILED "apt-get $verb $* failed" "$apt_log"
        disarm
    fi
    # Of the dependencies only those go that came with us and that nothing else needs by now.
    if [ -s "$ENGINE_RECORD" ]; then
        orphans=$(apt_get -s autoremove 2>/dev/null | sed -n 's/^Remv \([^ ]*\).*/\1/p' | grep -Fx -f "$ENGINE_RECORD") || orphans=
        # shellcheck disable=SC2086
        [ -z "$orphans" ] || apt_retry apt_get $verb $orphans ||
            fail PACKAGE_OPERATION_FAILED "apt-get $verb of the engine's dependencies failed" "$apt_log"
    fi
}

purge_data() {
    phase "deleting all Docker data"
    for directory in $engine_data; do
        [ -d "$directory" ] || continue
        # The directory itself may be a mount point: then it stays, empty.
        find "$directory" -mindepth 1 -depth -delete 2>"$apt_log" || [ ! -s "$apt_log" ] ||
            fail REMOTE_COMMAND_FAILED "not all of $directory could be deleted" "$apt_log"
        rmdir "$directory" 2>/dev/null || :
    done
}

apt_begin "$1"
apt_settle
if [ "$engine_mode" != keep ] || [ "$engine_keep_hold" != yes ]; then release_holds; fi
if [ "$engine_mode" != keep ]; then
    stop_engine
    remove_packages
    [ "$engine_mode" != purge ] || purge_data
fi
# Another stack's record stays with an engine that stays.
if [ "$engine_mode" != keep ] || [ "$(sed -n 1p "$ENGINE_RECORD" 2>/dev/null)" = "$engine_owner" ]; then
    rm -f "$ENGINE_RECORD" "$ENGINE_BEFORE"
fi
rmdir "$(dirname "$ENGINE_RECORD")" 2>/dev/null || :
