#!/bin/sh
# Runs one test program with TAP output, for automake's driver. A .sh test speaks TAP itself.
case "$1" in
*.sh) exec sh "$@" ;;
*) exec "$@" --tap=- ;;
esac
