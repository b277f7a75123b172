#!/bin/sh
# test_study.sh: what a user does with a study that is there: points known before, stop and skip, replicas, confirm, another
# space, vectors of blocks; and workers under a scheduler. Once with SQLite, then orders and repeats with PostgreSQL.
. "${STRIX_SOURCE:?run by make check}/tests/search.sh"
q='-q --threads 1'
named() { echo "--set study.name=$1 --set study.store=sqlite:studies/$1.db"; }
value() { strix study trials "$1" --csv | awk -F, -v t="$2" '$1 == t { print $3 }'; }
reason() { strix study trials "$1" --json | grep -o '"reason": .*' | sed -n "$(($2 + 1))p"; }
json() { # a document, a path that Python would take: .study
    sed -n "s/^ *\"$2\": \\(.*[^,]\\),*$/\\1/p" "$1" | head -n 1
}

fits() { "$STRIX_BUILD/tests/schema" "$STRIX_SOURCE/tests/schemas/$1.txt" <"${2:-out}"; }

# --- Points known before ---
ok 'a point of words and --set' strix study add net.cfg --set rate=0.02 act=tanh
is 'waits' has out 'trial 0 waits'
cat >points.cfg <<'END'
points = ( { rate = 0.05; units = 12; act = "relu"; }, { act = "relu"; } );
END
printf '{"rate": 0.03, "units": 16}\n{"number": 3, "values": {"rate": 0.001}}\n' >points.json
ok 'a file of points' strix study add net points.cfg
is 'is as many trials' has out 'trial 2 waits'
ok 'JSON lines' strix study add net points.json --json
is 'and what it says is JSON' has out '"added": \[3, 4\]'
is 'as promised' fits study-add
ok 'an experiment' sh -c 'strix study add net net.cfg >said && grep -q "trial 5 waits" said'
ok 'a value outside its range' ends 2 strix study add net rate=3
is 'is told what the range is' has err 'Its values are 0.0001 to 0.1'
ok 'a value between the steps' ends 2 strix study add net units=5
is 'and which there are' has err 'Its values are 4 to 16 by 4'
ok 'a word that is no option' ends 2 strix study add net act=sigmoid
is 'and what the options are' has err 'Its values are relu, tanh'
ok 'an unknown name' ends 2 strix study add net unit=8
is 'has a hint' has err "'units'"
ok 'a name given twice' ends 2 strix study add net rate=0.01 --set rate=0.02
ok 'a file that is not there' ends 5 strix study add net nowhere.cfg
limit='--set tune.constraints=["units<10"]'
ok 'a point that breaks a constraint' ends 2 strix study add net.cfg $limit $(named limit) units=16 rate=0.01 act=relu
is 'is told which' has err 'units<10'
ok 'and one that keeps it waits' strix study add net.cfg $limit $(named limit) units=8 rate=0.01 act=relu
ok 'a part that no point keeps it with' strix study add net.cfg $limit $(named limit) units=16
ok 'costs' strix tune net.cfg $q $limit $(named limit) --trials 3
ok 'that trial' sh -c '[ "$(strix study trials limit --csv | cut -d, -f2 | tail -n 3 | tr "\n" " ")" = "complete failed complete " ]'
ok 'which tells why' sh -c 'strix study trials limit --json | grep -q "\"reason\": .*units<10"'
pair='--set tune.constraints=["units*rate<0.2"]'
ok 'a part of a point' strix study add net.cfg $pair $(named pair) units=16
ok 'is tried' strix tune net.cfg $q $pair $(named pair) --trials 3
ok 'with what keeps the constraint' sh -c 'strix study trials pair --json | python3 -c "
import json, sys
for t in json.load(sys.stdin)[\"trials\"]:
    v = t[\"values\"]
    assert t[\"state\"] == \"complete\" and v[\"units\"] * v[\"rate\"] < 0.2, t
    assert t[\"number\"] or v[\"units\"] == 16, t"'
printf 'points = ( { rate = 0.05; }, { rate = 7.0; } );\n' >half.cfg
ok 'of a list with one wrong point' ends 2 strix study add net half.cfg
is 'is told its place' has err '^half.cfg:1: error: .rate. cannot be 7'
printf '{"rate": 0.05}\n\n{"rate": 0.06}\n{"rate": 7}\n' >half.json
ok 'of lines of JSON' ends 2 strix study add net half.json
is 'is told its line' has err '^half.json:4: error: .rate. cannot be 7'
printf '[{"rate": 0.05},\n{"rate": 7}]\n' >half.json
ok 'of a list of JSON' ends 2 strix study add net half.json
is 'is told its number' has err '^half.json, point 2: error: .rate. cannot be 7'
printf '{"units": 8, "rate": 0.01, "act": "relu"}\n{"units": 16, "rate": 0.01, "act": "relu"}\n' >half.json
ok 'and one that breaks a constraint' ends 2 strix study add net.cfg $limit $(named limit) half.json
is 'is told its line, too' has err '^half.json:2: error: the point cannot be a trial'
ln='--set tune.space={rate={lognormal=[-5.0,1.0];};}'
ok 'a lognormal variable is above 0' ends 2 strix study add net.cfg $ln $(named ln) rate=0
is 'as is said' has err 'Its values are numbers above 0'
ok 'nothing less' ends 2 strix study add net.cfg $ln $(named ln) rate=-2
ok 'but any number above' strix study add net.cfg $ln $(named ln) rate=1e-9
printf '{"rate": ' >bad.json
ok 'JSON that is cut off' ends 3 strix study add net bad.json
printf '[1, 2]' >bad.json
ok 'JSON without names' ends 3 strix study add net bad.json
printf 'points = ();' >none.cfg
ok 'no point at all' ends 2 strix study add net none.cfg
ok 'nothing to add' ends 2 strix study add net
: >none.cfg
ok 'an empty file' ends 2 strix study add net none.cfg
ok 'a dry run' strix study add net rate=0.02 -n
is 'says what it would do' has out '1 trial would wait'
printf '{"rate": 0.05}\n\n{"rate": 0.06,\n "units": }\n' >bad.json
ok 'JSON lines with a mistake' ends 3 strix study add net bad.json
is 'are told its line' has err '^bad.json:4: error: '
printf '{"rate": 0.05}\n\n  7\n' >bad.json
ok 'JSON lines, one of them no point' ends 3 strix study add net bad.json
is 'are told its line' has err '^bad.json:3: error: '
printf '[]' >none.json
printf '{"rate": 0.05}' >one.json
ok 'a file without a point beside one with a point' ends 2 strix study add net one.json none.json
is 'is told which' has err 'none.json holds no point'
printf 'vars = { unit = 8; };' >none.cfg
ok 'vars of another space' ends 2 strix study add net none.cfg
is 'are told with their place, and what there is' sh -c 'grep -q "^none.cfg:1: error: the space has no .unit." err &&
    grep -q "Its variables are .*units" err'
ok 'a word without a value' ends 5 strix study add net rate
is 'has a hint' has err 'or write rate=VALUE'
ok 'a dry run of what has none' ends 2 strix study stop net --dry-run
ok 'an edit of an experiment for a study' ends 2 strix study add net rate=0.02 --set tune.trials=3
ok 'an option of another action' ends 2 strix study trials net --state fail
is 'is told whose it is' has err '--state is an option of study tell'
ok 'two names of a study' ends 2 strix study show net --study other
is 'are both told' has err 'two studies are named: net and --study other'
ok 'an experiment and another name' ends 2 strix study ask net.cfg --study other
ok 'the same name twice' strix study show net --study net
ok 'a name for the list' ends 2 strix study list --study net
ok 'two forms of one table' ends 2 strix study trials net --csv --json
ok 'a program as JSON' ends 2 strix study show net --python --json
is 'nothing was queued by any of these' states net waiting 6
ok 'a trial that waits is not trained' ends 2 strix train net.cfg $q --trial 0
is 'since it has no point' has err "trial 0 of study 'net' waits"
ok 'nor has it a configuration' ends 2 strix study best net --trial 0 --config
ok 'a file with edits and a point' strix study add net.cfg $(named other) --set vars.rate=0.05
is 'is for the study that they name' states other waiting 1
ok 'they run first' strix tune net.cfg $q --trials 8
is 'as they were given' sh -c 'strix study trials net --csv | cut -d, -f6-8 | sed -n "2p;3p;7p" >got; printf "%s\n" 0.02,12,tanh 0.05,12,relu 0.01,8,relu | cut -c1-5 >want; cut -c1-5 got | cmp - want'
is 'what was not named is the sampler’s' [ "$(strix study trials net --csv | sed -n 6p | cut -d, -f6)" = 0.001 ]
is 'and the rest was suggested' states net complete 8
ok 'show' strix study show net --json
is 'in JSON as promised' fits study-show

# --- Stop, resume, skip ---
long='--threads 1 --set train.epochs=4000 --trials 2 --set study.heartbeat=1 --set train.batch=32'
strix tune net.cfg $long $(named stop) >tune.out 2>tune.err &
tune=$!
worker_at stop 3 >/dev/null
ok 'a study is stopped from another shell' strix study stop stop
wait $tune
is 'its tune ends with 0' [ $? = 0 ]
is 'says why' has tune.err 'stopped'
is 'the trial waits' states stop running 1
ok 'show tells it' sh -c 'strix study show stop | grep -q "^stopped"'
ok 'no worker starts anything' strix worker --store sqlite:studies/stop.db --study stop --threads 1
is 'and says why' has err 'is stopped'
is 'it has ended in no other way' states stop running 1
ok 'nothing is asked for' ends 1 strix study ask stop
is 'and it is said' has err 'was stopped'
ok 'resume' strix study resume stop
ok 'twice is fine' strix study resume stop --json
is 'and JSON' has out '"stopped": false'
is 'as promised' fits study-stop
strix tune net.cfg $long $(named stop) >tune.out 2>tune.err &
tune=$!
worker_at stop 5 >/dev/null
ok 'a running trial is skipped' strix study skip stop 0 --json
is 'in JSON' fits study-skip
worker_at stop 1 >/dev/null
is 'its worker goes on with the next one' states stop pruned 1
is 'the reason is kept' [ "$(reason stop 0)" = '"reason": "skipped by hand",' ]
ok 'skip and stop' sh -c 'strix study skip stop 1 && strix study stop stop'
wait $tune
is 'the end of a study that was skipped to its end' [ $? = 1 -o $? = 0 ]
ok 'an ended trial is not skipped' ends 2 strix study skip stop 0
ok 'nor one that is not there' ends 2 strix study skip stop 7
ok 'nor a word' ends 2 strix study skip stop best
ok 'a queued one is' sh -c 'strix study add stop rate=0.05 && strix study skip stop 2'
is 'and was queued' sh -c 'strix study trials stop --json | tr -d "\n" | grep -q "\"number\": 2,.*\"queued\": true"'
is 'and never starts' states stop pruned 3
is 'what it was to be is shown' [ "$(strix study trials stop --csv | awk -F, '$1 == 2 { print $6 }')" = 0.05 ]
ok 'the next tune undoes the stop' strix tune net.cfg $q $(named stop) --trials 4 --set train.epochs=2
is 'and runs' states stop complete 1
ok 'stop needs a study' ends 5 strix study stop nothing
ok 'and a name' ends 2 strix study stop

# --- Replicas ---
ok 'replicas' strix tune net.cfg $q $(named three) --trials 2 --set tune.replicas=3
is 'the value is their mean' sh -c "strix study trials three --json | tr -d '\n ' | grep -o '\"val_loss\":\[[^]]*' | head -1 | tr -c '0-9.e-' '\n' | awk 'length > 3 && /\\./ { s += \$1; n++ } END { printf \"%d %.9f\\n\", n, s / n }' >got
    strix study trials three --csv | awk -F, '\$1 == 0 { printf \"3 %.9f\\n\", \$3 }' | cmp - got"
is 'the spread is shown' sh -c 'strix study trials three | grep -q " +- "'
ok 'JSON has each of them' strix study trials three --json
is 'as promised' fits study-trials
ok 'of the best one' strix study best three --json
is 'as well' fits study-best
is 'best shows it, too' sh -c 'strix study best three | grep -q " +- "'
is 'the first is that of a study without' [ "$(strix study trials three --json | tr -d '\n ' | grep -o '"val_loss":\[[0-9.]*' | head -1 | cut -d'[' -f2)" = "$(strix tune net.cfg $q $(named plain) --trials 1 >/dev/null && value plain 0)" ]
is 'each has a directory' [ "$(ls -d studies/three.runs/trial-0000/replica-* | wc -l)" = 2 ]
strix tune net.cfg --threads 1 $(named calm) --trials 1 --set tune.replicas=3 --set train.epochs=60 >out 2>err
strix tune net.cfg --threads 1 $(named killed) --trials 1 --set tune.replicas=3 --set train.epochs=60 --set study.heartbeat=1 >out 2>err &
tune=$!
for _ in $(seq 400); do grep -q '"epoch": 20,' studies/killed.runs/trial-0000/replica-1/log.jsonl 2>/dev/null && break; sleep 0.02; done
pid=$(worker_at killed 1) && kill -9 "$pid" && kill -9 $tune
wait $tune 2>/dev/null
ok 'killed in the second replica, it goes on' strix tune net.cfg $q $(named killed) --trials 1 --set tune.replicas=3 --set train.epochs=60
is 'to the same value' [ "$(value calm 0)" = "$(value killed 0)" ]
is 'without training the first again' [ "$(wc -l <studies/killed.runs/trial-0000/log.jsonl)" = 60 ]
strix study trials calm --json | sed -n '/"reports"/,$p' >want
strix study trials killed --json | sed -n '/"reports"/,$p' >got
is 'and with the same mean curve' same want got
ok 'no replicas' ends 3 strix tune net.cfg $(named none) --set tune.replicas=0

# --- Confirm ---
ok 'confirm' strix study confirm net --top 2 --seeds 3 --jobs 2 $q
is 'shows validation and test' has out 'val_loss .*test_accuracy'
is 'two trials' [ "$(grep -c '{"rate"' out)" = 2 ]
is 'each with spread and interval' [ "$(grep -c '[0-9] +- [0-9.]* \[[-0-9.]*, [-0-9.]*\]' out)" = 2 ]
cp out first
show() { strix study show net.confirm --store sqlite:studies/net.db; }
is 'its runs are a study beside' sh -c 'strix study list | grep -q "^net.confirm  *6 "'
ok 'again' strix study confirm net --top 2 --seeds 3 $q
is 'does nothing more' same first out
ok 'more seeds' strix study confirm net --top 2 --seeds 4 --json $q
is 'are added' [ "$(json out runs)" = 4 ]
is 'in the form that is promised' fits study-confirm
is 'to those that there were' sh -c 'strix study list | grep -q "^net.confirm  *8 "'
is 'every run has a seed of its own' [ "$(strix study trials net.confirm --store sqlite:studies/net.db --csv | awk -F, 'NR > 1 { print $3 }' | sort -u | wc -l)" = 8 ]
strix study confirm net --top 1 --seeds 6 $q --set train.epochs=1 >want 2>err
ok 'a study to be killed' strix tune net.cfg $q $(named hurt) --trials 3 --set train.epochs=200
cp studies/hurt.db* . 2>/dev/null
strix study confirm hurt --top 1 --seeds 4 $q >want
mv hurt.db* studies/ && rm -rf studies/hurt.runs.confirm
for try in 1 2 3; do
    strix study confirm hurt --top 1 --seeds 4 $q >out 2>err &
    confirm=$!
    sleep 0.1
    kill -9 $confirm 2>/dev/null
    wait $confirm 2>/dev/null
done
ok 'confirm killed three times goes on' strix study confirm hurt --top 1 --seeds 4 $q
is 'to the same table' same want out
ok 'set aside' strix tune net.cfg $q --fresh --trials 4
ok 'confirm begins anew' strix study confirm net --top 1 --seeds 2 $q
is 'beside that of the old study' sh -c 'strix study list | grep -q "^net.1.confirm  *[0-9]" && strix study list | grep -q "^net.confirm  *2 "'
is 'with its runs' [ -d studies/net.runs.1.confirm/trial-0000 ]
ok 'none is complete' ends 5 strix study confirm space
ok 'nothing to confirm' ends 2 strix study confirm net --top 0
ok 'no seeds' ends 2 strix study confirm net --seeds 0

# --- Another space ---
space() { # study, trials, space
    strix tune net.cfg $q $(named "$1") --trials "$2" --set "tune.space={ $3 }" >out 2>err
}
rate='rate = { loguniform = [1e-4, 1e-1]; };'
ok 'a study' space moves 6 "$rate units = { int = [4, 16, 4]; }; act = { choice = [\"relu\", \"tanh\"]; };"
ok 'wider ranges, more choices' space moves 8 "$rate units = { int = [4, 32, 4]; }; act = { choice = [\"selu\", \"relu\", \"tanh\"]; };"
is 'in one line' [ "$(grep -c "another space now: 'units' was 4 to 16 by 4, and is 4 to 32 by 4; 'act' was .*; 6 of 6 ended trials fit" err)" = 1 ]
is 'before the search' sh -c 'head -n 1 err | grep -q "another space now"'
ok 'the same once more' space moves 9 "$rate units = { int = [4, 32, 4]; }; act = { choice = [\"selu\", \"relu\", \"tanh\"]; };"
is 'says nothing' sh -c '! grep -q "space" err'
ok 'what was asked for since then can be asked again' strix study replay moves --json
is 'JSON' fits study-replay
ok 'narrower ranges, fewer choices' space moves 10 "rate = { loguniform = [1e-3, 1e-1]; }; units = { int = [8, 16, 4]; }; act = { choice = [\"tanh\"]; };"
is 'a Python worker keeps to the list that the study has' sh -c 'strix study show moves --python --store sqlite:studies/moves.db | grep -q "\"act\", \[\"relu\", \"tanh\", \"selu\"\]"'
fit=$(sed -n 's/.*; \([0-9]*\) of 9 ended trials fit.*/\1/p' err)
want=$(strix study trials moves --csv | awk -F, 'NR > 1 && NR < 11 && $6 >= 1e-3 && $7 >= 8 && $7 <= 16 && $8 == "tanh"' | wc -l)
is 'keep the trials that fit' [ "$fit" = "$want" ]
is 'which are not all' [ "$fit" -lt 9 ]
for method in ped-anova fanova; do
    ok "importance by $method" strix study importance moves --method $method
    is 'leaves the others out' has err "warning: $((9 - fit)) complete trials\\? left out: the space"
    is 'and counts those that fit' has out "over $((fit + 1)) complete trial"
done
gone=$(strix study trials moves --csv | awk -F, 'NR > 1 && NR < 11 && $8 != "tanh" { print $1; exit }')
ok 'a trial that does not fit is not trained' ends 3 strix train net.cfg $q $(named moves) --trial "$gone"
is 'which is said' has err "trial $gone does not fit the space that study 'moves' has now"
is 'with the file that it had' has err "trial-000$gone/config.cfg"
ok 'one variable less' space moves 11 "$rate act = { choice = [\"relu\", \"tanh\"]; };"
is 'is said' has err "'units' is no longer searched"
is 'keeps its column in the CSV' sh -c 'strix study trials moves --csv | head -n 1 | grep -q ",rate,act,units,dir,"'
is 'with the values of old trials' sh -c 'strix study trials moves --csv | sed -n 2p | grep -q ",[a-z]*,[0-9]*,[^,]*,$"'
ok 'one more' ends 3 space moves 12 "$rate units = { choice = [4, 8]; }; act = { choice = [\"relu\", \"tanh\"]; };"
is 'of another kind is refused where it was used before' has err "'units' as .*Int"
is 'with what to do' has err 'study import'
ok 'all trials are there' numbers moves 11
units=$(strix study trials moves --json | sed -n 's/.*"units": \([0-9]*\).*/\1/p' | sed -n 3p)
ok 'an old trial has its own values in its file' sh -c "strix study best moves --trial 2 --config >was.cfg && grep -q 'units = $units;' was.cfg"
other=$(strix study trials moves --csv | awk -F, '$7 == "selu" || $8 == "selu" { print $1; exit }')
ok 'one that does not fit' ends 3 strix study best moves --trial "${other:-6}" --config
is 'says where its file is' has err 'config.cfg'
ok 'a distribution may change its step' space moves 12 "$rate units = { int = [4, 16]; }; act = { choice = [\"relu\", \"tanh\"]; };"

# --- Several objectives ---
two='tune.objective=["val_loss","parameters"]'
ok 'two objectives' strix tune net.cfg $q $(named two) --trials 8 --set "$two"
ok 'the list' strix study list
is 'says how many trials no other one beats' has out '^two  *8  *front of [1-8]  '
is 'the table no epochs' sh -c "strix study trials two | grep -q '^ *0  complete .*  -  '"
ok 'the front' strix study best two
is 'the table has both' sh -c 'strix study trials two | grep -q "val_loss [0-9.]*, parameters [0-9]"'
is 'the CSV, too' sh -c 'strix study trials two --csv | head -n 1 | grep -q "wall_s,val_loss,parameters,"'
is 'is a table' has out '^trial  *val_loss  *parameters'
strix study trials two --json >rows
ok 'in JSON' strix study best two --json
is 'as promised' fits study-front
is 'no trial of it beats another' sh -c 'grep -A2 "\"objectives\": {$" out | grep "val_loss\|parameters" | tr -dc "0-9.e\n-" | paste - - | sort -g >front
    awk "NR > 1 && \$2 >= last { exit 1 } { last = \$2 }" front && [ -s front ]'
number=$(sed -n 's/.*"number": \([0-9]*\),.*/\1/p' out | tail -1)
ok 'the file of one of them' sh -c "strix study best two --trial $number --config >one.cfg && strix check one.cfg"
ok 'a trial that is not there' ends 2 strix study best two --trial 99

ok 'a constraint that nothing keeps' ends 1 strix tune net.cfg $q $(named slow) --trials 1 --set 'tune.constraints=["seconds < 0"]'
is 'is named beside its trial' sh -c "strix study trials slow | grep -q \"complete .*breaks 'seconds < 0'\""
is 'and in the CSV' sh -c 'strix study trials slow --csv | cut -d, -f6 | tr "\n" " " | grep -q "feasible false"'
ok 'a configuration in JSON' strix study best slow --trial 0 --config --json
is 'is a text' has out '"config": "'

# --- Blocks ---
sed -e '/^vars/s/.*/vars = { rate = 0.01; n = 2; block = [ "plain", "wide" ]; units = [ 8, 32 ]; drop = [ 0.1, 0.1 ]; };/' \
    -e '/fc = /s/.*/  blocks = { repeat = "n"; index = "b"; fc = { type = "dense"; units = "units[b]"; activation = "relu"; };\
    drop = { type = "dropout"; rate = "drop[b]"; when = "block[b] == '"'wide'"'"; }; };/' net.cfg | sed '/^ *space/,$d' >blocks.cfg
cat >>blocks.cfg <<'END'
  space = { rate = { loguniform = [ 1e-4, 1e-1 ]; }; n = { int = [ 1, 3 ]; };
    block = { per = "n"; choice = ( { name = "plain"; units = { int = [ 4, 16, 4 ]; }; },
      { name = "wide"; units = 32; in = { choice = ( { name = "soft"; drop = 0.1; }, { name = "hard"; drop = { uniform = [ 0.2, 0.5 ]; }; } ); }; } ); }; }; };
END
ok 'a space of blocks' strix check blocks.cfg --space 50
is 'every point can be built' has out '50 points drawn: 50 can be built'
ok 'is searched' strix tune blocks.cfg $q --trials 10
is 'as it was suggested' strix study replay blocks
is 'with axes by block' sh -c 'strix study trials blocks | grep -q "\"in\[[0-2]\]\": \"hard\", \"drop\[[0-2]\]\": 0"'
ok 'the net of any trial' sh -c 'for t in 0 1 2 3; do strix study best blocks --trial $t --config >t.cfg && strix check t.cfg >table || exit 1
    n=$(strix study trials blocks --csv | awk -F, -v t=$t "\$1 == t { print \$7 }"); [ "$(grep -c "fc  *dense" table)" = "$n" ] || exit 1; done'
ok 'values of one block are added' strix study add blocks 'units[1]=12'
is 'the count, too, follows' strix tune blocks.cfg $q --trials 11
is 'as it was wanted' sh -c 'strix study trials blocks | grep "^ *10 " | grep -q "\"block\[1\]\": \"plain\", \"units\[1\]\": 12"'
ok 'an impossible one is refused' ends 2 strix study add blocks 'units[1]=13'

# --- Workers under a scheduler ---
strix study show net --python >worker.py
is 'a Python worker has every parameter' [ "$(grep -c 'trial.suggest_' worker.py)" = 3 ]
is 'which obeys a stop' has worker.py 'strix:stop'
is 'and the storage' has worker.py 'storage="sqlite:///studies/net.db"'
for f in perblock.cfg slurm.sbatch kubernetes.yaml; do [ -f "$STRIX_SOURCE/examples/$f" ] || echo "not ok - no $f"; done
batch=$STRIX_SOURCE/examples/slurm.sbatch
ok 'the batch script is a shell script' sh -n "$batch"
is 'it wants a study' sh -c "! sh '$batch' 2>err && grep -q STRIX_STORE err"
for option in '--array=' '--requeue' '--signal=B:TERM@' '--open-mode=append'; do is "it asks for $option" has "$batch" "^#SBATCH $option"; done
ok 'a study is made, and nothing runs' strix study create net.cfg $(named slurm) --set train.epochs=4000 --set tune.trials=1
ok 'in JSON' strix study create net.cfg $(named slurm) --set train.epochs=4000 --set tune.trials=1 --json
is 'as promised' fits study-create
strix study create net.cfg $(named slurm) --set train.epochs=4000 --set tune.trials=1 >out
is 'it is empty' has out '0 trials of 1 in sqlite:studies/slurm.db'
STRIX_STORE=sqlite:studies/slurm.db STRIX_STUDY=slurm SLURM_CPUS_PER_TASK=1 sh "$batch" >out 2>err &
job=$!
is 'it becomes the worker' [ "$(worker_at slurm 2)" = $job ]
kill -TERM $job
wait $job
is 'TERM ends it as a signal does' [ $? = 143 ]
is 'and gives its trial back' [ "$(strix study trials slurm --json | grep -c '"worker": null')" = 1 ]
is 'at no cost' [ "$(attempts slurm 0)" = 1 ]
ok 'a worker with little time' strix worker --store sqlite:studies/net.db --study net --time 0.001 $q
ok 'YAML' sh -c "command -v python3 >/dev/null && python3 -c 'import yaml' 2>/dev/null || exit 0
    python3 -c 'import sys, yaml; d = yaml.safe_load(open(sys.argv[1])); s = d[\"spec\"][\"template\"][\"spec\"]
assert d[\"kind\"] == \"Job\" and d[\"spec\"][\"parallelism\"] > 1 and s[\"restartPolicy\"] == \"OnFailure\", d
assert s[\"terminationGracePeriodSeconds\"] >= 60 and s[\"containers\"][0][\"args\"][0] == \"worker\"' '$STRIX_SOURCE/examples/kubernetes.yaml'"

# --- The same through a server, where many machines meet ---
. "$STRIX_SOURCE/tests/server.sh"
trap finish EXIT
if server; then
    sql "CREATE DATABASE s" postgres
    url="postgresql:///s?host=$tmp&user=strix"
    at="--store $url"
    set_store="study.store=$url"
    ok 'a study on a server' strix study create net.cfg --set "$set_store" --set train.epochs=4000 --set study.heartbeat=1
    ok 'a point for it' strix study add net $at rate=0.02
    strix worker $at --study net $q >work.out 2>work.err &
    worker=$!
    for _ in $(seq 200); do strix study trials net $at --json | grep -q '"step": 3' && break; sleep 0.05; done
    ok 'skip' strix study skip net 0 $at
    for _ in $(seq 200); do strix study trials net $at --csv | grep -q '^1,running' && break; sleep 0.05; done
    is 'its worker takes the next trial' sh -c "strix study trials net '--store=$url' --csv | grep -q '^0,pruned'"
    ok 'stop' strix study stop net $at
    wait $worker
    is 'ends it with 0' [ $? = 0 ]
    is 'its trial waits' sh -c "strix study trials net '--store=$url' --csv | grep -q '^1,running'"
    ok 'another space, another length' strix tune net.cfg $q --set "$set_store" --set train.epochs=3 --set train.batch=16 --trials 4 \
        --set 'tune.space.act.choice=["selu","relu","tanh"]' --set 'tune.space.units.int=[4,32,4]' --set tune.replicas=2
    is 'keeps what fits' has err '1 of 1 ended trials fit'
    is 'replicas' sh -c "strix study trials net '--store=$url' | grep -q ' +- '"
    ok 'replay' strix study replay net $at
    ok 'confirm with two workers' strix study confirm net $at --top 2 --seeds 2 --jobs 2 $q
    cp out first
    ok 'again' strix study confirm net $at --top 2 --seeds 2 $q
    is 'the same' same first out
else
    n=$((n + 1)) && echo "ok $n - through a server # SKIP $why"
fi
echo "1..$n"
