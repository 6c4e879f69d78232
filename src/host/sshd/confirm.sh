# confirm.sh TOKEN: the change stays.
sshd_lock
sshd_armed "$1" || fail HARDENING_UNDONE "the machine has undone the settings already, or another run has taken over"
sshd_disarm
