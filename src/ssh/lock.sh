#!/bin/sh
# fleet_lock MARK HOLDER SECONDS: takes the lock of the machine on descriptor 9, or ends the shell.
# Talks to the caller in lines that begin with MARK: "waiting WHO", "locked WHO", "unavailable", "begin".
# /run, unlike /run/lock, is writable by root alone, and the file is private: nobody else can hold it to block us.
fleet_lock() {
    fleet_file=/run/pulumi-docker-fleet.lock
    if ! command -v flock >/dev/null 2>&1; then
        printf '%s unavailable\n' "$1"
        exit 1
    fi
    umask 077
    exec 9<>"$fleet_file"
    umask 022
    fleet_waited=0
    until flock -n 9; do
        if [ "$fleet_waited" -ge "$3" ]; then
            printf '%s locked %s\n' "$1" "$(cat "$fleet_file")"
            exit 1
        fi
        # Printed every second: when nobody listens any more, the pipe breaks and ends this shell, and no change begins
        # that its caller has long given up.
        printf '%s waiting %s\n' "$1" "$(cat "$fleet_file")" || exit 1
        sleep 1
        fleet_waited=$((fleet_waited + 1))
    done
    printf '%s, since %s\n' "$2" "$(date -u '+%Y-%m-%d %H:%M:%S UTC')" >"$fleet_file"
    printf '%s begin\n' "$1" || exit 1
}
