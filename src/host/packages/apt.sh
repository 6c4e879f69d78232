# Debian's package manager: every trap of unattended use in one place.

# apt_begin WAIT: before anything else. WAIT: how long to wait for apt-daily, unattended-upgrades or a person, in seconds.
# What apt and dpkg print goes to a file: with the connection gone a full pipe would block dpkg in the middle of a package.
apt_begin() {
    apt_wait=$1
    apt_log=$(mktemp "${TMPDIR:-/tmp}/pulumi-docker-fleet.XXXXXX") || fail REMOTE_COMMAND_FAILED "mktemp failed"
    trap 'rm -f "$apt_log"' EXIT
}

# apt_states PACKAGE...: a fact for each package that dpkg knows: version, want (install, hold, ...), status.
apt_states() {
    # shellcheck disable=SC2016 # dpkg-query's own variables
    dpkg-query -W -f '${Package} ${Version} ${db:Status-Want} ${db:Status-Status}\n' "$@" 2>/dev/null |
        while read -r name version want status; do
            # A package that was never installed has no version, so its line is one word short.
            [ -z "$status" ] || fact package "$name" "$version" "$want" "$status"
        done
}

# apt_interrupted: dpkg was stopped in the middle and refuses work until it is told to go on.
apt_interrupted() {
    [ -n "$(find /var/lib/dpkg/updates -type f 2>/dev/null | head -n 1)" ] ||
        dpkg-query -W -f '${db:Status-Status}\n' 2>/dev/null | grep -qE '^(half-installed|unpacked|half-configured|triggers-awaited|triggers-pending)$'
}

apt_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }
apt_version() { dpkg-query -W -f '${Version}' "$1" 2>/dev/null; }

# apt_names: the names of all installed packages, sorted.
# shellcheck disable=SC2016
apt_names() { dpkg-query -W -f '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p' | sort -u; }

# apt_retry COMMAND...: runs it with its output in $apt_log and tries again while somebody else holds a lock.
# apt's own DPkg::Lock::Timeout covers neither the lists lock of "update" nor the archives lock, waits without a word, and
# dpkg waits for nothing.
apt_retry() {
    apt_deadline=$(($(date +%s) + apt_wait))
    apt_told=
    apt_repairs=0
    while :; do
        "$@" >"$apt_log" 2>&1 </dev/null && return 0
        apt_code=$?
        if [ "$apt_repairs" -lt 3 ] && grep -qE 'dpkg was interrupted' "$apt_log"; then
            phase "finishing an interrupted dpkg run"
            apt_repairs=$((apt_repairs + 1))
            dpkg_configure >>"$apt_log" 2>&1 </dev/null || :
        elif ! grep -qE 'Could not get lock|Unable to (acquire|lock)|is locked by another process|frontend lock was locked|status database is locked|Sub-process dpkg --set-selections returned' "$apt_log"; then
            return "$apt_code"
        elif [ "$(date +%s)" -ge "$apt_deadline" ]; then
            fail PACKAGE_MANAGER_LOCKED "another process has held apt's lock for $apt_wait s ($(apt_lock_holder))" "$apt_log"
        else
            [ -n "$apt_told" ] || phase "waiting for another apt or dpkg to finish ($(apt_lock_holder))"
            apt_told=yes
            sleep 2
        fi
    done
}

# apt_lock_holder: "process 4711 (apt-get)", from apt's own words.
apt_lock_holder() {
    apt_holder=$(sed -n 's/.*[Ii]t is held by \(process [0-9]* ([^)]*)\).*/\1/p' "$apt_log" | head -n 1)
    printf '%s' "${apt_holder:-unknown process}"
}

# Non-interactive in all the ways there are: debconf, conffiles, needrestart (which would restart other services).
apt_quiet() {
    env DEBIAN_FRONTEND=noninteractive DEBIAN_PRIORITY=critical APT_LISTCHANGES_FRONTEND=none \
        NEEDRESTART_SUSPEND=1 NEEDRESTART_MODE=l "$@"
}
apt_get() {
    apt_quiet apt-get -q -y \
        -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"
}
dpkg_configure() { apt_quiet dpkg --force-confdef --force-confold --configure -a; }

# apt_settle: the package manager is ours and consistent: first boot over, nothing interrupted.
apt_settle() {
    if command -v cloud-init >/dev/null 2>&1 && timeout 20 cloud-init status 2>/dev/null | grep -q running; then
        phase "waiting for cloud-init"
        # 2 means done with recoverable errors; whatever it says, the locks are waited for below.
        timeout 600 cloud-init status --wait >/dev/null 2>&1 || :
    fi
    if apt_interrupted; then
        phase "finishing an interrupted dpkg run"
        apt_retry dpkg_configure || fail PACKAGE_OPERATION_FAILED "dpkg --configure -a failed" "$apt_log"
    fi
}

# apt_update: leaves the complaints of repositories in apt_warnings. One that does not answer is only a warning for apt
# (exit code 0); it matters when a package is missing afterwards.
apt_update() {
    phase "apt-get update"
    apt_retry apt_get update || fail PACKAGE_OPERATION_FAILED "apt-get update failed" "$apt_log"
    apt_warnings=$(grep -E '^(W|E):' "$apt_log" | head -n 3)
}

# apt_offers PACKAGE: its versions in the repositories, newest first.
apt_offers() { apt-cache madison "$1" 2>/dev/null | awk -F ' *[|] *' '!seen[$2]++ { print $2 }'; }

# pick_version WANTED: the first of the versions on stdin that WANTED names: "28.5" means 28.5.x, never 28.50.
pick_version() {
    while read -r offer; do
        if version_matches "$offer" "$1"; then
            printf '%s\n' "$offer"
            break
        fi
    done
}

# upstream_version VERSION: without epoch and packaging: "28.5.2" of "5:28.5.2-1~debian.13".
upstream_version() {
    upstream_whole=${1#*:}
    printf '%s' "${upstream_whole%%[-+~]*}"
}

# version_matches VERSION WANTED: "5:28.5.2-1~debian.13" is named by "28", "28.5", "28.5.2", its own full text, and "".
version_matches() {
    [ -n "$1" ] || return 1
    [ -n "$2" ] && [ "$1" != "$2" ] || return 0
    upstream=$(upstream_version "$1")
    case $upstream in
    "$2" | "$2".*) return 0 ;;
    esac
    return 1
}
