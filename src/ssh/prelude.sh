#!/bin/sh
# Put before every script: a known environment, and the few functions all scripts use.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:$PATH
LC_ALL=C
export PATH LC_ALL
unset CDPATH LANGUAGE
umask 022

# say TEXT: one line for whoever watches. A subshell prints it, so that a watcher who is gone (SIGPIPE) ends the subshell
# and not the script, which has to run to its end.
say() {
    (printf '%s\n' "$*") 2>/dev/null || :
}
