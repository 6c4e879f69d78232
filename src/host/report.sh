# What a script tells its caller, one tab separated line each on stdout.
# Lines are printed from a subshell: when the connection is gone the write kills that subshell only, and the script
# runs to its end, so that a lost connection never leaves the machine half done.

tab='	'

# one_line TEXT: TEXT without line breaks and tabs.
one_line() {
    case $1 in
    *[[:cntrl:]]*) printf '%s' "$1" | tr '\n\t' '  ' ;;
    *) printf '%s' "$1" ;;
    esac
}

# phase TEXT: what is being done now, shown on the resource's row.
phase() { (printf 'phase\t%s\n' "$(one_line "$1")") 2>/dev/null || :; }

# note TEXT: a warning that stays in the diagnostics.
note() { (printf 'note\t%s\n' "$(one_line "$1")") 2>/dev/null || :; }

# fact KEY VALUE...: something that was observed.
fact() {
    fact_line=fact
    for fact_word in "$@"; do fact_line=$fact_line$tab$(one_line "$fact_word"); done
    (printf '%s\n' "$fact_line") 2>/dev/null || :
}

# fail CODE TEXT [FILE]: ends the script with a FleetError; the last lines of FILE are the tool's own words.
fail() {
    if [ -n "${3:-}" ] && [ -s "$3" ]; then (tail -n 15 "$3" >&2) 2>/dev/null || :; fi
    (printf 'fail\t%s\t%s\n' "$1" "$(one_line "$2")") 2>/dev/null || :
    exit 1
}
