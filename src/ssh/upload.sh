#!/bin/sh
# Writes standard input to a file in one step: upload.sh PATH MODE OWNER BYTES SHA256 (OWNER may be empty: keep the owner
# of the file that is there). Readers see the old file or the whole new one, and a failure leaves nothing behind.
path=$1 mode=$2 owner=$3 bytes=$4 sum=$5
temporary=

# Clean up first, then speak: the one who listened may be gone, and speaking to nobody ends the shell.
leave() {
    [ -z "$temporary" ] || rm -f -- "$temporary"
    printf '%s\n' "$1" >&2
    exit 1
}
trap 'leave interrupted' HUP INT TERM

# A link is followed: it is the file behind it that is meant to change.
if [ -L "$path" ]; then
    path=$(readlink -f -- "$path") || leave "$1 is a link that leads nowhere"
fi
if [ -d "$path" ]; then
    leave "$path is a directory"
fi
directory=${path%/*}
umask 077
temporary=$(mktemp "${directory:-}/.${path##*/}.XXXXXX" 2>&1) || {
    said=$temporary
    temporary=
    leave "$said"
}
said=$(cat 2>&1 >"$temporary") || leave "$said"
got=$(wc -c <"$temporary" | tr -d ' ')
[ "$got" = "$bytes" ] || leave "only $got of $bytes bytes arrived"
if command -v sha256sum >/dev/null 2>&1; then
    got=$(sha256sum <"$temporary")
    [ "${got%% *}" = "$sum" ] || leave "the content was damaged on the way: sha256 is ${got%% *}, not $sum"
fi
if [ -n "$owner" ]; then
    said=$(chown "$owner" "$temporary" 2>&1) || leave "$said"
elif [ -e "$path" ]; then
    said=$(chown "$(stat -c %u:%g -- "$path")" "$temporary" 2>&1) || leave "$said"
fi
said=$(chmod "$mode" "$temporary" 2>&1) || leave "$said"
# So that a power failure right after the rename finds the new content and not an empty file.
sync "$temporary" 2>/dev/null || :
said=$(mv -f -- "$temporary" "$path" 2>&1) || leave "$said"
if command -v selinuxenabled >/dev/null 2>&1 && selinuxenabled; then
    restorecon -- "$path" 2>/dev/null || :
fi
