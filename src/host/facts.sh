# What kind of machine this is.

machine_facts() {
    fact kernel "$(uname -s)"
    fact arch "$(uname -m)"
    if [ -r /etc/os-release ]; then
        (
            # shellcheck disable=SC1091
            . /etc/os-release
            fact os "${PRETTY_NAME:-}"
        )
    fi
    [ ! -s /etc/machine-id ] || fact machine-id "$(cat /etc/machine-id)"
    # The directory, not the systemctl binary: Debian machines booted by another init can have both (sd_booted(3)).
    if [ -d /run/systemd/system ]; then fact init systemd; fi
    if command -v apt-get >/dev/null 2>&1; then fact package-manager apt; fi
}
