# What a script tells its caller, one tab separated line each on stdout, by say of the prelude: a lost connection never
# ends a script half way.

tab='	'

# one_line TEXT: TEXT without line breaks and tabs.
one_line() {
    case $1 in
    *[[:cntrl:]]*) printf '%s' "$1" | tr '\n\t' '  ' ;;
    *) printf '%s' "$1" ;;
    esac
}

# phase TEXT: what is being done now, shown on the resource's row.
phase() { say "phase$tab$(one_line "$1")"; }

# fact KEY VALUE...: something that was observed.
fact() {
    fact_line=fact
    for fact_word in "$@"; do fact_line=$fact_line$tab$(one_line "$fact_word"); done
    say "$fact_line"
}

# fail CODE TEXT [FILE]: ends the script with a FleetError; the last lines of FILE are the tool's own words.
fail() {
    if [ -n "${3:-}" ] && [ -s "$3" ]; then tail -n 15 "$3" >&2 || :; fi
    say "fail$tab$1$tab$(one_line "$2")"
    exit 1
}
