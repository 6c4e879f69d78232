# why.sh SINCE: what the SSH server said since that second, about logins.
words='sshd\[\|sshd-session\[\|sshd-auth\['
if command -v journalctl >/dev/null 2>&1 && [ -d /run/systemd/system ]; then
    # It may take the journal a moment to have the last lines.
    journalctl --sync >/dev/null 2>&1 || :
    journalctl -q --no-pager -o short --since "@$1" -t sshd -t sshd-session -t sshd-auth 2>/dev/null
else
    for file in /var/log/auth.log /var/log/secure /var/log/messages; do
        [ ! -r "$file" ] || tail -n 100 "$file" | grep "$words"
    done
fi | grep -v 'pam_unix(\|Accepted \|Server listening\|Received signal' | sed "s/^.*\($words\)[0-9]*\]: //" | tail -n 12
