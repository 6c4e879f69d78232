# Installs one package by the machine's own package manager.

# package_manager: which that is; nothing where there is none that is known. A machine can have others' beside its own.
package_manager() {
    # shellcheck disable=SC1091
    package_family=$(if [ -r /etc/os-release ]; then . /etc/os-release && printf '%s %s' "${ID:-}" "${ID_LIKE:-}"; fi)
    case " $package_family " in
    *" debian "*) set -- apt-get ;;
    *" fedora "* | *" rhel "*) set -- dnf ;;
    *suse*) set -- zypper ;;
    *" arch "*) set -- pacman ;;
    *" alpine "*) set -- apk ;;
    esac
    for package_tool in "$@" apt-get dnf zypper pacman apk; do
        if command -v "$package_tool" >/dev/null 2>&1; then
            printf '%s' "${package_tool%-get}"
            break
        fi
    done
}

# package_install COMMAND PACKAGE WAIT LOG: installs what brings the program.
# PACKAGE: its name, and a word MANAGER=NAME for each manager that has it under another one.
# WAIT: how long to wait for others at the package manager, in seconds. LOG: a file for what the manager prints.
package_install() {
    package_by=$(package_manager)
    [ -n "$package_by" ] ||
        fail PACKAGE_NOT_AVAILABLE "the program $1 is missing, and this machine has none of apt, dnf, zypper, pacman and apk to install ${2%% *} with"
    package_name=${2%% *} package_wait=$3 package_log=$4
    case " $2" in *" $package_by="*)
        package_name=${2#*" $package_by="}
        package_name=${package_name%% *}
        ;;
    esac
    if [ "$package_by" = apt ]; then
        package_install_apt
        return
    fi
    phase "installing $package_name"
    ! package_retry "${package_by}_install" "$package_name" || return 0
    # What the manager knows of its repositories may be old. pacman's is only read anew together with an upgrade of the whole machine.
    if [ "$package_by" != pacman ]; then
        phase "installing $package_name, after reading the repositories anew"
        ! package_retry "${package_by}_install_anew" "$package_name" || return 0
    fi
    ! "${package_by}_lacks" ||
        fail PACKAGE_NOT_AVAILABLE "the machine's repositories offer no $package_name$(package_advice)" "$package_log"
    fail PACKAGE_OPERATION_FAILED "$package_by could not install $package_name" "$package_log"
}

# package_advice: what is known of where it could come from.
package_advice() {
    case "$package_by $package_name" in
    "dnf fuse-sshfs") printf '. On RHEL and its kin it is in EPEL (release 8: in PowerTools or CodeReady Builder), which has to be enabled' ;;
    pacman*) printf ' in the version of its database, which is old or missing. "pacman -Syu" reads it anew and upgrades the whole machine, which is left to you' ;;
    esac
}

package_install_apt() {
    apt_wait=$package_wait apt_log=$package_log
    apt_settle
    phase "installing $package_name"
    ! apt_retry apt_get install --no-install-recommends "$package_name" || return 0
    apt_update
    [ -n "$(apt_offers "$package_name")" ] || fail PACKAGE_NOT_AVAILABLE "the machine's repositories offer no $package_name. $apt_warnings"
    apt_retry apt_get install --no-install-recommends "$package_name" || fail PACKAGE_OPERATION_FAILED "apt-get install $package_name failed" "$apt_log"
}

# package_retry COMMAND...: runs it with its output in $package_log, and again while somebody else holds a lock.
package_retry() {
    package_deadline=$(($(date +%s) + package_wait))
    package_told=
    while :; do
        "$@" >"$package_log" 2>&1 </dev/null && return 0
        package_code=$?
        "${package_by}_locked" || return "$package_code"
        [ "$(date +%s)" -lt "$package_deadline" ] ||
            fail PACKAGE_MANAGER_LOCKED "$package_by's lock was not free within $package_wait s: $(package_holder)" "$package_log"
        [ -n "$package_told" ] || phase "waiting for $package_by's lock: $(package_holder)"
        package_told=yes
        sleep 2
    done
}

# package_holder: "held by process 4711 (dnf)": who holds the lock, by the manager's own words, or by who has its file open.
package_holder() {
    package_words=$(sed -nE 's/.*with pid ([0-9]+ \([^)]*\)).*/\1/p' "$package_log" | head -n 1)
    if [ -n "$package_words" ]; then
        printf 'held by process %s' "$package_words"
        return
    fi
    package_pid=$(sed -nE "s/.*locked by ([0-9]+).*/\\1/p; s/^([0-9]+)$tab.*/\\1/p" "$package_log" | head -n 1)
    [ -n "$package_pid" ] || package_pid=$(package_lock_user)
    if [ -n "$package_pid" ]; then
        printf 'held by process %s (%s)' "$package_pid" "$(cat "/proc/$package_pid/comm" 2>/dev/null)"
    else
        printf 'nobody has its file open, so it may be left of a run that was killed'
    fi
}

# package_lock_user: the number of a process that has the lock's file open.
package_lock_user() {
    case $package_by in
    pacman) package_lock=/pacman/db.lck ;;
    apk) package_lock=/apk/db/lock ;;
    *) package_lock=/.rpm.lock ;;
    esac
    # shellcheck disable=SC2012 # one process, in place of one for each open file
    ls -l /proc/[0-9]*/fd 2>/dev/null | PACKAGE_LOCK=$package_lock awk '
        /^\/proc\/[0-9]+\/fd:$/ { split($0, part, "/"); pid = part[3] }
        index($0, ENVIRON["PACKAGE_LOCK"]) && / -> / { print pid; exit }'
}
