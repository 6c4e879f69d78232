# observe.sh USER KEYWORDS: how sshd is configured, for logins of USER and root from where we are. Changes nothing.
sshd_words=$(mktemp)
trap 'rm -f "$sshd_words"' EXIT
machine_facts
sshd_find
sshd_facts "$1" "$2"
