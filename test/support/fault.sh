#!/bin/sh
# Stands in for a command that a script of ours runs (installed under the command's name in /usr/local/sbin). When the
# command line is the one that /run/fault/at describes, for once, it does what /run/fault/do says:
#   kill                 the script and all that it runs are killed
#   kill later           the same half a second after the command has begun, which goes on
#   close                the server ends the connection; the command follows then
#   wait                 the command follows when /run/fault/go appears
name=${0##*/}
command=/usr/bin/$name
[ -e /run/fault/at ] || exec "$command" "$@"
printf '%s %s\n' "$name" "$*" | grep -qsE -f /run/fault/at || exec "$command" "$@"
/usr/bin/mv /run/fault/at /run/fault/reached 2>/dev/null || exec "$command" "$@"

# parent PID
parent() { sed -n 's/^PPid:\t//p' "/proc/$1/status"; }

# The outermost shell of the script, which holds the lock, and the server's process above it.
script=$$
while above=$(parent "$script"); do
    case $(cat "/proc/$above/comm") in
    sh | dash | bash | sudo | timeout) script=$above ;;
    *) break ;;
    esac
done

# end PID: kills it and all below, from the top.
end() {
    kill -s STOP "$1" 2>/dev/null
    children=$(cat "/proc/$1/task/$1/children")
    set -- "$1" "$children"
    for child in $2; do [ "$child" = $$ ] || end "$child"; done
    kill -s KILL "$1"
}

case $(cat /run/fault/do) in
kill)
    end "$script"
    exit 1
    ;;
"kill later")
    setsid "$command" "$@" >/dev/null 2>&1 &
    sleep 0.5
    end "$script"
    exit 1
    ;;
close) kill -s KILL "$above" ;;
wait) while [ ! -e /run/fault/go ]; do sleep 0.1; done ;;
esac
exec "$command" "$@"
