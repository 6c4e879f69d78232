# systemd units.

# unit_facts UNIT...: name, load state, active state and enablement of each, from one call.
unit_facts() {
    unit_lines=$(timeout 20 systemctl show -p Id,LoadState,ActiveState,UnitFileState "$@" 2>/dev/null |
        awk -F = -v OFS='\t' '
            function flush() { if (v["Id"] != "") print "fact", "unit", v["Id"], v["LoadState"], v["ActiveState"], v["UnitFileState"]; split("", v) }
            /^$/ { flush(); next }
            { v[$1] = $2 }
            END { flush() }')
    say "$unit_lines"
}

# unit_property UNIT PROPERTY
unit_property() { timeout 20 systemctl show -p "$2" "$1" 2>/dev/null | sed -n "s/^$2=//p"; }

unit_active() { [ "$(unit_property "$1" ActiveState)" = active ]; }

# unit_words UNIT FILE: the unit's last words, for an error message.
unit_words() { timeout 20 journalctl -u "$1" -b -n 12 --no-pager -o cat 2>/dev/null >"$2" || :; }
