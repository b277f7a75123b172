#!/bin/sh
# test_conform.sh: each fault of tests/plugins/wrong.c is found by `strix conform`, at the item that has it.
: "${STRIX_BUILD:?run by make check}"
tmp=$(mktemp -d) && trap 'rm -rf "$tmp"' EXIT
"$STRIX_BUILD/strix" conform "$STRIX_BUILD/tests/plugins/.libs/wrong.so" >"$tmp/out" 2>"$tmp/err"
code=$?
n=1
[ $code = 1 ] && echo "ok 1 - exits with 1" || { echo "not ok 1 - exits with 1"; sed 's/^/#   /' "$tmp/err"; }
finds() { # finds "KIND ITEM" "FACT"
    n=$((n + 1))
    grep -q "^not ok [0-9]* - $1: .*$2" "$tmp/out" && echo "ok $n - $1: $2" || { echo "not ok $n - $1: $2"; sed 's/^/#   /' "$tmp/out"; }
}
finds "layer gradient" "gradient of offset0 agrees"
finds "layer weights" "the same weights and states"
finds "layer finite" "finite numbers"
finds "layer shapes" "builds on at least one common shape"
finds "optimizer uphill" "come down a bowl"
finds "optimizer uphill" "linear in the rate"
finds "schedule below" "never below 0"
finds "dataset columns" "training part, z: labels are 0 .. classes-1"
echo "1..$n"
