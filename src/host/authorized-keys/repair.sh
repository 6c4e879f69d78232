# repair.sh UID [own|tighten PATH]...: ends what StrictModes objects to. A link is never followed when a file changes hands.
uid=$1
shift
while [ $# -gt 1 ]; do
    case $1 in
    own) said=$(chown -h "$uid" -- "$2" 2>&1) || fail AUTHORIZED_KEYS_UNUSABLE "$2 cannot be given to its user: $said" ;;
    tighten) said=$(chmod u+rwX,go-w -- "$2" 2>&1) || fail AUTHORIZED_KEYS_UNUSABLE "the mode of $2 cannot be changed: $said" ;;
    esac
    shift 2
done
