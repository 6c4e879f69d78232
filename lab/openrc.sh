#!/bin/sh
# Turns the tree of a lab host, with the packages of the layer "openrc" in it, into a machine that OpenRC runs, set up as Alpine and
# Gentoo are: openrc.sh ROOT. Debian's package of OpenRC brings none of its services; those here do what OpenRC's own of the
# same names do, and docker is run as Alpine's package runs it.
set -eu
root=$1

service() { # NAME RUNLEVEL, the text on stdin
    { echo '#!/usr/sbin/openrc-run' && cat; } > "$root/etc/init.d/$1"
    chmod 0755 "$root/etc/init.d/$1"
    [ -z "$2" ] || ln -s "/etc/init.d/$1" "$root/etc/runlevels/$2/$1"
}

# systemd-nspawn would take it for the init of this machine.
rm -f "$root/usr/lib/systemd/systemd"
ln -sf openrc-init "$root/usr/sbin/init"
for runlevel in sysinit boot default nonetwork; do
    find "$root/etc/runlevels/$runlevel" -mindepth 1 -delete
done
ln -s /etc/init.d/ssh "$root/etc/runlevels/default/ssh"
: > "$root/etc/fstab"

service localmount boot <<'FILE'
description="Mounts what /etc/fstab names of this machine."

depend() {
    provide root
}

start() {
    types=noproc
    for type in $net_fs_list $extra_net_fs_list; do types=$types,no$type; done
    ebegin "Mounting local filesystems"
    mount -a -t "$types" -O no_netdev
    eend $? "Some local filesystem failed to mount"
    return 0
}
FILE
# As on Alpine, in no runlevel from the beginning.
service netmount '' <<'FILE'
description="Mounts what /etc/fstab names of other machines."

depend() {
    need net
    after root
}

start() {
    ebegin "Mounting network filesystems"
    mount -a -O _netdev
    eend $? "Could not mount all network filesystems"
    return 0
}
FILE
service lab-net boot <<'FILE'
description="Static address of the lab host."

depend() {
    provide net
}

start() {
    ebegin "Configuring host0"
    /usr/local/sbin/lab-net
    eend $?
}
FILE
service cgroups sysinit <<'FILE'
description="Mounts the control groups."

# The mount that systemd-nspawn has made there lies hidden below its /sys.
start() {
    mount -t cgroup2 none /sys/fs/cgroup
}
FILE
service docker default <<'FILE'
supervisor=supervise-daemon
command=${DOCKERD_BINARY:-/usr/sbin/dockerd}
command_args=${DOCKER_OPTS:-}
DOCKER_LOGFILE=${DOCKER_LOGFILE:-/var/log/docker.log}
supervise_daemon_args="--stdout '$DOCKER_LOGFILE' --stderr '$DOCKER_LOGFILE'"
retry=${DOCKER_RETRY:-TERM/60/KILL/10}
extra_started_commands=reload

depend() {
    need cgroups
    after net firewall
}

start_pre() {
    checkpath -f -m 0644 -o root:docker "$DOCKER_LOGFILE"
}

reload() {
    ebegin "Reloading $RC_SVCNAME"
    $supervisor "$RC_SVCNAME" --signal HUP
    eend $?
}
FILE
