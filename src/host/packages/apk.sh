# apk: what installing one package needs.

apk_install() { apk_add "$1"; }
apk_install_anew() { apk_add "$1" --update-cache; }

# apk_add NAME [OPTION]: an installation that has failed stays among those that apk makes up for the next time that it is used: it is
# taken back, unless somebody else wants the package.
apk_add() {
    grep -qxF "$1" /etc/apk/world 2>/dev/null && apk_wanted=yes || apk_wanted=
    apk add --no-progress ${2:+"$2"} "$1" && return 0
    apk_code=$?
    [ -n "$apk_wanted" ] || apk del "$1" >/dev/null 2>&1 || :
    return "$apk_code"
}

apk_locked() { grep -q 'Unable to lock database' "$package_log"; }

apk_lacks() { grep -q '(no such package)' "$package_log"; }
