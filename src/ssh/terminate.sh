#!/bin/sh
# Ends the script that runs as process $1 with everything it started in its group: TERM, and KILL after two seconds.
pid=$1
[ -r "/proc/$pid/stat" ] || exit 0
# The fourth field is the parent, the fifth the process group; the second, "(sh)", holds no blank.
field() { cut -d ' ' -f "$2" "/proc/$1/stat" 2>/dev/null; }
is_sudo() { [ "$(cat "/proc/$1/comm" 2>/dev/null)" = sudo ]; }
group=$(field "$pid" 5)
[ "${group:-0}" -gt 1 ] || exit 1
sudos=
parent=$(field "$pid" 4)
while is_sudo "$parent"; do
    sudos="$sudos $parent"
    parent=$(field "$parent" 4)
done
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
# A sudo with use_pty (1.9.13) spins for ever when it has input left over for what was killed.
sleep 0.2
for sudo in $sudos; do
    ! is_sudo "$sudo" || kill -s KILL "$sudo" 2>/dev/null
done
exit 0
