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
    # Machines without systemd and D-Bus have no machine-id, Alpine's for example. Their SSH host key tells them apart.
    for machine_file in /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub /etc/ssh/ssh_host_ecdsa_key.pub /etc/ssh/ssh_host_rsa_key.pub; do
        [ -s "$machine_file" ] || continue
        case $machine_file in
        */machine-id) fact machine-id "$(cat "$machine_file")" ;;
        *) fact machine-id "$(sha256sum <"$machine_file" | cut -c 1-32)" ;;
        esac
        break
    done
    # The directory, not the systemctl binary: Debian machines booted by another init can have both (sd_booted(3)).
    if [ -d /run/systemd/system ]; then fact init systemd; elif [ -d /run/openrc ]; then fact init openrc; fi
    if command -v apt-get >/dev/null 2>&1; then fact package-manager apt; fi
}
