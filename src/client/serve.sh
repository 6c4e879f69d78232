# Serves a mount on this computer for as long as there is one, and then takes away what it has needed, keys and all:
# serve.sh DIRECTORY COMMAND...
directory=$1
shift
cd / || exit 1
# A signal is for the command; its end is ours.
trap : HUP INT TERM
"$@"
code=$?
rm -rf -- "$directory"
exit "$code"
