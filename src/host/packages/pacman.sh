# pacman: what installing one package needs. Its database is never read anew by us: a package from a newer database than that of the
# rest is a partial upgrade, which Arch does not support, and can break programs that have nothing to do with it.

pacman_install() { pacman -S --needed --noconfirm --noprogressbar "$1"; }

pacman_locked() { grep -q 'unable to lock database' "$package_log"; }

# pacman_lacks: also when the mirrors have replaced the version that is in the database.
pacman_lacks() { grep -qE "target not found|no usable package repositories|returned error: 404|Couldn't open file" "$package_log"; }
