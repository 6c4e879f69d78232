# undo.sh TOKEN|boot: undoes the change that is armed with TOKEN; at boot any. Also the script that a machine keeps and runs
# by itself when nobody confirms.
sshd_find
sshd_lock
if [ -e "$SSHD_STATE/armed" ] && { [ "$1" = boot ] || sshd_armed "$1"; }; then
    sshd_undo "$1" || fail REMOTE_COMMAND_FAILED "the SSH server did not reload its former settings"
    say "The SSH server's former settings are back: the change was not confirmed."
fi
