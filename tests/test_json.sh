#!/bin/sh
# test_json.sh: --json of every verb against the stored schemas: names and types of a document are a promise to scripts.
: "${STRIX_BUILD:?run by make check}"
strix="$STRIX_BUILD/strix" config="$STRIX_SOURCE/examples/convstrix28.cfg"
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
n=0
# fits SCHEMA ARGS...
fits() {
    schema=$1; shift; n=$((n + 1))
    "$strix" "$@" --json >out 2>err </dev/null; code=$?
    if "$STRIX_BUILD/tests/schema" "$STRIX_SOURCE/tests/schemas/$schema.txt" <out >why; then echo "ok $n - $schema: strix $1 $2"
    else echo "not ok $n - $schema: strix $* (exit code $code)"; cat why; head -c 2000 out err | sed 's/^/#   /'; fi
}
store='study.store="sqlite:s.db"'
fits version version --build
fits errors check "$dir/none.cfg"
fits errors nonsense
fits plugins-list plugins list
fits plugins-show plugins show conv2d
fits plugins-path plugins path
fits plugins-doctor plugins doctor
fits conform debug optest --device null
fits conform conform "$STRIX_BUILD/plugins/schedules/.libs/constant.so"
data=${STRIX_DATA_DIR:-/usr/share/datasets}/fashion-mnist
if [ -e "$data/t10k-images-idx3-ubyte.gz" ] && export STRIX_DATA_DIR="${data%/*}"; then
    small="--device null -q --set train.epochs=1 --set dataset.limit=500"
    fits check check "$config" --space 2
    fits bench bench step "$config" --device null
    fits bench bench step "$config" --steps 2 --threads 1
    fits train-plan train "$config" $small -n
    fits train train "$config" $small --dir run
    fits eval eval run --device null
    fits predict predict run "$data/t10k-images-idx3-ubyte.gz" --device null
    fits tune tune "$config" $small --trials 2 --set "$store"
    fits worker worker --store sqlite:s.db --study convstrix28 -q
    fits study-list study list --store sqlite:s.db
    fits study-show study show convstrix28 --store sqlite:s.db
    fits study-importance study importance convstrix28 --store sqlite:s.db
    fits study-trials study trials convstrix28 --store sqlite:s.db
    fits study-best study best convstrix28 --store sqlite:s.db
    fits study-ask study ask convstrix28 --store sqlite:s.db
else
    n=$((n + 1)); echo "ok $n - verbs that run # SKIP no Fashion-MNIST in $data"
fi
echo "1..$n"
