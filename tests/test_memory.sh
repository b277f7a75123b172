#!/bin/sh
# test_memory.sh: the memory that is told before anything runs is what the process then takes at its peak, within 5 % (or the
# megabyte and a half that libraries take as they like), whether everything is kept for the backward pass or not.
: "${STRIX_BUILD:?run by make check}" "${STRIX_SOURCE:?run by make check}"
grep -q 'define STRIX_SANITIZED' "$STRIX_BUILD/build-config.h" && { echo "1..0 # SKIP sanitizers take memory of their own"; exit 0; }
[ -r /proc/self/status ] || { echo "1..0 # SKIP this system does not tell a process its peak"; exit 0; }
tmp=$(mktemp -d) && trap 'rm -rf "$tmp"' EXIT
PATH=$STRIX_BUILD:$PATH
cd "$STRIX_SOURCE/examples" || exit 1
n=0
number() { sed -n "s/^ *\"$1\": \([0-9]*\).*/\1/p" "$tmp/out"; }
# agree WHAT TOLD TAKEN
agree() {
    n=$((n + 1)) off=$(($3 - ${2:-0})) most=$((${2:-0} / 20))
    [ "$most" -lt 1500000 ] && most=1500000
    if [ "${2:-0}" -gt 0 ] && [ ${off#-} -le $most ]; then echo "ok $n - $1: $2 told, $3 taken"
    else echo "not ok $n - $1: '$2' told, '$3' taken"; sed 's/^/#   /' "$tmp/err"; fi
}
# step WHAT ARGS...
step() {
    what=$1; shift
    strix bench step "$@" --steps 2 --json >"$tmp/out" 2>"$tmp/err"
    agree "$what" "$(number predicted_bytes)" "$(number peak_bytes)"
}
for threads in 1 2; do
    for mode in train infer; do
        step "ConvStrix at 28x28, $mode, $threads threads" convstrix28.cfg --mode $mode --threads $threads \
            --set vars.num_blocks=4 --set vars.fcl_size=1024
    done
    step "ConvStrix at 128x128, $threads threads" convstrix.cfg --threads $threads --batch 16 --set vars.num_blocks=6
    step "FCNN, inference, $threads threads" fcnn.cfg --mode infer --threads $threads --batch 16
done
for net in convstrix resnet20; do
    step "$net in f32" $net.cfg --threads 2 --batch 16
    wide=$(number slab_bytes)
    step "$net in bf16" $net.cfg --threads 2 --batch 16 --precision bf16
    n=$((n + 1)) half=$(number slab_bytes)
    [ $((100 * half)) -lt $((80 * wide)) ] && echo "ok $n - which takes less" || echo "not ok $n - $half instead of $wide"
done
step "ConvStrix at 128x128, as little memory as can be" convstrix.cfg --threads 2 --batch 16 --set vars.num_blocks=6 \
    --set train.recompute=all
kept=0
for recompute in none all; do
    step "Residual sums, recompute $recompute" resnet20.cfg --threads 2 --set train.recompute=$recompute
    [ $recompute = none ] && kept=$(number device_bytes)
done
n=$((n + 1)) less=$(number device_bytes)
[ $((4 * less)) -lt $((3 * kept)) ] && echo "ok $n - which takes less" || echo "not ok $n - $less instead of $kept"
(STRIX_NO_FUSE=1 && export STRIX_NO_FUSE && step "ConvStrix at 28x28, one stage per op" convstrix28.cfg --threads 2; echo "$n" >"$tmp/n")
n=$(cat "$tmp/n")
(STRIX_CPU_CONV=im2col && export STRIX_CPU_CONV && step "ConvStrix at 28x28, convolutions by columns" convstrix28.cfg --threads 2
 echo "$n" >"$tmp/n")
n=$(cat "$tmp/n")

# A whole training: while they are loaded the rows do not lie in memory twice.
rows=40000
bytes() { printf "$(printf '\\%03o\\%03o\\%03o\\%03o' $(($1 >> 24 & 255)) $(($1 >> 16 & 255)) $(($1 >> 8 & 255)) $(($1 & 255)))"; }
{ bytes 2051; bytes $rows; bytes 28; bytes 28; head -c $((rows * 28 * 28)) /dev/zero; } >"$tmp/x"
{ bytes 2049; bytes $rows; head -c $rows /dev/zero; } >"$tmp/y"
cat >"$tmp/net.cfg" <<'END'
model = { input = [ 28, 28, 1 ]; layers = { f = { type = "flatten"; }; d = { type = "dense"; units = 16; activation = "relu"; };
                                            o = { type = "dense"; units = 10; activation = "softmax"; }; }; };
dataset = { type = "idx"; train = [ "x", "y" ]; test = []; classes = 10; transform = { unit = { type = "scale"; factor = "1 / 255"; }; }; };
train = { loss = "cross_entropy"; epochs = 1; batch = 100; };
END
cd "$tmp" && strix bench step net.cfg --steps 2 --json >out 2>err
program=$(number program_bytes)
strix check net.cfg --set dataset.dir="$tmp" --json >out 2>err
told=$(($(number total) + program))
"$STRIX_BUILD/tests/peak" taken strix train net.cfg --set dataset.dir="$tmp" --dir run --threads 2 >out 2>err
agree "a whole training of $rows rows" $told "$(cat taken)"
echo "1..$n"
