#!/bin/sh
# test_conform_all.sh: the conformance suites over all plugins that are built; beside files of tensors, and with a PostgreSQL
# of our own where that can be had, so that nothing has to be left out.
. "${STRIX_SOURCE:?run by make check}/tests/steps.sh"
. "$STRIX_SOURCE/tests/server.sh"
trap finish EXIT
data tensors
if server; then
    sql "CREATE DATABASE s" postgres
    STRIX_CONFORM_STORE="postgresql:///s?host=$tmp&user=strix" && export STRIX_CONFORM_STORE
fi
cd tensors || exit 1
"$STRIX_BUILD/tests/conform_all"
