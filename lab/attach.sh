#!/bin/sh
# Connects a host's link to the bridge the way its files say: attach.sh DIRECTORY NAME CGROUP BRIDGE
#   DIRECTORY/delay  holds the milliseconds that are added to the round trip, and the percentage of frames that are lost (no file: none)
#   DIRECTORY/cut    exists while the link is cut
# The kernel's own way to delay (netem) is missing from many kernels; frames go through a program instead.
set -eu
here=$(dirname "$0")
directory=$1 name=$2 cgroup=$3 bridge=$4
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
link=pd-$name tap=pt-$name

if [ -e "$directory/delay.pid" ]; then
    pid=$(cat "$directory/delay.pid")
    if grep -q "^$tap\$" "/proc/$pid/comm" 2> /dev/null; then kill "$pid"; fi
    rm "$directory/delay.pid"
    tries=0
    while [ -e "/sys/class/net/$tap" ]; do
        [ "$tries" -lt 250 ] || { echo "$tap does not go away" >&2 && exit 1; }
        sleep 0.02 && tries=$((tries + 1))
    done
fi

offload() { # on|off: whole segments and unfinished checksums cannot go through the program
    leader=$(cut -d' ' -f1 "/proc/$(cat "$directory/pid")/task/$(cat "$directory/pid")/children")
    nsenter -t "$leader" -n ethtool -K host0 tx "$1" tso "$1" gso "$1" > /dev/null
}

if [ -e "$directory/delay" ]; then
    # Outside the bridge the link would be an interface of this machine, which answers the host without any delay.
    ip link set "$link" nomaster arp off
    if [ -e "/proc/sys/net/ipv6/conf/$link" ]; then echo 1 > "/proc/sys/net/ipv6/conf/$link/disable_ipv6"; fi
    offload off
    : > "$directory/offload-off"
    ip link set "$link" up
    # It lives in the host's control group and dies with the host.
    echo $$ > "$cgroup/run/cgroup.procs"
    read -r ms loss < "$directory/delay"
    setsid perl "$here/delay.pl" "$link" "$tap" "$ms" "$loss" < /dev/null >> "$directory/console" 2>&1 &
    echo $! > "$directory/delay.pid"
    tries=0
    while [ ! -e "/sys/class/net/$tap" ] && [ "$tries" -lt 250 ]; do sleep 0.02 && tries=$((tries + 1)); done
    ip link set "$tap" master "$bridge" up
else
    ip link set "$link" arp on master "$bridge" up
    if [ -e "$directory/offload-off" ]; then
        offload on
        rm "$directory/offload-off"
    fi
fi
if [ -e "$directory/cut" ]; then ip link set "$link" down; fi
