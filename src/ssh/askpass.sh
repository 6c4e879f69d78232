#!/bin/sh
# Answers OpenSSH when it asks for a password: askpass.sh PROMPT
# The answers lie beside it, in password-NAME for the machine that the configuration calls NAME. Nothing else is answered.
here=${0%/*}
case $1 in
"("*@*") "*)
    # Whatever a server asks comes behind these brackets, which are ssh's own.
    name=${1%%") "*}
    name=${name##*@}
    ;;
*@*"'s password: ")
    name=${1%"'s password: "}
    name=${name##*@}
    ;;
*[Pp]assword*)
    # OpenSSH before 8.5 does not say who asks. With one password alone, only its machine does.
    set -- "$here"/password-*
    [ $# -eq 1 ] || exit 1
    name=${1##*/password-}
    ;;
*) exit 1 ;;
esac
exec cat "$here/password-$name"
