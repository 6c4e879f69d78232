#!/bin/sh
# Ends the script that runs as process $1 with everything it started in its group: TERM, and KILL after two seconds.
pid=$1
[ -r "/proc/$pid/stat" ] || exit 0
# The fifth field is the process group; the second, "(sh)", holds no blank.
group=$(cut -d ' ' -f 5 "/proc/$pid/stat")
[ "${group:-0}" -gt 1 ] || exit 1
kill -s TERM -- "-$group" || exit 1
tries=0
while kill -s 0 -- "-$group" 2>/dev/null; do
    [ "$tries" -lt 20 ] || {
        kill -s KILL -- "-$group"
        break
    }
    sleep 0.1
    tries=$((tries + 1))
done
