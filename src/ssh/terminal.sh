#!/bin/sh
# fleet_encode MARK: standard input as lines of MARK and hexadecimal digits, each written at once, so that they can be
# told apart from what else is written to a terminal at the same time. 480 bytes: the line stays within the 1024 that
# every shell writes to a terminal in one piece.
fleet_encode() {
    while fleet_chunk=$(dd bs=480 count=1 2>/dev/null | od -An -v -tx1 | tr -d ' \n') && [ -n "$fleet_chunk" ]; do
        printf '%s%s\n' "$1" "$fleet_chunk"
    done
}
