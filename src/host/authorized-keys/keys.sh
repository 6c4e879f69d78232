# Where the keys of a user are, as the SSH server of this machine sees it.

# Our own keys on this machine, one line each, oldest first: LINEAGE INSTANCE USER TYPE BASE64, tab separated. By it the
# keys that a killed run has left are known. Public keys only.
KEYS_RECORD=/var/lib/pulumi-docker-fleet/ssh-keys

# find_session: sets keys_client ("ADDRESS PORT ADDRESS PORT", ours first) and keys_server (the command line of the sshd that
# let us in). Both are found among our ancestors; sudo hides the first, and sshd's own options can move the keys.
find_session() {
    keys_client='' keys_server=''
    keys_pid=$$
    while [ "${keys_pid:-1}" -gt 1 ]; do
        if [ -z "$keys_client" ]; then
            keys_client=$(tr '\0' '\n' 2>/dev/null <"/proc/$keys_pid/environ" | sed -n 's/^SSH_CONNECTION=//p')
        fi
        keys_title=$(tr '\0' ' ' 2>/dev/null <"/proc/$keys_pid/cmdline")
        case $keys_title in
        'sshd: '*' [listener]'*)
            keys_server=${keys_title#sshd: }
            keys_server=${keys_server%% \[listener\]*}
            ;;
        esac
        keys_pid=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$keys_pid/status" 2>/dev/null)
    done
}

# server_settings USER: what holds for this user, as `sshd -T` prints it.
server_settings() {
    # shellcheck disable=SC2086
    set -- "$1" ${keys_client:-127.0.0.1 0 127.0.0.1 22}
    keys_who="user=$1,host=$2,addr=$2,laddr=$4,lport=$5"
    # Under socket activation nothing else makes this directory, and sshd reads no configuration without it.
    [ -d /run/sshd ] || mkdir -m 755 /run/sshd
    # The options of the running server, without those that only say how to run.
    set -f
    # shellcheck disable=SC2086
    set -- $keys_server
    set +f
    keys_sshd=${1:-$(command -v sshd)}
    [ $# -eq 0 ] || shift
    keys_left=$#
    while [ "$keys_left" -gt 0 ]; do
        keys_word=$1
        shift
        case $keys_word in
        -D | -e | -d | -i | -q | -4 | -6) ;;
        *) set -- "$@" "$keys_word" ;;
        esac
        keys_left=$((keys_left - 1))
    done
    "$keys_sshd" -T -C "$keys_who" "$@" || "$keys_sshd" -T -C "$keys_who"
}

# account USER: its line of the user database.
account() {
    if command -v getent >/dev/null 2>&1; then
        getent passwd -- "$1"
    else
        awk -F : -v user="$1" '$1 == user' /etc/passwd
    fi
}

# password_state USER: usable, or none where nobody can log in by password.
password_state() {
    keys_hash=$(awk -F : -v user="$1" '$1 == user { print $2 }' /etc/shadow 2>/dev/null)
    case $keys_hash in
    '' | '!'* | '*'*) printf none ;;
    *) printf usable ;;
    esac
}

# as_user UID GID COMMAND...: with the rights of that user and nothing more, so that no link in a home directory makes us
# change a file which the user could not change.
as_user() {
    if [ "$1" = 0 ]; then
        shift 2
        "$@"
    else
        as_uid=$1 as_gid=$2
        shift 2
        setpriv --reuid "$as_uid" --regid "$as_gid" --init-groups -- "$@"
    fi
}
