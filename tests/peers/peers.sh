#!/bin/sh
# peers.sh: Optuna 5 and its dashboard on studies of strix, strix on a study of Optuna; on SQLite and PostgreSQL. `make
# check-peers`; installs Optuna by pip into PEERS (default: a folder of the build), unless PEERS_PYTHON names one that
# has it.
peers=${PEERS:-$STRIX_BUILD/peers}
python=${PEERS_PYTHON:-$peers/bin/python}
if ! "$python" -c 'import optuna, plotly, pandas, sklearn, optuna_dashboard, psycopg2' 2>/dev/null; then
    python3 -m venv "$peers" && "$peers/bin/pip" -q install 'optuna==5.0.0' plotly pandas scikit-learn optuna-dashboard \
        psycopg2-binary || { echo "1..0 # SKIP Optuna could not be installed"; exit 1; }
    python=$peers/bin/python
fi
. "$STRIX_SOURCE/tests/faults.sh"
. "$STRIX_SOURCE/tests/server.sh"
trap finish EXIT
data idx
cat >net.cfg <<'END'
vars = { rate = 0.01; units = 8; act = "relu"; };
model = { input = [ 8, 8, 1 ]; layers = { flat = { type = "flatten"; }; fc = { type = "dense"; units = "units"; activation = "${act}"; };
  out = { type = "dense"; units = 5; activation = "softmax"; }; }; };
dataset = { type = "idx"; dir = "idx"; train = [ "x.gz", "y.gz" ]; test = [ "x.gz", "y.gz" ];
            transform = { unit = { type = "scale"; factor = "1 / 255"; }; }; };
train = { epochs = 3; batch = 8; optimizer = { type = "adam"; lr = "rate"; }; };
tune = { trials = 12; objective = "val_loss"; sampler = { type = "tpe"; seed = 5; startup = 2; };
         pruner = { type = "median"; startup = 1; warmup = 0; };
         space = { rate = { loguniform = [ 1e-4, 1e-1 ]; }; units = { int = [ 4, 16, 4 ]; }; act = { choice = [ "relu", "tanh" ]; }; }; };
END
optuna() { "$python" "$STRIX_SOURCE/tests/peers/peers.py" "$@"; }
told() { strix study tell net "$@" --store "$url"; }
number() { sed -n 's/.*"number": *\([0-9]*\).*/\1/p' "$1"; }

both() { # strix's URL, Optuna's
    url=$1 theirs=$2
    is "a search of strix" strix tune net.cfg --threads 1 --set "study.store=\"$url\""
    strix study ask net --store "$url" >asked && is "a trial that fails" told "$(number asked)" --state fail --reason "no luck"
    is "a trial that runs" strix study ask net --store "$url"
    is "a trial that waits" strix study add net rate=0.02 --store "$url"
    is "Optuna loads it in every state, with plots and importances" \
        optuna load "$theirs" net COMPLETE PRUNED FAIL RUNNING WAITING
    is "its dashboard serves it" optuna dashboard "$theirs" net
    strix tune net.cfg --threads 1 --set "study.store=\"$url\"" --trials 40 >tuned 2>&1 & a=$!
    optuna work "$theirs" net 15 >worked 2>&1
    is "Optuna's TPE goes on with it, beside a worker of strix" test $? = 0
    wait $a
    is "which does not mind" test $? = 0
    is "both load what came of it" optuna load "$theirs" net COMPLETE PRUNED FAIL RUNNING
    strix study trials net --store "$url" --csv >rows
    is "with each trial once" test "$(sed 1d rows | cut -d, -f1 | sort -u | wc -l)" = "$(sed 1d rows | wc -l)"
    is "and every suggestion of strix can be asked again" strix study replay net --store "$url"
    rows() { strix study trials net --store "$url" --csv | sed 1d | wc -l; }
    { printf 'def run(p):\n    return 0.5\n\n\n'; strix study show net --python --store "$url"; } >worker.py
    before=$(rows)
    is "the worker of show --python" "$python" worker.py
    is "adds its ten trials" test "$(rows)" = $((before + 10))
    is "a stop" strix study stop net --store "$url"
    is "reaches it" "$python" worker.py
    is "after its trial" test "$(rows)" = $((before + 11))
    halves="--set study.store=\"$url\" --set study.name=halves --set tune.pruner.type=asha --unset tune.pruner.startup --unset tune.pruner.warmup"
    is "halving" strix tune net.cfg --threads 1 $halves
    is "Optuna sees what was paused at the end as pruned" optuna load "$theirs" halves COMPLETE PRUNED
    is "a larger study takes some of it up" strix tune net.cfg --threads 1 $halves --trials 30
    is "and Optuna loads it again" optuna load "$theirs" halves COMPLETE PRUNED
}
both sqlite:peers.db sqlite:///peers.db
data optuna/sample.db
url=sqlite:sample.db
is "a study of Optuna is shown" strix study show vggstrix-sample --store "$url"
strix study ask vggstrix-sample --store "$url" >asked
is "and gone on with" strix study tell vggstrix-sample "$(number asked)" 0.5 --store "$url"
is "and Optuna loads it again" optuna load sqlite:///sample.db vggstrix-sample COMPLETE PRUNED FAIL RUNNING
if server; then
    sql "CREATE DATABASE s" postgres
    both "postgresql:///s?host=$tmp&user=strix" "postgresql+psycopg2://strix@/s?host=$tmp"
else
    n=$((n + 1)) && echo "ok $n # SKIP no PostgreSQL: $why"
fi
echo "1..$n"
