#!/bin/sh
# test_examples.sh: the experiments in examples/: what `check` tells of them is what the original study had, and each one
# trains a few images where Fashion-MNIST is installed.
: "${STRIX_BUILD:?run by make check}" "${STRIX_SOURCE:?run by make check}"
tmp=$(mktemp -d) && trap 'rm -rf "$tmp"' EXIT
PATH=$STRIX_BUILD:$PATH
cd "$STRIX_SOURCE/examples" || exit 1
n=0
is() { # is TEXT GOT WANT
    n=$((n + 1))
    [ "$2" = "$3" ] && echo "ok $n - $1" || { echo "not ok $n - $1"; echo "#   got '$2', want '$3'"; }
}
check() { strix check "$@" 2>"$tmp/err" || cat "$tmp/err"; }
rows() { awk '$2 == "conv2d"' | wc -l | tr -d ' '; }

is "VGGStrix has 16 convolutions" "$(check vggstrix.cfg | rows)" 16
is "and their weights are frozen" "$(check vggstrix.cfg | awk '$2 == "conv2d" && $NF == "frozen"' | rows)" 16
is "20,024,384 of them" "$(check vggstrix.cfg | sed -n 's/.*(\(.*\) frozen).*/\1/p')" 20,024,384
is "at 6.37 billion MACs" "$(check vggstrix.cfg | awk '$2 == "conv2d" { gsub(",", "", $7); sum += $7 } END { printf "%.2f", sum / 1e9 }')" 6.37
is "6 blocks of ConvStrix take 181.37 million MACs in their convolutions" "$(check convstrix.cfg --set vars.num_blocks=6 |
    awk '$2 == "conv2d" { gsub(",", "", $7); sum += $7 } END { printf "%.2f", sum / 1e6 }')" 181.37
for f in vggstrix convstrix convstrix28 auxiliary fcnn perblock resnet20; do
    is "points of $f's space are judged" "$(check $f.cfg --space 25 | grep -c '^25 points drawn')" 1
    is "$f can be expanded" "$(check $f.cfg --expand | grep -c '^layers = (')" 1
done
for search in sampler.type=gp sampler.type=random pruner.type=asha pruner.type=none; do
    is "another word swaps the search: $search" "$(check convstrix28.cfg --set tune.$search | grep -c ' weights, ')" 1
done
is "VGGStrix: every point can be built" "$(check vggstrix.cfg --space 25 | grep -c ': 25 can be built')" 1
for f in vggstrix convstrix convstrix28 auxiliary fcnn perblock resnet20; do
    n=$((n + 1))
    if ! strix -q train $f.cfg --set dataset.limit=48 --set train.batch=8 --set train.epochs=1 --dir "$tmp/$f" \
        $([ $f = vggstrix ] && echo --set model.layers.stem.vgg.weights=random) >"$tmp/out" 2>"$tmp/err"; then
        if grep -q 'Set dataset.dir' "$tmp/err"; then echo "ok $n - $f trains # SKIP no Fashion-MNIST here"
        else echo "not ok $n - $f trains"; sed 's/^/#   /' "$tmp/err"; fi
    else echo "ok $n - $f trains"; fi
done
if [ -e "$tmp/auxiliary/best.safetensors" ]; then
    { printf 'P5 28 28 255\n'; head -c 784 /dev/zero; } >"$tmp/image.pgm"
    is "both outputs of a label name its classes" "$(strix predict "$tmp/auxiliary" "$tmp/image.pgm" | cut -f4 | grep -c '[a-z]')" 2
fi
cd "$tmp" || exit 1
sed -n '/^## An experiment is one file/,/^Where/s/^    //p' "$STRIX_SOURCE/README.md" >readme.cfg
is "the README's experiment has 2 to 5 blocks" "$(STRIX_CONFIG_PATH=$STRIX_SOURCE/examples check readme.cfg --space 25 |
    grep -c ': 25 can be built')" 1
is "a function is searched by ask and tell" "$(sh "$STRIX_SOURCE/examples/function.sh" 25 | awk '/^trial/ { print ($NF < -95) }')" 1
is "every value of it was told" "$(strix study trials function --csv | grep -c '^[0-9]*,complete,-*[0-9]')" 25
echo "1..$n"
