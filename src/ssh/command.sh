#!/bin/sh
# Becomes the command that is given as arguments; it inherits what is left of standard input.
exec "$@"
