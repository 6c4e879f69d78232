# Our settings in the SSH server's configuration, and the way back to what was there before them.

# Root's alone: who hardened this machine (owner), and while a change is not confirmed (armed) how to undo it.
SSHD_STATE=/var/lib/pulumi-docker-fleet/sshd
# The first value of a keyword wins, and files are read in the order of their names.
SSHD_DROP_IN=/etc/ssh/sshd_config.d/00-pulumi-docker-fleet.conf
# Around our settings where they have to be in the main file.
SSHD_BEGIN='# BEGIN pulumi-docker-fleet'
SSHD_END='# END pulumi-docker-fleet'
SSHD_UNDO_UNIT=pulumi-docker-fleet-sshd-undo
SSHD_BOOT_UNIT=pulumi-docker-fleet-sshd-undo-at-boot.service

# sshd_find: sets sshd_main, the main file, and sshd_options, what the service adds on the command line.
sshd_find() {
    command -v sshd >/dev/null 2>&1 ||
        fail UNSUPPORTED_MACHINE "there is no sshd: only OpenSSH's server can be hardened"
    sshd_main=
    for sshd_file in /etc/ssh/sshd_config /usr/etc/ssh/sshd_config; do
        if [ -e "$sshd_file" ]; then
            sshd_main=$(readlink -f "$sshd_file")
            break
        fi
    done
    [ -n "$sshd_main" ] || fail UNSUPPORTED_MACHINE "there is no /etc/ssh/sshd_config"
    sshd_options=
    for sshd_file in /etc/default/ssh /etc/sysconfig/sshd; do
        # shellcheck disable=SC1090
        if [ -r "$sshd_file" ]; then sshd_options=$(. "$sshd_file" >/dev/null 2>&1 && printf '%s' "${SSHD_OPTS:-${OPTIONS:-}}"); fi
    done
    # Gone while no sshd runs under socket activation; without it sshd refuses even to test.
    [ -d /run/sshd ] || mkdir -m 0755 /run/sshd
}

# sshd_lock: changes, confirmations and the undo exclude each other. The machine's own lock would not do: the undo must not
# wait for an installation.
sshd_lock() {
    umask 077
    exec 8>>/run/pulumi-docker-fleet-sshd.lock
    umask 022
    sshd_tries=0
    until flock -n 8; do
        [ "$sshd_tries" -lt 120 ] || fail MACHINE_LOCKED "another change of sshd's configuration is under way"
        sleep 1
        sshd_tries=$((sshd_tries + 1))
    done
}

# sshd_test FILE: whether sshd takes the configuration; its words go to FILE.
# shellcheck disable=SC2086
sshd_test() { sshd $sshd_options -t >"$1" 2>&1; }

# sshd_client: the address that we come from, as the login's own environment has it; sudo and the like drop it.
sshd_client() {
    sshd_pid=$$
    while [ "${sshd_pid:-0}" -gt 1 ] && [ -r "/proc/$sshd_pid/environ" ]; do
        sshd_from=$(tr '\0' '\n' <"/proc/$sshd_pid/environ" | sed -n 's/^SSH_CONNECTION=//p')
        if [ -n "$sshd_from" ]; then break; fi
        sshd_pid=$(sed -n 's/^PPid:[^0-9]*//p' "/proc/$sshd_pid/status")
    done
    # The documentation's own network, from which nobody comes.
    printf '%s' "${sshd_from:-192.0.2.1 1 192.0.2.2 22}"
}

# sshd_directives FILE: a line for each of its directives that are not ours: number, the Match block it is in or "-",
# keyword in lower case, value.
sshd_directives() {
    awk -v OFS='\t' -v begin="$SSHD_BEGIN" -v end="$SSHD_END" '
        BEGIN { block = "-" }
        $0 == begin { ours = 1 }
        ours { if ($0 == end) ours = 0; next }
        {
            line = $0
            gsub(/[ \t\r]+/, " ", line)
            sub(/^ /, "", line)
            if (line == "" || line ~ /^#/) next
            key = line
            sub(/[ =].*/, "", key)
            value = substr(line, length(key) + 1)
            sub(/^ ?=? ?/, "", value)
            sub(/ #.*/, "", value)
            gsub(/"/, "", value)
            sub(/ $/, "", value)
            key = tolower(key)
            if (key == "match") block = value
            print NR, block, key, value == "" ? "-" : value
        }' "$1"
}

# sshd_included FILE...: the files that these include.
sshd_included() {
    for sshd_file in "$@"; do
        sshd_directives "$sshd_file" | while IFS=$tab read -r _ _ sshd_key sshd_value; do
            [ "$sshd_key" = include ] || continue
            for sshd_pattern in $sshd_value; do
                case $sshd_pattern in /*) ;; *) sshd_pattern=/etc/ssh/$sshd_pattern ;; esac
                for sshd_each in $sshd_pattern; do
                    if [ -f "$sshd_each" ]; then printf '%s\n' "$sshd_each"; fi
                done
            done
        done
    done
}

# sshd_place KEYWORDS: where our settings are read before all others: "drop-in", or "main", its head, when the main file does
# not include the drop-ins (or OpenSSH is older than 8.2), or only after it has set one of the keywords or begun a Match block.
sshd_place() {
    sshd_directives "$sshd_main" | {
        # Patterns are compared, not expanded.
        set -f
        while IFS=$tab read -r _ sshd_block sshd_key sshd_value; do
            if [ "$sshd_block" != - ]; then break; fi
            case " $1 " in *" $sshd_key "*) break ;; esac
            [ "$sshd_key" = include ] || continue
            for sshd_pattern in $sshd_value; do
                case $sshd_pattern in /*) ;; *) sshd_pattern=/etc/ssh/$sshd_pattern ;; esac
                # shellcheck disable=SC2254
                case $SSHD_DROP_IN in $sshd_pattern) printf drop-in && exit ;; esac
            done
        done
        printf main
    }
}

# sshd_block: our settings in the main file.
sshd_block() {
    awk -v begin="$SSHD_BEGIN" -v end="$SSHD_END" '$0 == end { exit } ours { print } $0 == begin { ours = 1 }' "$sshd_main"
}

# sshd_facts USER KEYWORDS: how the server is configured, as far as these keywords (in lower case) go.
sshd_facts() {
    if [ -e "$SSHD_STATE/armed" ]; then fact armed; fi
    if [ -s "$SSHD_STATE/owner" ]; then fact owner "$(sed -n 1p "$SSHD_STATE/owner")" "$(sed -n 2p "$SSHD_STATE/owner")"; fi
    fact place "$(sshd_place "$2")"
    if [ -e "$SSHD_DROP_IN" ]; then
        fact has drop-in
        while IFS= read -r sshd_line; do fact drop-in "$sshd_line"; done <"$SSHD_DROP_IN"
    fi
    if grep -qxF "$SSHD_BEGIN" "$sshd_main"; then
        fact has main
        sshd_block | while IFS= read -r sshd_line; do fact main "$sshd_line"; done
    fi
    # shellcheck disable=SC2046
    set -- "$1" "$2" $(sshd_client)
    # sshd_words is set by the script that uses this.
    for sshd_user in $(printf '%s\n' "$1" root | sort -u); do
        # shellcheck disable=SC2086
        sshd_effective=$(sshd $sshd_options -T -C "user=$sshd_user,host=$3,addr=$3,laddr=$5,lport=$6" 2>"$sshd_words") ||
            fail SSHD_CONFIG_INVALID "sshd refuses its configuration" "$sshd_words"
        printf '%s\n' "$sshd_effective" | while read -r sshd_key sshd_value; do
            sshd_key=$(printf '%s' "$sshd_key" | tr '[:upper:]' '[:lower:]')
            case " $2 " in *" $sshd_key "*) fact effective "$sshd_user" "$sshd_key" "$sshd_value" ;; esac
        done
    done
    # shellcheck disable=SC2046
    set -- "$2" "$sshd_main" $(sshd_included "$sshd_main")
    sshd_keywords=$1
    shift
    # shellcheck disable=SC2046
    set -- "$@" $(shift && sshd_included "$@")
    for sshd_from in "$@"; do
        [ "$sshd_from" != "$SSHD_DROP_IN" ] || continue
        sshd_directives "$sshd_from" | while IFS=$tab read -r sshd_number sshd_block sshd_key sshd_value; do
            case " $sshd_keywords " in
            *" $sshd_key "*) fact set "$sshd_from:$sshd_number" "$sshd_block" "$sshd_key" "$sshd_value" ;;
            esac
        done
    done
}

# sshd_put FILE: standard input becomes the file, at once and on the disk before anything else happens. At the end of a pipe
# it cannot end the script.
sshd_put() {
    # No name that the drop-ins' pattern would match.
    sshd_new=$(dirname "$1")/.${1##*/}.new
    if [ -e "$1" ]; then cp -p "$1" "$sshd_new"; else : >"$sshd_new"; fi
    { cat >"$sshd_new" && { sync "$sshd_new" 2>/dev/null || :; } && mv -f "$sshd_new" "$1"; } || {
        rm -f "$sshd_new"
        fail REMOTE_COMMAND_FAILED "$1 could not be written"
    }
    if command -v selinuxenabled >/dev/null 2>&1 && selinuxenabled; then restorecon "$1" 2>/dev/null || :; fi
    sync "$(dirname "$1")" 2>/dev/null || :
}

# sshd_set_block TEXT: makes TEXT our settings at the head of the main file; without TEXT there are none.
sshd_set_block() {
    if [ -z "$1" ] && ! grep -qxF "$SSHD_BEGIN" "$sshd_main"; then return; fi
    {
        if [ -n "$1" ]; then printf '%s\n' "$SSHD_BEGIN" "$1" "$SSHD_END"; fi
        awk -v begin="$SSHD_BEGIN" -v end="$SSHD_END" '
            $0 == begin { ours = 1 }
            !ours { print }
            $0 == end { ours = 0 }' "$sshd_main"
    } | sshd_put "$sshd_main" || exit 1
}

# sshd_set PLACE TEXT: makes TEXT our settings, in that place alone.
sshd_set() {
    if [ "$1" = drop-in ]; then
        mkdir -p "$(dirname "$SSHD_DROP_IN")"
        printf '%s\n' "$2" | sshd_put "$SSHD_DROP_IN" || exit 1
        sshd_set_block ""
    else
        sshd_set_block "$2"
        rm -f "$SSHD_DROP_IN"
    fi
}

# sshd_remember: keeps our settings as they are, for sshd_restore.
sshd_remember() {
    mkdir -p "$SSHD_STATE"
    chmod 0700 "$SSHD_STATE"
    rm -f "$SSHD_STATE"/before.*
    if [ -e "$SSHD_DROP_IN" ]; then cp -p "$SSHD_DROP_IN" "$SSHD_STATE/before.drop-in"; fi
    if [ -e "$SSHD_STATE/owner" ]; then cp -p "$SSHD_STATE/owner" "$SSHD_STATE/before.owner"; fi
    sshd_block >"$SSHD_STATE/before.main"
}

# sshd_restore: puts back what sshd_remember kept. What others have changed since then stays.
sshd_restore() {
    sshd_set_block "$(cat "$SSHD_STATE/before.main")"
    if [ -e "$SSHD_STATE/before.drop-in" ]; then
        sshd_put "$SSHD_DROP_IN" <"$SSHD_STATE/before.drop-in"
    else
        rm -f "$SSHD_DROP_IN"
    fi
    if [ -e "$SSHD_STATE/before.owner" ]; then
        cp -p "$SSHD_STATE/before.owner" "$SSHD_STATE/owner"
    else
        rm -f "$SSHD_STATE/owner"
    fi
}

# sshd_timer TOKEN SECONDS: starts the clock of the undo. It belongs to the machine, not to our session. A clock that an
# earlier run has left is not stopped: one of the two always goes with the token that counts.
sshd_timer() {
    if [ -d /run/systemd/system ] && systemd-run --quiet --collect --unit="$SSHD_UNDO_UNIT-$$-$(date +%s)" \
        --on-active="$2" --timer-property=AccuracySec=100ms /bin/sh "$SSHD_STATE/undo" "$1" >/dev/null 2>&1; then
        return
    fi
    # shellcheck disable=SC2016
    nohup sh -c 'sleep "$1"; exec sh "$2" "$3"' sh "$2" "$SSHD_STATE/undo" "$1" </dev/null >/dev/null 2>&1 8>&- &
}

# sshd_arm TOKEN SECONDS SCRIPT: from here on everything that follows is undone in so many seconds, or at the next boot,
# before sshd starts, unless it is confirmed. What an earlier run armed and did not confirm is taken over: undone is then
# what that run had changed, too.
sshd_arm() {
    if [ ! -e "$SSHD_STATE/armed" ]; then sshd_remember; fi
    printf '%s\n' "$3" | sshd_put "$SSHD_STATE/undo" || exit 1
    if [ -d /run/systemd/system ]; then
        # Ordered before the sockets, which come before everything that has the usual dependencies. Only a boot reads it, so
        # systemd need not be told.
        sshd_put "/etc/systemd/system/$SSHD_BOOT_UNIT" <<UNIT
[Unit]
Description=Undo a change of sshd's configuration that nobody confirmed
DefaultDependencies=no
RequiresMountsFor=$SSHD_STATE /etc/ssh
After=local-fs.target systemd-remount-fs.service
Before=ssh.service ssh.socket sshd.service sshd.socket shutdown.target
Conflicts=shutdown.target
ConditionPathExists=$SSHD_STATE/armed

[Service]
Type=oneshot
ExecStart=/bin/sh $SSHD_STATE/undo boot
UNIT
        mkdir -p /etc/systemd/system/multi-user.target.wants
        ln -sf "../$SSHD_BOOT_UNIT" /etc/systemd/system/multi-user.target.wants/
    fi
    sshd_timer "$1" "$2"
    printf '%s\n' "$1" | sshd_put "$SSHD_STATE/armed" || exit 1
    sync
}

# sshd_disarm: what is now stays.
sshd_disarm() {
    rm -f "$SSHD_STATE/armed"
    sync "$SSHD_STATE" 2>/dev/null || :
    # A clock without systemd runs on; when it strikes, there is nothing that it could undo.
    if [ -d /run/systemd/system ]; then timeout 20 systemctl stop "$SSHD_UNDO_UNIT-*.timer" >/dev/null 2>&1 || :; fi
    rm -f "$SSHD_STATE"/before.* "$SSHD_STATE/undo" "/etc/systemd/system/$SSHD_BOOT_UNIT" \
        "/etc/systemd/system/multi-user.target.wants/$SSHD_BOOT_UNIT"
    rmdir "$SSHD_STATE" "$(dirname "$SSHD_STATE")" 2>/dev/null || :
}

# sshd_armed TOKEN: whether our own change still waits to be confirmed.
sshd_armed() { [ "$(cat "$SSHD_STATE/armed" 2>/dev/null)" = "$1" ]; }

# sshd_listening PID: the sockets on which a process waits for connections, by inode.
sshd_listening() {
    # The fourth column is the state (0A: listening), the tenth the inode.
    sshd_listeners=" $(awk '$4 == "0A" { printf "socket:[%s] ", $10 }' "/proc/$1/net/tcp" "/proc/$1/net/tcp6" 2>/dev/null)"
    for sshd_fd in "/proc/$1/fd"/*; do
        sshd_socket=$(readlink "$sshd_fd") || continue
        case $sshd_listeners in *" $sshd_socket "*) printf ' %s ' "$sshd_socket" ;; esac
    done
}

# sshd_hang_up PID COMMAND...: the command makes the server at PID read its configuration again; waits until it has: until
# it has let go of its sockets and listens on others. A login before that would still find the old settings.
sshd_hang_up() {
    sshd_pid=$1
    sshd_old=$(sshd_listening "$sshd_pid")
    shift
    "$@" || return 1
    sshd_tries=0
    while [ "$sshd_tries" -lt 100 ]; do
        sshd_still=
        sshd_now=$(sshd_listening "$sshd_pid")
        for sshd_socket in $sshd_now; do
            case $sshd_old in *" $sshd_socket "*) sshd_still=yes ;; esac
        done
        if [ -n "$sshd_now" ] && [ -z "$sshd_still" ]; then return 0; fi
        sleep 0.1
        sshd_tries=$((sshd_tries + 1))
    done
    return 1
}

# sshd_forgive UNIT: lets systemd forget how often it was started lately. After five starts within ten seconds it would not
# only refuse the next one, but close the socket for good.
sshd_forgive() { timeout 20 systemctl reset-failed "$1.service" "$1.socket" >/dev/null 2>&1 || :; }

# sshd_reload: new logins find the configuration as it is now; sessions go on. Never a restart: one with a mistake in the
# configuration would leave nobody listening.
sshd_reload() {
    if [ -d /run/systemd/system ]; then
        for sshd_unit in ssh sshd; do
            if unit_active "$sshd_unit.socket"; then
                # systemd listens, and its next connection starts a fresh sshd. A reload would only kill this one: it
                # cannot listen itself where systemd does. Its sessions are no part of it (KillMode=process).
                timeout 30 systemctl stop "$sshd_unit.service" >/dev/null 2>&1 || return
                sshd_forgive "$sshd_unit"
                return
            fi
            if unit_active "$sshd_unit.service"; then
                sshd_hang_up "$(unit_property "$sshd_unit.service" MainPID)" \
                    timeout 30 systemctl reload "$sshd_unit.service" >/dev/null 2>&1
                return
            fi
            if [ "$(unit_property "$sshd_unit.socket" ActiveState)" = failed ]; then
                sshd_forgive "$sshd_unit"
                timeout 30 systemctl start "$sshd_unit.socket" >/dev/null 2>&1
                return
            fi
        done
    fi
    sshd_pid=$(cat "$(sshd -T 2>/dev/null | awk 'tolower($1) == "pidfile" { print $2 }')" 2>/dev/null)
    [ -n "$sshd_pid" ] || return 1
    sshd_hang_up "$sshd_pid" kill -HUP "$sshd_pid"
}

# sshd_undo [boot]: back to what was there before the change that is armed. At boot there is no server to tell yet. When
# the server cannot be told, all stays armed, and the next boot tells it.
sshd_undo() {
    sshd_restore
    if [ "${1:-}" != boot ]; then sshd_reload || return 1; fi
    sshd_disarm
}
