# zypper: what installing one package needs.

zypper_install() {
    zypper --non-interactive install --no-recommends "$1" || zypper_done "$?"
}

zypper_install_anew() {
    zypper --non-interactive refresh || :
    zypper_install "$1"
}

# zypper_done CODE: it is installed, although there is more to say: a restart is due, a repository was skipped, a script failed.
zypper_done() {
    case $1 in 102 | 103 | 106 | 107) ;; *) return "$1" ;; esac
}

# zypper_locked: by another zypper or YaST, or by rpm.
zypper_locked() { grep -qE "System management is locked|can't create transaction lock" "$package_log"; }

zypper_lacks() { grep -qE 'No provider of .* found' "$package_log"; }
