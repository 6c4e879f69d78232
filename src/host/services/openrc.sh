# OpenRC services.

# rc_active NAME
rc_active() { timeout 20 rc-service "$1" status >/dev/null 2>&1; }

# rc_enabled NAME: it is in a runlevel.
rc_enabled() {
    for rc_link in /etc/runlevels/*/"$1"; do [ ! -L "$rc_link" ] || return 0; done
    return 1
}

# rc_order: what depends on what is read again. OpenRC does so by itself when services or /etc/rc.conf have changed, and overlooks
# /etc/rc.conf.d.
rc_order() { timeout 60 rc-update -u >/dev/null 2>&1 || :; }
