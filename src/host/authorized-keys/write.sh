# write.sh USER UID GID HOME PATH OWNER EXPECTED BYTES MODE RECORD DROP...: replaces a file of keys in one step, if it is still
# the one that was looked at, and keeps our record of keys. The new content is standard input.
#   HOME      the home directory, links resolved       PATH      the file, links resolved
#   OWNER     user: what is done is done with the user's rights; root: the directory belongs to root
#   EXPECTED  sha256 of the content that is replaced, or "absent"
#   BYTES     length of the new content; "remove" to remove the file, "remove both" to remove its directory too unless
#             something else is in it; "keep" to change our record alone
#   MODE      permissions of a new file; one that is there keeps its own
#   RECORD    a line to add to our record, or empty
#   DROP      instances whose lines leave our record
user=$1 uid=$2 gid=$3 home=$4 path=$5 owner=$6 expected=$7 bytes=$8 mode=$9
shift 9
record=$1
shift
directory=$(dirname -- "$path")
name=$(basename -- "$path")

new=$(mktemp) || fail UPLOAD_FAILED "no temporary file can be made on the machine"
trap 'rm -f -- "$new"' EXIT
cat >"$new"
case $bytes in
keep | remove*) ;;
*)
    got=$(wc -c <"$new" | tr -d ' ')
    [ "$got" = "$bytes" ] || fail UPLOAD_FAILED "only $got of $bytes bytes arrived"
    ;;
esac

# Beforehand: a line that is not recorded could never be told from a foreign one.
if [ -n "$record" ] && ! grep -Fqsx -e "$record" "$KEYS_RECORD"; then
    mkdir -p "$(dirname "$KEYS_RECORD")"
    (
        umask 077
        printf '%s\n' "$record" >>"$KEYS_RECORD"
    ) || fail UPLOAD_FAILED "$KEYS_RECORD cannot be written"
fi

# with_rights COMMAND...: those that suit the directory.
with_rights() {
    if [ "$owner" = root ]; then "$@"; else as_user "$uid" "$gid" "$@"; fi
}

# Runs in the directory, with the rights that suit it: swap NAME EXPECTED BYTES MODE. Ends with 3 when the file is another.
# Others do not take our lock. So all that takes time is done before the look; and a line that somebody appends to the old
# file while it is being replaced is seen in a second name for it, and brings the old file back.
# shellcheck disable=SC2016
swap='
umask 077
new="" old=""
leave() {
    rm -f -- ${new:+"$new"} ${old:+"$old"}
    exit "$1"
}
is_expected() {
    sum=$(sha256sum <"$1") && [ "${sum%% *}" = "$2" ]
}
case $3 in
remove*) ;;
*)
    new=$(mktemp "./.$1.XXXXXX") && cat >"$new" && chmod "$4" "$new" || leave 1
    if [ -e "$1" ] && [ "$(id -u)" = 0 ]; then chown "$(stat -c %u:%g -- "$1")" "$new" || leave 1; fi
    sync "$new" 2>/dev/null || :
    ;;
esac
if [ ! -e "$1" ]; then
    [ "$2" = absent ] || leave 3
    # Unlike mv, ln replaces nothing that has come meanwhile.
    [ -z "$new" ] || ln -- "$new" "$1" || leave 3
    leave 0
fi
second=./.$1.old.$$
ln -f -- "$1" "$second" 2>/dev/null && old=$second
is_expected "$1" "$2" || leave 3
if [ -n "$new" ]; then mv -f -- "$new" "$1" || leave 1; else rm -f -- "$1" || leave 1; fi
new=""
if [ -n "$old" ] && ! is_expected "$old" "$2"; then
    mv -f -- "$old" "$1"
    leave 3
fi
leave 0
'

if [ "$bytes" != keep ]; then
    if [ ! -d "$directory" ]; then
        cd / || exit 1
        said=$(
            case $owner in
            root) umask 022 ;;
            *) umask 077 ;;
            esac
            with_rights mkdir -p -- "$directory" 2>&1
        ) || fail AUTHORIZED_KEYS_UNUSABLE "$directory cannot be made: $said"
        fact made "$directory"
    fi
    cd -P -- "$directory" || fail AUTHORIZED_KEYS_UNUSABLE "$directory cannot be entered"
    # Whoever can write above it may have put a link in its place meanwhile.
    [ "$(pwd -P)" = "$directory" ] || fail AUTHORIZED_KEYS_UNUSABLE "$directory was replaced by a link while we worked on it"
    [ ! -f "$name" ] || mode=$(stat -c %a -- "$name")
    said=$(with_rights sh -c "$swap" swap "$name" "$expected" "$bytes" "$mode" 2>&1 <"$new")
    case $? in
    0) ;;
    3)
        fact changed
        exit 0
        ;;
    *) fail UPLOAD_FAILED "$path was not written: $said" ;;
    esac
    if [ "$bytes" = "remove both" ]; then
        cd / || exit 1
        with_rights rmdir -- "$directory" 2>/dev/null || :
    elif command -v selinuxenabled >/dev/null 2>&1 && selinuxenabled; then
        restorecon -R -- "$directory" 2>/dev/null || :
    fi
fi

if [ $# -gt 0 ] && [ -e "$KEYS_RECORD" ]; then
    umask 077
    if ! awk -F '\t' 'BEGIN { for (i = 1; i < ARGC; i++) drop[ARGV[i]]; ARGC = 1 } !($2 in drop)' "$@" <"$KEYS_RECORD" >"$KEYS_RECORD.new" ||
        ! mv -f "$KEYS_RECORD.new" "$KEYS_RECORD"; then
        fail UPLOAD_FAILED "$KEYS_RECORD cannot be written"
    fi
    if [ ! -s "$KEYS_RECORD" ]; then
        rm -f "$KEYS_RECORD"
        rmdir "$(dirname "$KEYS_RECORD")" 2>/dev/null || :
    fi
fi
