# remove.sh INSTANCE: takes our settings away. Doing it twice is fine. Settings that another instance has taken over stay.
sshd_words=$(mktemp)
trap 'rm -f "$sshd_words"' EXIT
sshd_find
sshd_lock
sshd_instance=$(sed -n 2p "$SSHD_STATE/owner" 2>/dev/null)
if [ -n "$sshd_instance" ] && [ "$sshd_instance" != "$1" ]; then exit 0; fi
if [ -e "$SSHD_STATE/owner" ] || [ -e "$SSHD_STATE/armed" ] || [ -e "$SSHD_DROP_IN" ] || grep -qxF "$SSHD_BEGIN" "$sshd_main"; then
    phase "taking the SSH server's settings back"
    # A change that was not confirmed keeps its own way back, to before it.
    [ -e "$SSHD_STATE/armed" ] || sshd_remember
    rm -f "$SSHD_DROP_IN"
    sshd_set_block ""
    sshd_test "$sshd_words" || {
        sshd_restore
        fail SSHD_CONFIG_INVALID "sshd refuses its configuration; nothing was changed" "$sshd_words"
    }
    sshd_reload || fail REMOTE_COMMAND_FAILED "the SSH server did not reload its configuration"
fi
rm -f "$SSHD_STATE/owner"
sshd_disarm
