# root.sh: whether this is root.
[ "$(id -u)" = 0 ] || fail HARDENING_REFUSED "the login does not lead to root: it is user $(id -un)"
