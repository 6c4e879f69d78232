#!/bin/sh
# One lab host, from power on to power off: host.sh DIRECTORY NAME ADDRESS GATEWAY LOWER PUBLIC_KEY CGROUP BRIDGE INIT
# The caller gives this process a session and a mount namespace of its own. It ends when the host is powered off.
set -eu
here=$(dirname "$0")
directory=$1 name=$2 address=$3 gateway=$4 lower=$5 public_key=$6 cgroup=$7 bridge=$8 init=$9
root=$directory/root
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# Everything of this host is in one control group, so that one write to it is the power cut.
echo $$ > "$cgroup/run/cgroup.procs"
# What systemd-nspawn leaves under /run goes with our mounts.
mkdir -p /run/systemd/nspawn
mount -t tmpfs tmpfs /run/systemd/nspawn
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$directory/upper,workdir=$directory/work" "$root"

if [ ! -e "$directory/prepared" ]; then
    echo "$name" > "$root/etc/hostname"
    printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$name" > "$root/etc/hosts"
    printf 'ADDRESS=%s\nGATEWAY=%s\n' "$address" "$gateway" > "$root/etc/lab-net.conf"
    rm -f "$root/etc/resolv.conf"
    # A resolver that listens on the machine's loopback is out of the host's reach; systemd-resolved tells its real ones.
    if grep -q '^nameserver 127\.' /etc/resolv.conf && [ -e /run/systemd/resolve/resolv.conf ]; then
        cp /run/systemd/resolve/resolv.conf "$root/etc/resolv.conf"
    else
        cp -L /etc/resolv.conf "$root/etc/resolv.conf"
    fi
    cp "$directory"/ssh_host_* "$root/etc/ssh/"
    for home in root home/admin home/ops; do
        mkdir -p "$root/$home/.ssh"
        chmod 0700 "$root/$home/.ssh"
        cp "$public_key" "$root/$home/.ssh/authorized_keys"
        chmod 0600 "$root/$home/.ssh/authorized_keys"
        chown -R --reference="$root/$home" "$root/$home/.ssh"
    done
    [ "$init" != openrc ] || sh "$here/openrc.sh" "$root"
    : > "$directory/prepared"
fi

devices=
for device in /dev/fuse /dev/autofs; do
    [ ! -e $device ] || devices="$devices --bind=$device"
done

while :; do
    # /var/lib/docker and /var/lib/containerd come from the disk itself: overlay2 cannot sit on an overlay.
    # shellcheck disable=SC2086 # a list of options without spaces in them
    sh -c 'echo $$ > "$1/host/cgroup.procs"; shift; exec "$@"' sh "$cgroup" \
        env SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 systemd-nspawn -q -b -D "$root" --machine="$name" --register=no --keep-unit \
        --network-veth-extra="pd-$name:host0" --capability=all \
        --system-call-filter='bpf keyctl add_key perf_event_open' $devices \
        --bind="$directory/docker:/var/lib/docker" --bind="$directory/containerd:/var/lib/containerd" \
        --resolv-conf=off --console=pipe < /dev/null &
    nspawn=$!
    echo "$nspawn" > "$directory/pid"
    tries=0
    while [ ! -e "/sys/class/net/pd-$name" ] && [ "$tries" -lt 500 ]; do sleep 0.02 && tries=$((tries + 1)); done
    sh "$here/attach.sh" "$directory" "$name" "$cgroup" "$bridge" || echo "the link could not be attached"
    code=0
    wait "$nspawn" || code=$?
    # With --keep-unit systemd-nspawn ends with 133 when the host asks for a reboot, and leaves that to us.
    [ "$code" = 133 ] || exit "$code"
    ip link delete "pd-$name" 2> /dev/null || true
done
