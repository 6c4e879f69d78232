# stage.sh USER KEYWORDS TEXT OWNER INSTANCE TOKEN SECONDS UNDO: writes our settings without making them live.
#   TEXT     the settings                OWNER, INSTANCE  whose they are, for the record
#   SECONDS  until the machine undoes it by itself, unless it is confirmed with TOKEN
#   UNDO     the text of the script that does so
sshd_words=$(mktemp)
trap 'rm -f "$sshd_words"' EXIT
sshd_find
sshd_lock
phase "arming the undo of the SSH server's new settings"
sshd_arm "$6" "$7" "$8"
phase "writing the SSH server's settings"
sshd_set "$(sshd_place "$2")" "$3"
printf '%s\n' "$4" "$5" | sshd_put "$SSHD_STATE/owner" || exit 1
if ! sshd_test "$sshd_words"; then
    sshd_undo
    fail SSHD_CONFIG_INVALID "sshd refuses the configuration; ours was taken back" "$sshd_words"
fi
sshd_facts "$1" "$2"
