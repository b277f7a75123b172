#!/bin/sh
# test_memory.sh: the memory that is told before anything runs is what the process then takes at its peak, within 10 %.
: "${STRIX_BUILD:?run by make check}" "${STRIX_SOURCE:?run by make check}"
grep -q 'define STRIX_SANITIZED' "$STRIX_BUILD/build-config.h" && { echo "1..0 # SKIP sanitizers take memory of their own"; exit 0; }
[ -r /proc/self/status ] || { echo "1..0 # SKIP this system does not tell a process its peak"; exit 0; }
tmp=$(mktemp -d) && trap 'rm -rf "$tmp"' EXIT
PATH=$STRIX_BUILD:$PATH
cd "$STRIX_SOURCE/examples" || exit 1
n=0
number() { sed -n "s/^ *\"$1\": \([0-9]*\).*/\1/p" "$tmp/out"; }
# agree WHAT ARGS...
agree() {
    what=$1; shift; n=$((n + 1))
    strix bench step "$@" --steps 2 --json >"$tmp/out" 2>"$tmp/err"
    peak=$(number peak_bytes) told=$(number predicted_bytes)
    if [ "${told:-0}" -gt 0 ] && [ $((10 * peak)) -le $((11 * told)) ] && [ $((10 * peak)) -ge $((9 * told)) ]; then
        echo "ok $n - $what: $told told, $peak taken"
    else echo "not ok $n - $what: '$told' told, '$peak' taken"; sed 's/^/#   /' "$tmp/err"; fi
}
for threads in 1 2; do
    for mode in train infer; do
        agree "ConvStrix at 28x28, $mode, $threads threads" convstrix28.cfg --mode $mode --threads $threads \
            --set vars.num_blocks=4 --set vars.fcl_size=1024
    done
    agree "ConvStrix at 128x128, $threads threads" convstrix.cfg --threads $threads --batch 16 --set vars.num_blocks=6
    agree "FCNN, inference, $threads threads" fcnn.cfg --mode infer --threads $threads --batch 16
done
(STRIX_NO_FUSE=1 && export STRIX_NO_FUSE && agree "ConvStrix at 28x28, one stage per op" convstrix28.cfg --threads 2; echo "$n" >"$tmp/n")
n=$(cat "$tmp/n")
STRIX_CPU_CONV=im2col && export STRIX_CPU_CONV
agree "ConvStrix at 28x28, convolutions by columns" convstrix28.cfg --threads 2
echo "1..$n"
