#!/bin/sh
# Prepares a lab host for test/lab/ways-in.test.ts: ways-in.sh PASSWORD PUBLIC_KEY. One user for each way in, so that no way
# disturbs another; all have the password, and the lab's key unless the way is another one.
set -eu
password=$1 public_key=$2

# user NAME [SUDOERS]: who may become root only as SUDOERS says
user() {
    useradd -m -s /bin/bash "$1"
    echo "$1:$password" | chpasswd
    mkdir -m 0700 "/home/$1/.ssh"
    cp /root/.ssh/authorized_keys "/home/$1/.ssh/authorized_keys"
    chown -R "$1:" "/home/$1/.ssh"
    if [ -n "${2-}" ]; then
        printf '%s\n' "$2" >"/etc/sudoers.d/$1"
        chmod 0440 "/etc/sudoers.d/$1"
    fi
}

echo "$public_key" >>/root/.ssh/authorized_keys
user keyboard 'keyboard ALL=(ALL:ALL) ALL'
user factors 'factors ALL=(ALL:ALL) ALL'
user norights
user usepty 'Defaults:usepty use_pty
usepty ALL=(ALL:ALL) ALL'
user needstty 'Defaults:needstty requiretty
needstty ALL=(ALL:ALL) ALL'

user rsfree 'rsfree ALL=(ALL:ALL) NOPASSWD: ALL'
user rspass 'rspass ALL=(ALL:ALL) ALL'
user doasfree
user doaspass
user bare
user notty 'Defaults:notty requiretty
notty ALL=(ALL:ALL) ALL'
echo "root:root-$password" | chpasswd

export DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get -q -y install opendoas
# Not in bookworm.
apt-get -q -y install sudo-rs || true
printf 'permit nopass doasfree as root\npermit doaspass as root\n' >/etc/doas.conf

cat >/etc/ssh/sshd_config.d/10-ways-in.conf <<'FILE'
Port 22
Port 2222
KbdInteractiveAuthentication yes
Match User keyboard
    PasswordAuthentication no
    PubkeyAuthentication no
Match User factors
    AuthenticationMethods publickey,password
# Where sudo-rs has the name sudo.
Match User rsfree,rspass
    SetEnv PATH=/usr/lib/cargo/bin:/usr/bin:/bin
Match User bare
    SetEnv PATH=/nonexistent
Match User notty
    PermitTTY no
Match all
FILE
sshd -t
systemctl restart ssh.service
