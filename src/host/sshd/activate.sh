# activate.sh TOKEN: makes what stage.sh has written live.
sshd_find
sshd_lock
sshd_armed "$1" || fail HARDENING_UNDONE "the machine has undone the settings already, or another run has taken over"
phase "reloading the SSH server"
sshd_reload || {
    sshd_undo
    fail HARDENING_UNDONE "the SSH server did not reload its configuration; the settings were taken back"
}
