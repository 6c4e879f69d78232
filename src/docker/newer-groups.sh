#!/bin/sh
# Says "newer" when the user has become a member of a group since this login, which does not have that group.
groups=" $(id -G) "
for group in $(id -G "$(id -un)"); do
    case $groups in
        *" $group "*) ;;
        *)
            echo newer
            exit
            ;;
    esac
done
