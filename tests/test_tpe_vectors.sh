#!/bin/sh
# test_tpe_vectors.sh: one TAP line for each file of tests/tpe.
exec "$STRIX_BUILD/tests/tpe_vectors" --tap "$STRIX_SOURCE"/tests/tpe/*.json
