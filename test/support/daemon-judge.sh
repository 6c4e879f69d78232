#!/bin/sh
# daemon-judge.sh keys|reload: asks this machine's dockerd about files in /run/judge. The machine's own daemon has to be stopped.
#   keys/KEY.json    "key KEY EXIT-CODE LAST-WORDS" for each: by --validate where there is one, else by a start
#   reload/N.json    N = 0, 1, 2: a daemon starts with 0 and reloads each in turn: "config N JSON", what it says that it has then;
#                    "diagnostic N PORT", where it serves diagnostics
cd /run/judge || exit 1

# begin FILE: a daemon with that file, in the background, with its log in $log.
log=/run/judge/log
begin() {
    dockerd --config-file "$1" >"$log" 2>&1 &
    pid=$!
    tries=0
    until docker -H unix:///run/judge/socket version >/dev/null 2>&1; do
        tries=$((tries + 1))
        { kill -0 "$pid" 2>/dev/null && [ "$tries" -lt 300 ]; } || return 1
        sleep 0.1
    done
}

finish() {
    kill "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
}

words() { grep -v level=warning "$log" | tail -n 1 | tr '\t' ' '; }

judge_keys() {
    if dockerd --help 2>&1 | grep -q -e --validate; then validates=yes; else validates=no; fi
    for file in keys/*.json; do
        key=$(basename "$file" .json)
        if [ "$validates" = yes ]; then
            timeout -k 2 30 dockerd --validate --config-file "$file" >"$log" 2>&1
            code=$?
        elif begin "$file"; then
            code=0
        else
            code=1
        fi
        [ "$validates" = yes ] || finish
        printf 'key\t%s\t%s\t%s\n' "$key" "$code" "$(words)"
    done
}

judge_reloads() {
    cp reload/0.json current.json
    if ! begin current.json; then
        printf 'failed\t%s\n' "$(words)"
        return
    fi
    for n in 0 1 2; do
        cp "reload/$n.json" current.json
        lines=$(grep -c 'Reloaded configuration' "$log")
        kill -HUP "$pid"
        tries=0
        until [ "$(grep -c 'Reloaded configuration' "$log")" -gt "$lines" ]; do
            tries=$((tries + 1))
            [ "$tries" -lt 100 ] || break
            sleep 0.1
        done
        # The one key that it acts on at once, and does not tell: port 2000.
        sleep 0.3
        if grep -q ':07D0 [0-9A-F]*:0000 0A' /proc/net/tcp /proc/net/tcp6; then port=2000; else port=0; fi
        printf 'diagnostic\t%s\t%s\n' "$n" "$port"
        printf 'config\t%s\t%s\n' "$n" "$(grep 'Reloaded configuration' "$log" | tail -n 1)"
        grep -E 'unable to configure|rror re' "$log" | tail -n 1 | sed "s/^/error\t$n\t/"
    done
    finish
}

case $1 in
keys) judge_keys ;;
reload) judge_reloads ;;
esac
