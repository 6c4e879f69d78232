#!/bin/sh
# On a lab host, a machine without systemd: processes of their own below a shell as the first one, an /etc/ssh, a /run and a
# /var/lib of their own, and an sshd on port 2222 that nobody looks after.
set -eu
rm -rf /root/bare
mkdir /root/bare
cp -pr /etc/ssh /root/bare/ssh
rm -f /root/bare/ssh/sshd_config.d/*
sed -i '1i Port 2222' /root/bare/ssh/sshd_config
# shellcheck disable=SC2016
exec unshare --mount --pid --fork --mount-proc sh -c '
    mount -t tmpfs -o mode=755 tmpfs /run
    mkdir -m 755 /run/sshd
    mount -t tmpfs -o mode=755 tmpfs /var/lib
    mount --bind /root/bare/ssh /etc/ssh
    /usr/sbin/sshd
    while :; do sleep 5; done
'
