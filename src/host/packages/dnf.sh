# dnf 4 and 5: what installing one package needs.

dnf_install() { dnf_run install "$1"; }
dnf_install_anew() { dnf_run --refresh install "$1"; }

# dnf_run WORD...: dnf 4 is told not to wait for another dnf, but to say so. dnf 5 waits for ever, whatever it is told: it is ended when it
# does that. It has not begun anything then.
dnf_run() {
    dnf -y --setopt=exit_on_lock=True --setopt=install_weak_deps=False "$@" &
    dnf_pid=$!
    while kill -0 "$dnf_pid" 2>/dev/null; do
        ! dnf_waits || kill "$dnf_pid" 2>/dev/null || :
        sleep 1
    done
    wait "$dnf_pid"
}

dnf_waits() { tail -n 1 "$package_log" | grep -q -e --skip-file-locks; }

# dnf_locked: by another dnf, or by rpm. Of rpm's lock dnf 5 only says that it did not work.
dnf_locked() {
    dnf_waits ||
        grep -qE "already locked by|[Ff]ailed to obtain (the|rpm) transaction lock|can't create transaction lock" "$package_log" ||
        { grep -q 'Rpm transaction failed' "$package_log" && [ -n "$(package_lock_user)" ]; }
}

dnf_lacks() { grep -qE 'Unable to find a match|No match for argument|no enabled repositories' "$package_log"; }
