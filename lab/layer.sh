#!/bin/sh
# Builds a tree with more packages on top of a base tree: layer.sh BASE TARGET PACKAGE...
# Lock, mount namespace and completeness are as in base.sh. TARGET holds only what differs from BASE.
set -eu
base=$1 target=$2
shift 2
export LC_ALL=C DEBIAN_FRONTEND=noninteractive PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

[ ! -e "$target" ] || exit 0
work=$target.building
rm -rf "$work"
mkdir -p "$work/upper" "$work/work" "$work/root"
root=$work/root
mount -t overlay overlay -o "lowerdir=$base,upperdir=$work/upper,workdir=$work/work" "$root"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
# Nothing may be started in here: there is no init.
printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
chmod 0755 "$root/usr/sbin/policy-rc.d"
echo "I: Updating the package lists"
chroot "$root" apt-get -q update
echo "I: Installing $*"
chroot "$root" apt-get -q -y install "$@"
rm "$root/usr/sbin/policy-rc.d"
umount "$root/dev" "$root/proc" "$root"
mv "$work/upper" "$target"
rm -rf "$work"
