# observe.sh TARGET ESCAPED TYPE SOURCE DEVICE UNIT START HOME GUARD FILE...: a mount as it is, as facts. Changes nothing.
mount_target=$1
mount_escaped=$2
mount_type=$3
mount_source=$4
mount_device=$5
mount_unit=$6
mount_start=$7
mount_home=$(mount_home_of "$8")
mount_guard=$9
shift 9
machine_facts
mount_facts "$mount_guard" "$@"
