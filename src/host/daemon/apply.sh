# apply.sh WORD...: changes the daemon's configuration as one transaction: either everything is in place, loaded and
# proved, or everything is as it was. It needs nobody to watch it. The words, in their order:
#   owner ID BEGIN END         the record of the resource: while the change is under way, and after it; "" removes it
#   loaded CONTENT             what the daemon will have read afterwards
#   guard PATH SHA256          the file must be this one, or "absent"; else the change was made for another machine
#   validate CONTENT COUNT WORD...   what the file will be, and how dockerd is started: it is asked what it says of the file
#   step ACTION KEEP           begins a step: none, reload, restart, or sockets (a restart with docker.socket);
#                              KEEP yes: the containers must run through it
#   put PATH MODE CONTENT      of the step: a file. MODE is for a new file; +MODE is for every file
#   drop PATH                  of the step: no file
#   expect KEY VALUE           of the step: what the daemon has to say that it has loaded
#   undo CONTENT               what takes the reloads back
# Contents are in base64.

# TERM and HUP must not end it half way. Not ignored but handled: children would inherit the former.
trap : HUP INT TERM
umask 077

# Whoever has the machine's lock has this file to himself.
daemon_words=/run/pulumi-docker-fleet.daemon
trap 'rm -f "$daemon_words"' EXIT
daemon_restarted=no
daemon_sockets=no
daemon_units=no
daemon_interim=
daemon_step=0

# --- files ---------------------------------------------------------------------------------------------------------

# daemon_real PATH: the file behind a link is the one that is meant.
daemon_real() { if [ -L "$1" ]; then readlink -f -- "$1"; else printf '%s\n' "$1"; fi; }

# daemon_kept REAL: where the old file waits. Beside it, as a second name, so that putting it back needs no space.
daemon_kept() { printf '%s/.%s.docker-fleet-before\n' "${1%/*}" "${1##*/}"; }

# daemon_put PATH MODE SOURCE: a file in one step. What is wrong is in $daemon_words.
daemon_put() {
    daemon_target=$(daemon_real "$1")
    (umask 022 && mkdir -p "${daemon_target%/*}") 2>"$daemon_words" || return 1
    daemon_new=$(mktemp "${daemon_target%/*}/.docker-fleet.XXXXXX" 2>"$daemon_words") || return 1
    if cat "$3" >"$daemon_new" 2>"$daemon_words" && daemon_attributes "$2" 2>"$daemon_words"; then
        # So that a power failure right after the rename finds the content and not an empty file.
        sync "$daemon_new" 2>/dev/null || :
        if mv -f "$daemon_new" "$daemon_target" 2>"$daemon_words"; then
            if command -v selinuxenabled >/dev/null 2>&1 && selinuxenabled; then restorecon "$daemon_target" 2>/dev/null || :; fi
            return 0
        fi
    fi
    rm -f "$daemon_new"
    return 1
}

# daemon_attributes MODE: of $daemon_new, which takes the place of $daemon_target.
daemon_attributes() {
    daemon_mode=${1#+}
    if [ -e "$daemon_target" ]; then
        chown "$(stat -c %u:%g "$daemon_target")" "$daemon_new" || return 1
        [ "$daemon_mode" != "$1" ] || daemon_mode=$(stat -c %a "$daemon_target")
    fi
    chmod "$daemon_mode" "$daemon_new"
}

# daemon_keep PATH: keeps the file as it is now, for daemon_restore.
daemon_keep() {
    ! grep -qxF "$1" "$DAEMON_CHANGE/paths" 2>/dev/null || return 0
    daemon_target=$(daemon_real "$1")
    if [ -e "$daemon_target" ]; then
        daemon_second=$(daemon_kept "$daemon_target")
        rm -f "$daemon_second"
        ln "$daemon_target" "$daemon_second" 2>/dev/null || cp -p "$daemon_target" "$daemon_second" 2>"$daemon_words" || return 1
    fi
    printf '%s\n' "$1" >>"$DAEMON_CHANGE/paths"
}

# daemon_restore: every file as it was. Can be done again.
daemon_restore() {
    [ -s "$DAEMON_CHANGE/paths" ] || return 0
    daemon_restored=0
    while read -r daemon_path; do
        daemon_target=$(daemon_real "$daemon_path")
        daemon_second=$(daemon_kept "$daemon_target")
        if [ -e "$daemon_second" ]; then
            # mv does nothing where both are names of one file. One that cannot be replaced has not been.
            if mv -f "$daemon_second" "$daemon_target" 2>/dev/null || cmp -s "$daemon_second" "$daemon_target"; then
                rm -f "$daemon_second"
            else
                daemon_restored=1
            fi
        elif ! grep -qxF "$daemon_path" "$DAEMON_CHANGE/restored" 2>/dev/null; then
            rm -f "$daemon_target" || daemon_restored=1
        fi
        printf '%s\n' "$daemon_path" >>"$DAEMON_CHANGE/restored" || :
    done <"$DAEMON_CHANGE/paths"
    return "$daemon_restored"
}

# daemon_forget: the change is over, and what was kept for it goes. Can be done again.
daemon_forget() {
    # First of all: where the old files are half gone, a later run must not take that for files that were not there.
    [ ! -e "$DAEMON_CHANGE/begun" ] || mv -f "$DAEMON_CHANGE/begun" "$DAEMON_CHANGE/over"
    if [ -s "$DAEMON_CHANGE/touched" ]; then
        while read -r daemon_path; do
            daemon_target=$(daemon_real "$daemon_path")
            rm -f "$(daemon_kept "$daemon_target")" "${daemon_target%/*}"/.docker-fleet.??????
        done <"$DAEMON_CHANGE/touched"
    fi
    rm -rf -- "$DAEMON_CHANGE"
}

# daemon_record CONTENT: of the resource; "" takes it away. The last one takes everything of ours along.
daemon_record() {
    if [ -n "$1" ]; then
        mkdir -p "$DAEMON_OWNERS"
        printf '%s' "$1" | base64 -d >"$DAEMON_OWNERS/$daemon_owner.new" &&
            mv -f "$DAEMON_OWNERS/$daemon_owner.new" "$DAEMON_OWNERS/$daemon_owner.json" && return
        rm -f "$DAEMON_OWNERS/$daemon_owner.new"
        return 1
    fi
    rm -f "$DAEMON_OWNERS/$daemon_owner.json" "$DAEMON_OWNERS/$daemon_owner.new"
    if rmdir "$DAEMON_OWNERS" 2>/dev/null; then
        rm -f "$DAEMON_HOME"/loaded.* "$DAEMON_HOME/before.json"
        rmdir "$DAEMON_CERTIFICATES" 2>/dev/null || :
    fi
}

# --- the daemon ------------------------------------------------------------------------------------------------------

# daemon_units_now: systemd reads unit files again, where some of them changed.
daemon_units_now() { [ "$daemon_units" = no ] || timeout 60 systemctl daemon-reload >/dev/null 2>&1 || :; }

# daemon_cursor: where the daemon's log ends now.
daemon_cursor() { journalctl -u docker.service -n 0 --show-cursor --no-pager 2>/dev/null | sed -n 's/^-- cursor: //p'; }

# daemon_log CURSOR: what the daemon has said since.
daemon_log() {
    if [ -n "$1" ]; then
        timeout 20 journalctl -u docker.service --after-cursor="$1" --no-pager -o cat 2>/dev/null
    else
        timeout 20 journalctl -u docker.service -b -n 30 --no-pager -o cat 2>/dev/null
    fi
}

# daemon_complaints CURSOR: the lines that say what is wrong, else the last ones.
daemon_complaints() {
    daemon_log "$1" >"$daemon_words.all"
    grep -E 'unable to configure|configuration validation failed|failed to start daemon|[Ee]rror (reconfiguring|reloading|validating)|level=(error|fatal)|^(Error|Status|invalid|failed)' \
        "$daemon_words.all" | grep -v 'level=warning' | tail -n 8 >"$daemon_words"
    [ -s "$daemon_words" ] || tail -n 8 "$daemon_words.all" >"$daemon_words"
    rm -f "$daemon_words.all"
}

# daemon_sorted: a list as docker prints it, or any other text, in an order of its own.
daemon_sorted() { tr -d '[]"' | tr ',' '\n' | sort | tr '\n' ','; }

# daemon_reload [EXPECTATIONS]: makes the daemon read its file again. systemctl always says that it worked; the event
# says that it did. It comes after everything that could go wrong, plugins included, which are tried for 17 s.
daemon_reload() {
    daemon_from=$(daemon_cursor)
    daemon_before=$(daemon_pid)
    daemon_time=$(date +%s.%N)
    timeout 30 systemctl reload docker.service >/dev/null 2>&1 || :
    daemon_deadline=$(($(date +%s) + 30))
    while :; do
        # shellcheck disable=SC2016
        daemon_event=$(daemon_docker events --since "$daemon_time" --until "$(date +%s.%N)" --filter type=daemon \
            --filter event=reload --format '{{range $key, $value := .Actor.Attributes}}{{$key}}={{$value}}{{"\n"}}{{end}}') || daemon_event=
        [ -z "$daemon_event" ] || break
        if [ "$(daemon_pid)" != "$daemon_before" ]; then
            daemon_complaints "$daemon_from"
            daemon_reason="the daemon ended while it reloaded its configuration"
            return 1
        fi
        if daemon_log "$daemon_from" | grep -qE 'unable to configure|configuration validation failed|[Ee]rror (reconfiguring|reloading)'; then
            daemon_complaints "$daemon_from"
            daemon_reason="the daemon refused to reload its configuration"
            return 1
        fi
        if [ "$(date +%s)" -ge "$daemon_deadline" ]; then
            daemon_complaints "$daemon_from"
            daemon_reason="the daemon did not say within 30 s that it had reloaded its configuration"
            return 1
        fi
        sleep 0.1
    done
    [ -s "${1:-}" ] || return 0
    while read -r daemon_key daemon_value; do
        daemon_found=$(printf '%s\n' "$daemon_event" | sed -n "s/^$daemon_key=//p")
        if [ "$(printf '%s' "$daemon_found" | daemon_sorted)" != "$(printf '%s' "$daemon_value" | daemon_sorted)" ]; then
            printf '%s\n' "$daemon_event" >"$daemon_words"
            daemon_reason="the daemon reloaded its configuration, but $daemon_key is $daemon_found"
            return 1
        fi
    done <"$1"
}

# daemon_restart: a restart that ends with a daemon that answers, and goes on doing so. Successful starts count against
# systemd's start limit too.
daemon_restart() {
    daemon_from=$(daemon_cursor)
    daemon_restarted=yes
    daemon_units_now
    systemctl reset-failed docker.service docker.socket >/dev/null 2>&1 || :
    set -- docker.service
    if [ "$daemon_sockets" = yes ] || [ "$(unit_property docker.socket ActiveState)" = failed ]; then
        [ "$(unit_property docker.socket LoadState)" != loaded ] || set -- docker.socket docker.service
    fi
    # The unit has no start timeout of its own. A failed start is tried again by systemd; once is enough to know.
    if ! timeout -k 5 240 systemctl restart "$@" >/dev/null 2>&1; then
        daemon_complaints "$daemon_from"
        daemon_reason="the daemon does not start"
        return 1
    fi
    daemon_deadline=$(($(date +%s) + 60))
    until daemon_answers; do
        case $(unit_property docker.service ActiveState) in
        failed | inactive) daemon_deadline=0 ;;
        esac
        if [ "$(date +%s)" -ge "$daemon_deadline" ]; then
            daemon_complaints "$daemon_from"
            daemon_reason="the daemon does not answer after its start"
            return 1
        fi
        sleep 0.2
    done
    daemon_before=$(daemon_pid)
    sleep 0.5
    if [ "$(daemon_pid)" != "$daemon_before" ] || ! unit_active docker.service; then
        daemon_complaints "$daemon_from"
        daemon_reason="the daemon ends soon after its start"
        return 1
    fi
}

# daemon_lost KEEP: the containers that ran before and should run now, but do not.
daemon_lost() {
    while read -r daemon_id daemon_process daemon_policy daemon_name; do
        if [ "$1" != yes ]; then
            case $daemon_policy in always | unless-stopped) ;; *) continue ;; esac
        fi
        # One that is gone altogether was of the kind that removes itself.
        daemon_now=$(daemon_docker inspect --format '{{.State.Status}} {{.State.Pid}} {{.State.ExitCode}}' "$daemon_id") || continue
        case $1:$daemon_now in
        yes:running\ "$daemon_process"\ * | no:running* | no:restarting*) ;;
        # It may have come to its own end meanwhile; what ends by a signal was ended.
        yes:exited\ *\ 137 | yes:exited\ *\ 143 | yes:exited\ *\ 255 | yes:running* | yes:restarting* | yes:dead* | no:*)
            printf '%s ' "${daemon_name#/}"
            ;;
        esac
    done <"$DAEMON_CHANGE/containers"
}

# daemon_survivors KEEP: waits until all containers that should run do.
daemon_survivors() {
    daemon_deadline=$(($(date +%s) + 30))
    while :; do
        daemon_missing=$(daemon_lost "$1")
        [ -n "$daemon_missing" ] || return 0
        if [ "$1" = yes ] || [ "$(date +%s)" -ge "$daemon_deadline" ]; then
            daemon_complaints "$daemon_from"
            daemon_reason="these containers do not run any more: ${daemon_missing% }"
            return 1
        fi
        sleep 0.5
    done
}

# --- the transaction -------------------------------------------------------------------------------------------------

# daemon_is_ours PATH: the file has a content that this change has given it, or that was there before.
daemon_is_ours() {
    for daemon_known in "$DAEMON_CHANGE"/*; do
        ! cmp -s "$daemon_known" "$1" || return 0
    done
    return 1
}

# daemon_as_before: the files and the daemon as they were before the change. $daemon_back: whether that was possible.
# What others have made of daemon.json since then stays in the file.
daemon_as_before() {
    daemon_theirs=$DAEMON_CHANGE/theirs
    if [ -e "$DAEMON_FILE" ] && ! daemon_is_ours "$DAEMON_FILE"; then
        cp "$DAEMON_FILE" "$daemon_theirs.new" && mv -f "$daemon_theirs.new" "$daemon_theirs"
    fi
    daemon_bring_back
    [ -e "$daemon_theirs" ] || return 0
    daemon_put "$DAEMON_FILE" 0644 "$daemon_theirs" || daemon_back=no
    if [ "$daemon_loaded" = yes ] || [ "$daemon_restarted" = yes ]; then
        # What they have kept of ours is not in effect any more.
        cp "$DAEMON_CHANGE/undo" "$DAEMON_READ.json"
        unit_property docker.service InvocationID >"$DAEMON_READ.invocation"
    fi
}

daemon_bring_back() {
    daemon_back=yes
    if [ "$daemon_restarted" = no ] && [ "$daemon_loaded" = yes ]; then
        # What was loaded is taken back by loading; what is not in the file would stay.
        { daemon_alive && daemon_put "$DAEMON_FILE" 0644 "$DAEMON_CHANGE/undo" && daemon_reload; } ||
            daemon_alive || daemon_restarted=yes
    fi
    daemon_restore || daemon_back=no
    [ "$daemon_restarted" = yes ] || return 0
    # The containers may live by what the last reload has set, so the old daemon starts with that.
    if [ -n "$daemon_interim" ] && daemon_put "$DAEMON_FILE" 0644 "$daemon_interim" && daemon_restart; then
        if daemon_put "$DAEMON_FILE" 0644 "$DAEMON_CHANGE/undo"; then daemon_reload || :; fi
        daemon_restore_file
        return 0
    fi
    [ -z "$daemon_interim" ] || daemon_restore_file
    ! daemon_restart || return 0
    # Others may have written what no daemon starts with. This one ran by what it had read before.
    if daemon_put "$DAEMON_FILE" 0644 "$DAEMON_CHANGE/undo" && daemon_restart; then
        daemon_restore_file
        return 0
    fi
    daemon_restore_file
    daemon_back=no
}

# daemon_give_up: ends the transaction with everything as it was.
daemon_give_up() {
    daemon_why=$daemon_reason
    cp "$daemon_words" "$DAEMON_CHANGE/words" 2>/dev/null || :
    phase "putting the old configuration back: $daemon_why"
    daemon_as_before
    if [ -e "$DAEMON_CHANGE/record" ]; then
        mv -f "$DAEMON_CHANGE/record" "$DAEMON_OWNERS/$daemon_owner.json"
    else
        daemon_record ""
    fi
    cp "$DAEMON_CHANGE/words" "$daemon_words" 2>/dev/null || :
    daemon_forget
    rmdir "$DAEMON_HOME" "$(dirname "$DAEMON_HOME")" 2>/dev/null || :
    if [ "$daemon_back" = no ]; then
        fail DAEMON_NOT_RUNNING "$daemon_why, and the daemon does not run with the old configuration either" "$daemon_words"
    fi
    fail DAEMON_CONFIG_FAILED "$daemon_why. Everything is as it was before" "$daemon_words"
}

# daemon_restore_file: daemon.json as it was, after the others.
daemon_restore_file() {
    if [ -e "$DAEMON_CHANGE/original" ]; then
        daemon_put "$DAEMON_FILE" 0644 "$DAEMON_CHANGE/original" && touch -r "$DAEMON_CHANGE/original" "$(daemon_real "$DAEMON_FILE")"
    else
        rm -f "$(daemon_real "$DAEMON_FILE")"
    fi
}

# daemon_recover: ends what a killed change has left, so that the next plan is made from what is there.
daemon_recover() {
    [ ! -e "$DAEMON_CHANGE/over" ] || daemon_forget
    [ -e "$DAEMON_CHANGE/begun" ] || return 0
    phase "putting back what an interrupted change left behind"
    if [ -e "$DAEMON_CHANGE/loading" ]; then daemon_loaded=yes; fi
    if [ -e "$DAEMON_CHANGE/interim" ]; then daemon_interim=$DAEMON_CHANGE/interim; fi
    if grep -q '^/etc/systemd/' "$DAEMON_CHANGE/touched"; then daemon_units=yes; fi
    if ! daemon_alive; then
        daemon_restarted=yes
    elif [ "$(unit_property docker.service InvocationID)" = "$(cat "$DAEMON_CHANGE/begun")" ]; then
        daemon_units_now
    elif [ "$daemon_units" = yes ] || [ -e "$DAEMON_CHANGE/restored" ]; then
        daemon_restarted=yes
    else
        # It has started with the file that is there now. Nothing is gained by one more restart.
        daemon_loaded=no
        rm -f "$DAEMON_READ".*
        if [ -e "$DAEMON_FILE" ]; then cp "$DAEMON_FILE" "$DAEMON_READ.json"; else echo '{}' >"$DAEMON_READ.json"; fi
        unit_property docker.service InvocationID >"$DAEMON_READ.invocation"
    fi
    [ "$daemon_restarted" = no ] || daemon_sockets=yes
    daemon_as_before
    [ "$daemon_units" = no ] || daemon_units_now
    daemon_forget
    fact changed "$DAEMON_FILE"
    exit 0
}

# daemon_validate: what dockerd itself says of the file, started as the unit starts it.
daemon_validate() {
    [ -s "$DAEMON_CHANGE/dockerd" ] || return 0
    set --
    while read -r daemon_word; do set -- "$@" "$daemon_word"; done <"$DAEMON_CHANGE/dockerd"
    timeout -k 2 60 "$@" --validate --config-file="$DAEMON_CHANGE/candidate" >"$daemon_words" 2>&1 && return 0
    daemon_reason="dockerd refuses the configuration"
    return 1
}

# daemon_do_step: the files of a step, and its action.
daemon_do_step() {
    daemon_files=$DAEMON_CHANGE/$daemon_step.files
    while IFS="$tab" read -r daemon_verb daemon_path daemon_mode daemon_source; do
        # What the file names, such as certificates, has come before it.
        if [ "$daemon_late" = yes ] && [ "$daemon_step$daemon_path" = "$daemon_steps$DAEMON_FILE" ]; then daemon_validate || return 1; fi
        daemon_reason="$daemon_path could not be written"
        if [ "$daemon_verb" = put ]; then
            daemon_put "$daemon_path" "$daemon_mode" "$daemon_source" || return 1
        else
            rm -f "$(daemon_real "$daemon_path")" 2>"$daemon_words" || return 1
        fi
    done <"$daemon_files"
    read -r daemon_action daemon_keep <"$DAEMON_CHANGE/$daemon_step.action"
    case $daemon_action in
    reload)
        phase "reloading the daemon's configuration"
        daemon_reason="$DAEMON_CHANGE/loading could not be written"
        true 2>"$daemon_words" >"$DAEMON_CHANGE/loading" || return 1
        daemon_loaded=yes
        daemon_reload "$DAEMON_CHANGE/$daemon_step.expect" || return 1
        [ "$daemon_step" != "$daemon_steps" ] || return 0
        daemon_reason="$DAEMON_CHANGE/interim could not be written"
        cp "$DAEMON_FILE" "$DAEMON_CHANGE/interim.new" 2>"$daemon_words" || return 1
        daemon_interim=$DAEMON_CHANGE/interim
        mv -f "$daemon_interim.new" "$daemon_interim"
        ;;
    none) daemon_units_now ;;
    restart | sockets)
        [ "$daemon_action" = restart ] || daemon_sockets=yes
        phase "restarting the daemon"
        daemon_restart || return 1
        daemon_survivors "$daemon_keep" || return 1
        ;;
    esac
}

daemon_loaded=no
daemon_record_end=
daemon_steps=0

# daemon_refuse WHY: ends before anything was touched.
daemon_refuse() {
    rm -rf "$DAEMON_CHANGE"
    rmdir "$DAEMON_OWNERS" "$DAEMON_HOME" "$(dirname "$DAEMON_HOME")" 2>/dev/null || :
    fail DAEMON_CONFIG_FAILED "$1. Nothing was changed" "$daemon_words"
}

daemon_recover
rm -rf "$DAEMON_CHANGE"
mkdir -p "$DAEMON_CHANGE" "$DAEMON_OWNERS" 2>"$daemon_words" || daemon_refuse "$DAEMON_CHANGE could not be made"

# daemon_stage FILE CONTENT: into the change's directory. A full disk shows here, before anything was touched.
daemon_stage() {
    printf '%s' "$2" | base64 -d 2>"$daemon_words" >"$DAEMON_CHANGE/$1" || daemon_refuse "$DAEMON_CHANGE/$1 could not be written"
}

# "true", not ":", since a shell ends when a redirection of ":" fails.
true >"$DAEMON_CHANGE/touched" 2>"$daemon_words" || daemon_refuse "$DAEMON_CHANGE/touched could not be written"
while [ $# -gt 0 ]; do
    case $1 in
    owner)
        daemon_owner=$2 daemon_record_begin=$3 daemon_record_end=$4
        shift 4
        ;;
    loaded)
        daemon_stage loaded "$2"
        shift 2
        ;;
    guard)
        if [ "$(daemon_sum "$2")" != "$3" ]; then
            rm -rf "$DAEMON_CHANGE"
            fact changed "$2"
            exit 0
        fi
        shift 3
        ;;
    validate)
        daemon_stage candidate "$2"
        daemon_count=$3
        shift 3
        true >"$DAEMON_CHANGE/dockerd"
        while [ "$daemon_count" -gt 0 ]; do
            printf '%s\n' "$1" >>"$DAEMON_CHANGE/dockerd"
            shift
            daemon_count=$((daemon_count - 1))
        done
        ;;
    step)
        daemon_steps=$((daemon_steps + 1))
        printf '%s %s\n' "$2" "$3" >"$DAEMON_CHANGE/$daemon_steps.action"
        true >"$DAEMON_CHANGE/$daemon_steps.files"
        daemon_number=0
        shift 3
        ;;
    put)
        daemon_number=$((daemon_number + 1))
        daemon_stage "$daemon_steps.$daemon_number" "$4"
        printf 'put\t%s\t%s\t%s\n' "$2" "$3" "$DAEMON_CHANGE/$daemon_steps.$daemon_number" >>"$DAEMON_CHANGE/$daemon_steps.files"
        printf '%s\n' "$2" >>"$DAEMON_CHANGE/touched"
        shift 4
        ;;
    drop)
        printf 'drop\t%s\t-\t-\n' "$2" >>"$DAEMON_CHANGE/$daemon_steps.files"
        printf '%s\n' "$2" >>"$DAEMON_CHANGE/touched"
        shift 2
        ;;
    expect)
        printf '%s %s\n' "$2" "$3" >>"$DAEMON_CHANGE/$daemon_steps.expect"
        shift 3
        ;;
    undo)
        daemon_stage undo "$2"
        shift 2
        ;;
    *) fail REMOTE_COMMAND_FAILED "apply.sh does not know the word $1" ;;
    esac
done

if grep -q '^/etc/systemd/' "$DAEMON_CHANGE/touched"; then daemon_units=yes; fi
daemon_late=no
if grep -v '^/etc/systemd/' "$DAEMON_CHANGE/touched" | grep -qvxF "$DAEMON_FILE"; then daemon_late=yes; fi
if [ "$daemon_late" = no ] && ! daemon_validate; then daemon_refuse "$daemon_reason"; fi
true >"$DAEMON_CHANGE/containers"
if unit_active docker.service; then daemon_containers >"$DAEMON_CHANGE/containers" || :; fi
if [ -e "$DAEMON_FILE" ]; then
    cp -p "$DAEMON_FILE" "$DAEMON_CHANGE/original" 2>"$daemon_words" ||
        daemon_refuse "$DAEMON_FILE could not be copied"
    # The file as people left it, kept once.
    [ -e "$DAEMON_HOME/before.json" ] || cp -p "$DAEMON_FILE" "$DAEMON_HOME/before.json"
fi
if [ -e "$DAEMON_OWNERS/$daemon_owner.json" ]; then cp -p "$DAEMON_OWNERS/$daemon_owner.json" "$DAEMON_CHANGE/record"; fi
# From here on a change is under way, also if this script is killed.
unit_property docker.service InvocationID >"$DAEMON_CHANGE/beginning" || daemon_refuse "$DAEMON_CHANGE/begun could not be written"
mv -f "$DAEMON_CHANGE/beginning" "$DAEMON_CHANGE/begun"
while read -r daemon_path; do
    daemon_reason="$daemon_path could not be kept"
    daemon_keep "$daemon_path" || daemon_give_up
done <"$DAEMON_CHANGE/touched"
daemon_reason="the record of the resource could not be written"
daemon_record "$daemon_record_begin" 2>"$daemon_words" || daemon_give_up

while [ "$daemon_step" -lt "$daemon_steps" ]; do
    daemon_step=$((daemon_step + 1))
    daemon_do_step || daemon_give_up
done

if [ -e "$DAEMON_CHANGE/loaded" ] && unit_active docker.service; then
    mv -f "$DAEMON_CHANGE/loaded" "$DAEMON_READ.json"
    unit_property docker.service InvocationID >"$DAEMON_READ.invocation"
fi
daemon_forget
daemon_record "$daemon_record_end"
rmdir "$DAEMON_HOME" "$(dirname "$DAEMON_HOME")" 2>/dev/null || :
umask 022
machine_facts
daemon_facts
