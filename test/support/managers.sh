#!/bin/sh
# Makes a lab host a machine of another family: managers.sh COMMAND
#   build           makes packages of what Debian's sshfs consists of, and takes it away
#   become FAMILY   fedora, suse or arch: what it is called, and its package manager in place of apt; its repository is empty
#   offer           what was built comes into the repository
#   spoil           the repository still names the packages, and has lost them
#   hold COMMAND... somebody else is at the package manager, in the middle of a package; until "release"
#   ask COMMAND...  pacman before a question that nobody answers; until "release"
#   release         lets them come to their end
set -eu
offer=/opt/offer

# rpm_of NAME [REST OF ITS SPEC]
rpm_of() {
    printf '%s\n' "Name: $1" "Version: 1" "Release: 1" "Summary: $1" "License: GPL" "AutoReqProv: no" "${2:-%description}" >"$offer/$1.spec"
    rpmbuild -bb --quiet --define "_rpmdir $offer/rpms" --define '_build_id_links none' --define '__strip /bin/true' \
        --define 'debug_package %{nil}' "$offer/$1.spec" >"$offer/$1.log" 2>&1 || { cat "$offer/$1.log" && exit 1; }
}

build() {
    mkdir -p "$offer/root" "$offer/rpms" "$offer/repository" /opt/aside
    dpkg -L sshfs | grep bin/ | tar -C / -cf - -T - 2>/dev/null | tar -C "$offer/root" -xf -
    dpkg --purge sshfs >/dev/null
    sshfs="%description
%install
cp -a $offer/root/. %{buildroot}
%files
/usr/bin/sshfs
/usr/sbin/mount.*"
    rpm_of fuse-sshfs "$sshfs"
    rpm_of sshfs "$sshfs"
    # Debian has had it in the user's home.
    mkdir -p /etc/rpm && echo '%_dbpath /var/lib/rpm' >/etc/rpm/macros
    # What zypper and the script of "slow" take for the base system.
    rpm_of base-system "Provides: glibc, /bin/sh
%description
%files"
    rpm_of slow "%description
%pre
touch /run/held
until [ -e /run/go ]; do sleep 0.2; done
%files"
    rpm -i "$offer"/rpms/*/base-system*.rpm
    command -v bsdtar >/dev/null || return 0
    printf '%s = %s\n' pkgname sshfs pkgver 1-1 pkgdesc sshfs url - builddate 1 packager - size 1 arch "$(uname -m)" license GPL >"$offer/root/.PKGINFO"
    bsdtar -C "$offer/root" --zstd -cf "$offer/sshfs-1-1-$(uname -m).pkg.tar.zst" .PKGINFO usr
}

become() {
    for tool in apt-get apt dnf zypper pacman; do
        [ ! -e "/opt/aside/$tool" ] || mv "/opt/aside/$tool" /usr/bin
    done
    rm -rf /etc/os-release /etc/yum.repos.d/* /etc/zypp/repos.d/* /var/lib/pacman/sync "$offer/repository"
    mkdir -p /etc/yum.repos.d /etc/zypp/repos.d "$offer/repository"
    case $1 in
    fedora) printf 'NAME="Lab Linux"\nPRETTY_NAME="Lab Linux 9"\nID=lab\nID_LIKE="rhel fedora"\n' >/etc/os-release && hidden="apt-get apt pacman" ;;
    # On openSUSE people have dnf, too.
    suse) printf 'PRETTY_NAME="openSUSE Lab"\nID=opensuse-lab\nID_LIKE="suse opensuse"\n' >/etc/os-release && hidden="apt-get apt pacman" ;;
    arch) printf 'PRETTY_NAME="Arch Linux"\nID=arch\n' >/etc/os-release && hidden="apt-get apt dnf zypper" ;;
    esac
    for tool in $hidden; do
        [ ! -e "/usr/bin/$tool" ] || mv "/usr/bin/$tool" /opt/aside
    done
    [ -e /usr/bin/dnf ] || [ ! -e /usr/bin/dnf5 ] || ln -s dnf5 /usr/bin/dnf
    if [ "$1" = arch ]; then
        printf '[options]\nArchitecture = auto\n[offer]\nSigLevel = Never\nServer = file://%s\n' "$offer/repository" >/etc/pacman.conf
        repo-add -q "$offer/repository/offer.db.tar.gz"
    else
        printf '[offer]\nname=offer\nbaseurl=file://%s\ngpgcheck=0\nenabled=1\n' "$offer/repository" |
            tee /etc/yum.repos.d/offer.repo >/etc/zypp/repos.d/offer.repo
        createrepo_c -q "$offer/repository"
    fi
}

offer() {
    cd "$offer/repository"
    if [ -d repodata ]; then
        cp "$offer"/rpms/*/*.rpm . && createrepo_c -q .
    else
        cp "$offer"/*.zst . && repo-add -q offer.db.tar.gz ./*.zst
    fi
}

spoil() { rm -f "$offer"/repository/*.rpm "$offer"/repository/*.zst /var/cache/pacman/pkg/*; }

hold() {
    release
    ! rpm -q slow >/dev/null || rpm -e slow
    rm -f /run/held /run/go
    setsid "$@" </dev/null >/run/holder.log 2>&1 &
    echo "$!" >/run/holder
    until [ -e /run/held ]; do
        kill -0 "$!" || { cat /run/holder.log && exit 1; }
        sleep 0.2
    done
}

ask() {
    {
        until [ -e /var/lib/pacman/db.lck ]; do sleep 0.1; done
        touch /run/held
        until [ -e /run/go ]; do sleep 0.2; done
        echo n
    } | "$@"
}

release() {
    touch /run/go
    [ ! -e /run/holder ] || while kill -0 "$(cat /run/holder)" 2>/dev/null; do sleep 0.2; done
    rm -f /run/holder
}

"$@"
