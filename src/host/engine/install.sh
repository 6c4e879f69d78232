# install.sh WAIT USER OWNER VERSION HOLD GROUP: makes this machine a Docker host, from whatever state it is in.
#   WAIT     for others at the package manager, in seconds
#   USER     the login user          OWNER  who installs (the resource's URN), kept in the record
#   VERSION  "28.5" or empty         HOLD   yes: the packages are held, no: they are not
#   GROUP    yes: USER is a member of the group docker afterwards
# Every step looks first and does only what is missing, so a run after a crash at any point goes on where that one stopped.
engine_user=$2
engine_owner=$3
engine_wanted=$4
engine_hold=$5
engine_group=$6

# The package we manage: what is there, else the distribution's.
engine_package=docker.io
for candidate in $ENGINE_PACKAGES; do
    if apt_installed "$candidate"; then
        engine_package=$candidate
        break
    fi
done

# The package with the docker command, which is one with the engine's in older Debian releases.
case $engine_package in
docker.io) engine_client=docker-cli ;;
docker-ce) engine_client=docker-ce-cli ;;
*) engine_client=moby-cli ;;
esac

begin_record() {
    [ ! -s "$ENGINE_RECORD" ] || return 0
    mkdir -p "$(dirname "$ENGINE_RECORD")"
    apt_names >"$ENGINE_BEFORE"
    # The owner's line comes last: with it the record counts.
    printf '%s\n' "$engine_owner" >"$ENGINE_RECORD.new"
    mv -f "$ENGINE_RECORD.new" "$ENGINE_RECORD"
}

finish_record() {
    [ -s "$ENGINE_BEFORE" ] || return 0
    {
        sed -n 1p "$ENGINE_RECORD"
        apt_names | grep -Fxv -f "$ENGINE_BEFORE"
    } >"$ENGINE_RECORD.new"
    mv -f "$ENGINE_RECORD.new" "$ENGINE_RECORD"
    rm -f "$ENGINE_BEFORE"
}

# engine_right: an engine of the wanted version, or of any where none is wanted, is installed.
engine_right() { apt_installed "$engine_package" && version_matches "$(apt_version "$engine_package")" "$engine_wanted"; }

# install_packages [OPTION]: brings the engine and its client to the wanted version, or to the newest where none is wanted.
# An engine that is right stays at its version, whatever else is missing.
install_packages() {
    apt_update
    engine_offers=$(apt_offers "$engine_package")
    if engine_right; then
        engine_choice=$(apt_version "$engine_package")
    else
        engine_choice=$(printf '%s\n' "$engine_offers" | pick_version "$engine_wanted")
    fi
    [ -n "$engine_choice" ] ||
        fail PACKAGE_NOT_AVAILABLE "the machine's repositories offer no $engine_package ${engine_wanted:+$engine_wanted }(offered: $(one_line "${engine_offers:-none}")). $apt_warnings"
    set -- "$@" "$engine_package=$engine_choice"
    client_choice=$(apt_offers "$engine_client" | pick_version "$(upstream_version "$engine_choice")")
    [ -z "$client_choice" ] || set -- "$@" "$engine_client=$client_choice"
    # Images are pulled over TLS, and where the kernel enforces AppArmor no container starts without its parser.
    # Named only where they are missing: naming an installed package would upgrade it.
    apt_installed ca-certificates || set -- "$@" ca-certificates
    if [ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" = Y ] && ! apt_installed apparmor; then set -- "$@" apparmor; fi
    apt_installed "$engine_package" || begin_record
    phase "installing $engine_package $engine_choice"
    # Successful starts count against systemd's start limit too, and a package operation starts the daemon.
    systemctl reset-failed docker.service docker.socket 2>/dev/null || :
    apt_retry apt_get install --no-install-recommends --allow-downgrades --allow-change-held-packages "$@" ||
        fail PACKAGE_OPERATION_FAILED "apt-get install $* failed" "$apt_log"
}

start_engine() {
    for unit in docker.service docker.socket; do
        case $(unit_property $unit UnitFileState) in
        masked*) systemctl unmask $unit >/dev/null 2>&1 ;;
        esac
    done
    if [ "$(unit_property docker.service UnitFileState)" != enabled ] || [ "$(unit_property docker.socket UnitFileState)" = disabled ]; then
        phase "enabling docker.service"
        timeout 60 systemctl enable docker.service docker.socket >"$apt_log" 2>&1 ||
            fail DAEMON_NOT_RUNNING "systemctl enable docker.service failed" "$apt_log"
    fi
    if ! unit_active docker.service; then
        phase "starting docker.service"
        systemctl reset-failed docker.service docker.socket 2>/dev/null || :
        # The unit has no start timeout of its own: systemctl could wait for ever.
        timeout 120 systemctl start docker.socket docker.service >/dev/null 2>&1 || :
    fi
    await_api && return 0
    # A daemon that hangs is no better than one that is down. One that is only slow has had its time.
    if unit_active docker.service; then
        phase "restarting docker.service, which does not answer"
        systemctl reset-failed docker.service docker.socket 2>/dev/null || :
        timeout 180 systemctl restart docker.service >/dev/null 2>&1 || :
        await_api && return 0
    fi
    unit_words docker.service "$apt_log"
    fail DAEMON_NOT_RUNNING "docker.service is $(unit_property docker.service ActiveState) and the API does not answer" "$apt_log"
}

# await_api: waits until the Docker API answers, for as long as there is hope.
await_api() {
    phase "waiting for the Docker API"
    engine_deadline=$(($(date +%s) + 60))
    while ! (engine_version >/dev/null); do
        # systemd goes on trying after "start" has failed, so only "failed" and the deadline end the wait.
        case $(unit_property docker.service ActiveState) in failed | inactive) return 1 ;; esac
        [ "$(date +%s)" -lt "$engine_deadline" ] || return 1
        sleep 0.2
    done
}

hold_packages() {
    set -- "$engine_package"
    if apt_installed "$engine_client"; then set -- "$@" "$engine_client"; fi
    verb=hold
    [ "$engine_hold" = yes ] || verb=unhold
    want=$engine_hold
    for package in "$@"; do
        # shellcheck disable=SC2016
        case $(dpkg-query -W -f '${db:Status-Want}' "$package") in hold) is=yes ;; *) is=no ;; esac
        if [ "$is" != "$want" ]; then
            apt_retry apt-mark "$verb" "$@" || fail PACKAGE_OPERATION_FAILED "apt-mark $verb $* failed" "$apt_log"
            break
        fi
    done
}

join_group() {
    [ "$engine_group" = yes ] || return 0
    if ! id -nG "$engine_user" | tr ' ' '\n' | grep -qx docker; then
        usermod -aG docker "$engine_user" >"$apt_log" 2>&1 ||
            fail REMOTE_COMMAND_FAILED "usermod -aG docker $engine_user failed" "$apt_log"
    fi
}

apt_begin "$1"
apt_settle
if ! engine_right || ! command -v docker >/dev/null 2>&1; then
    install_packages
elif [ "$(unit_property docker.service LoadState)" = not-found ] || ! command -v dockerd >/dev/null 2>&1; then
    phase "restoring the files of $engine_package"
    install_packages --reinstall
fi
finish_record
start_engine
hold_packages
join_group
machine_facts
engine_facts "$engine_user"
