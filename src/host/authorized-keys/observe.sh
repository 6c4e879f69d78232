# observe.sh USER: a user's account, where its keys are, what is there, and what could keep sshd from using it. Changes
# nothing.
user=$1

machine_facts
fact now "$(date +%s)"
find_session
fact client "${keys_client%% *}"
if [ -s "$KEYS_RECORD" ]; then
    while IFS= read -r line; do say "fact${tab}record$tab$line"; done <"$KEYS_RECORD"
fi

entry=$(account "$user")
[ -n "$entry" ] || exit 0
uid=$(printf '%s\n' "$entry" | cut -d : -f 3)
gid=$(printf '%s\n' "$entry" | cut -d : -f 4)
home=$(printf '%s\n' "$entry" | cut -d : -f 6)
real_home=$(readlink -f -- "${home:-/}") || real_home=$home
fact user "$uid" "$gid" "$home" "$real_home" "$(password_state "$user")"
[ ! -d "$home" ] || fact home
[ "$uid" = 0 ] || command -v setpriv >/dev/null 2>&1 ||
    fail UNSUPPORTED_MACHINE "the machine has no setpriv, so nothing can be written with the rights of $user alone; install util-linux"

settings=$(server_settings "$user" 2>&1) || fail AUTHORIZED_KEYS_UNUSABLE "sshd cannot read its configuration: $settings"
# Newer versions write the names in mixed case.
say "$(printf '%s\n' "$settings" | awk '{ key = tolower($1) }
    key ~ /^(authorizedkeysfile|authorizedkeyscommand|strictmodes|pubkeyauthentication|passwordauthentication|kbdinteractiveauthentication|permitrootlogin|trustedusercakeys|authenticationmethods)$/ {
        sub(/^[^ ]+ */, ""); printf "fact\tsetting\t%s\t%s\n", key, $0
    }')"

# expand PATTERN: with sshd's tokens replaced, and made absolute.
expand() {
    rest=$1 expanded=
    while :; do
        case $rest in
        *%*)
            expanded=$expanded${rest%%\%*}
            rest=${rest#*%}
            case $rest in
            h*) expanded=$expanded$home ;;
            u*) expanded=$expanded$user ;;
            U*) expanded=$expanded$uid ;;
            %*) expanded=$expanded% ;;
            esac
            rest=${rest#?}
            ;;
        *) break ;;
        esac
    done
    expanded=$expanded$rest
    case $expanded in
    /*) ;;
    *) expanded=$home/$expanded ;;
    esac
}

# describe PATH: one fact for what is there, and one for each directory above.
describe() {
    described=$1
    while :; do
        if [ -e "$described" ]; then
            # shellcheck disable=SC2046
            set -- $(stat -c '%a %u %U' -- "$described")
            kind='other'
            [ ! -f "$described" ] || kind='file'
            [ ! -d "$described" ] || kind='directory'
            fact path "$kind" "0$1" "$2" "$3" "$described"
        fi
        [ "$described" != / ] || break
        described=$(dirname -- "$described")
    done
}

files=$(printf '%s\n' "$settings" | awk 'tolower($1) == "authorizedkeysfile" { $1 = ""; print }')
set -f
for pattern in $files; do
    [ "$pattern" != none ] || continue
    expand "$pattern"
    # With -m, what is missing counts as a plain name.
    real=$(readlink -m -- "$expanded" 2>/dev/null) || real=$(readlink -f -- "$expanded") || real=$expanded
    fact file "$expanded" "$real"
    describe "$real"
    if [ -f "$real" ]; then
        if as_user "$uid" "$gid" test -r "$real"; then fact readable; fi
        fact content "$(sha256sum <"$real" | cut -d ' ' -f 1)" "$(base64 <"$real" | tr -d '\n')"
    fi
done
