#!/bin/sh
# test_isa.sh: what the device `cpu` computes, with its instructions capped at each set that this processor has; what it lacks is
# left out, and said. The ordinary run of these programs takes the best set, which is not run again here.
: "${STRIX_BUILD:?run by make check}" "${STRIX_SOURCE:?run by make check}"
programs="test_golden test_golden_layers test_cpu_ops test_fused test_train"
here=$("$STRIX_BUILD/tests/list_isa") && [ -n "$here" ] || { echo "Bail out! list_isa says nothing"; exit 1; }
tmp=$(mktemp -d) && trap 'rm -rf "$tmp"' EXIT
n=0
for isa in plain avx2 avx512 amx; do
    [ "$isa" = "$(echo "$here" | tail -n 1)" ] && continue           # the ordinary run
    if ! echo "$here" | grep -qx $isa; then
        n=$((n + 1))
        echo "ok $n - instructions up to $isa # SKIP this processor has $(echo "$here" | tail -n 1) at best"
        continue
    fi
    for program in $programs; do
        n=$((n + 1)) what="$program with instructions up to $isa"
        if STRIX_CPU_ISA=$isa "$STRIX_BUILD/tests/$program" --tap="$tmp/tap" >"$tmp/out" 2>&1; then
            echo "ok $n - $what, $(grep -c '^ok' "$tmp/tap") tests"
        else
            echo "not ok $n - $what"
            grep -A6 '^not ok' "$tmp/tap" | head -n 40 | sed 's/^/#   /'
            tail -n 20 "$tmp/out" | sed 's/^/#   /'
        fi
    done
done
echo "1..$n"
