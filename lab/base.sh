#!/bin/sh
# Builds the base tree of one Debian release: base.sh RELEASE TARGET MIRROR SECURITY_MIRROR APT_PROXY
# (the last two may be empty). The caller holds the lock and gives this process a mount namespace of its own, so that
# whatever is mounted here is gone with the process, however it ends. TARGET appears only when it is complete.
set -eu
release=$1 target=$2 mirror=$3 security=$4 proxy=$5
export LC_ALL=C DEBIAN_FRONTEND=noninteractive PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
include=systemd,systemd-sysv,dbus,libpam-systemd,openssh-server,sudo,iproute2,ca-certificates,curl,iptables,procps

[ ! -e "$target" ] || exit 0
tree=$target.building
rm -rf "$tree"
mkdir -p "$tree/etc/dpkg/dpkg.cfg.d"
# A tree that is thrown away when anything fails needs no fsync per file.
echo force-unsafe-io > "$tree/etc/dpkg/dpkg.cfg.d/lab"
debootstrap --variant=minbase --include="$include" "$release" "$tree" "$mirror"
rm "$tree/etc/dpkg/dpkg.cfg.d/lab"

case $release in
    sid) echo "deb $mirror sid main" ;;
    *)
        echo "deb $mirror $release main"
        echo "deb $mirror $release-updates main"
        [ -z "$security" ] || echo "deb $security $release-security main"
        ;;
esac > "$tree/etc/apt/sources.list"
# Mirrors that stand still for longer than a Release file says are fine for a lab.
{
    echo 'Acquire::Languages "none";'
    echo 'Acquire::Check-Valid-Until "false";'
    echo 'Acquire::Check-Date "false";'
    [ -z "$proxy" ] || printf 'Acquire::http::Proxy "%s";\n' "$proxy"
} > "$tree/etc/apt/apt.conf.d/90lab"

mount -t proc proc "$tree/proc"
mount --bind /dev "$tree/dev"
cp -L /etc/resolv.conf "$tree/etc/resolv.conf"
echo "I: Updating the package lists"
chroot "$tree" apt-get -q update
# Hosts find the packages they are most often asked for on their own disk; apt still verifies and unpacks them.
echo "I: Downloading docker.io"
chroot "$tree" apt-get -q -y --download-only install docker.io
umount "$tree/dev" "$tree/proc"

echo "I: Adding logins and network"
chroot "$tree" useradd -m -s /bin/bash admin
chroot "$tree" useradd -m -s /bin/bash ops
# A password of "*" is not a locked account: sshd lets such a user in by key.
chroot "$tree" usermod -p '*' ops
chroot "$tree" usermod -p '*' root
echo 'admin:lab-pass' | chroot "$tree" chpasswd
echo 'admin ALL=(ALL:ALL) ALL' > "$tree/etc/sudoers.d/lab-admin"
echo 'ops ALL=(ALL:ALL) NOPASSWD: ALL' > "$tree/etc/sudoers.d/lab-ops"
chmod 0440 "$tree/etc/sudoers.d/lab-admin" "$tree/etc/sudoers.d/lab-ops"

cat > "$tree/usr/local/sbin/lab-net" <<'FILE'
#!/bin/sh
. /etc/lab-net.conf
ip link set lo up
ip addr replace "$ADDRESS/24" dev host0
ip link set host0 up
ip route replace default via "$GATEWAY"
FILE
chmod 0755 "$tree/usr/local/sbin/lab-net"
cat > "$tree/etc/systemd/system/lab-net.service" <<'FILE'
[Unit]
Description=Static address of the lab host
DefaultDependencies=no
Before=network.target network-online.target ssh.service
Wants=network.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/lab-net

[Install]
WantedBy=multi-user.target
FILE
mkdir -p "$tree/etc/systemd/system/multi-user.target.wants"
ln -s ../lab-net.service "$tree/etc/systemd/system/multi-user.target.wants/lab-net.service"
# No modules to load and no networkd to wait for in here, and no timers that hold the package locks at random moments.
for unit in systemd-modules-load.service systemd-networkd.service systemd-networkd.socket \
    systemd-networkd-wait-online.service apt-daily.timer apt-daily-upgrade.timer; do
    ln -sf /dev/null "$tree/etc/systemd/system/$unit"
done
rm -f "$tree"/etc/ssh/ssh_host_* "$tree/var/lib/dbus/machine-id"
: > "$tree/etc/machine-id"

mv "$tree" "$target"
