#!/bin/sh
# test_errors.sh: each errors/NAME.cfg with its errors/NAME.err: `strix check NAME.cfg` must print exactly that on stderr, and
# end with 3 where there is an error. A first line `# run: COMMAND` names another command, which must fail; it sees $tmp.
# ERRORS_UPDATE=1 writes the .err files anew (read the difference before you commit it).
: "${STRIX_BUILD:?run by make check}" "${STRIX_SOURCE:?run by make check}"
tmp=$(mktemp -d) && trap 'rm -rf "$tmp"' EXIT
PATH=$STRIX_BUILD:$PATH
export tmp PATH
cd "$STRIX_SOURCE/tests/errors" || exit 1
n=0
for cfg in *.cfg; do
    name=${cfg%.cfg}
    run=$(sed -n '1s/^# run: //p' "$cfg")
    sh -c "${run:-strix check $cfg}" >"$tmp/out" 2>"$tmp/err" </dev/null
    got=$?
    [ -z "$ERRORS_UPDATE" ] || cp "$tmp/err" "$name.err"
    n=$((n + 1))
    if ! diff -u "$name.err" "$tmp/err" >"$tmp/diff" 2>&1; then
        echo "not ok $n - $name: stderr differs"
        sed 's/^/#   /' "$tmp/diff"
    elif [ -z "$run" ] && [ "$got" != "$(if grep -q ' error: ' "$name.err"; then echo 3; else echo 0; fi)" ]; then
        echo "not ok $n - $name: exit code $got"
    elif [ ! -s "$name.err" ]; then
        echo "not ok $n - $name: says nothing"
    else
        echo "ok $n - $name"
    fi
done
echo "1..$n"
