#!/bin/sh
# test_tune.sh: strix tune, worker and study as a user meets them: continuing, kills at any moment, signals, damaged stores.
. "${STRIX_SOURCE:?run by make check}/tests/search.sh"

# --- A study, and on with it ---
ok 'a search ends with 0' strix tune net.cfg --threads 1
is 'it shows the best trial and the report' has out 'best trial'
is 'with the accuracy of the test part' has out '    accuracy'
is 'all trials are complete' states net complete 4
points net >first
ok 'the same command again' strix tune net.cfg --threads 1
is 'says that all is done' has err 'study net is complete, 4 of 4 trials done'
points net >second
is 'does nothing more' same first second
ok 'more trials' strix tune net.cfg --threads 1 --trials 6
is 'says how many there are' has err 'study net goes on, 4 of 6 trials done'
is 'are added to those' numbers net 6
points net | head -n 5 >second
is 'and leave them as they were' same first second
ok 'every suggestion can be asked again' strix study replay net
ok 'the best configuration' sh -c 'strix study best net --config >best.cfg && strix train best.cfg --dir best --threads 1'
is 'only the weights of the best three are kept' [ "$(ls studies/net.runs/*/best.safetensors | wc -l)" = 3 ]
ok 'JSON' sh -c 'strix tune net.cfg --threads 1 --json >doc 2>&1 && grep -q "\"best\"" doc'

ok 'a list of choices that is a range now is refused' ends 3 strix tune net.cfg --set 'tune.space={ rate = { loguniform = [1e-4, 1e-1]; }; units = { uniform = [4.0, 16.0]; }; }'
is 'with what differs' has err "'units'"
ok 'but may begin anew' strix tune net.cfg --set 'tune.space.units.int=[4,32,4]' --fresh --trials 2
is 'beside the old one' has out 'study net: 2 trials'
ok 'which is kept' sh -c 'strix study show net.1 --store sqlite:studies/net.db | grep -q "trials *6"'
ok 'a list' sh -c 'strix study list | grep -q "^net.1"'

ok 'no such trial' ends 2 strix train net.cfg --trial 99
ok 'is wrong usage in both' ends 2 strix study tell net 99 1

named() { echo "--set study.name=$1 --set study.store=sqlite:studies/$1.db"; }

# --- Data that one point alone cannot read fail its trial; data that none can read end the search ---
cat >where.cfg <<'END'
extends = [ "net.cfg" ];
remove = [ "tune.space", "tune.sampler.startup" ];
vars = { where = "idx"; };
dataset = { dir = "${where}"; };
tune = { trials = 3; sampler = { type = "grid"; }; space = { where = { choice = [ "gone", "idx", "lost" ]; }; }; };
END
ok 'a search over data, some of which are not there' strix tune where.cfg --threads 1 $(named where)
is 'trains those that are' states where complete 1
is 'and fails the others' states where failed 2
is 'with the reason' sh -c 'strix study trials where | grep -q gone'
ok 'where `vars` has none either, the search ends' ends 5 strix tune where.cfg --threads 1 $(named none) --set vars.where=never \
    --set 'tune.space.where.choice=["gone","lost"]'
is 'and no trial is lost' states none failed 0

# --- One worker or two ---
for sampler in random grid; do
    for jobs in 1 2; do
        strix tune net.cfg --threads 1 --jobs $jobs --set "study.name=$sampler$jobs" --set "study.store=sqlite:studies/$sampler$jobs.db" \
            --set "tune.sampler.type=$sampler" --unset tune.sampler.startup --trials 6 --set train.epochs=1 >out 2>err || echo "not ok - $sampler $jobs"
        points $sampler$jobs >$sampler$jobs
    done
    is "$sampler: one worker or two, the same points and values" same ${sampler}1 ${sampler}2
done
ok 'two workers with TPE' strix tune net.cfg --threads 1 --jobs 2 --set study.name=two --set study.store=sqlite:studies/two.db --trials 8
ok 'replay as well' strix study replay two
is 'numbers without holes' numbers two 8

# --- As many at a time as pay ---
ok 'trials at a time by measurement' strix tune net.cfg --jobs auto --threads 2 --trials 2 $(named auto)
is 'what was measured is told' has err 'at a time, .* rows a second'
ok 'the study goes on' strix tune net.cfg --jobs auto --threads 2 --trials 4 $(named auto)
is 'with the same' has err 'at a time, .*, as was measured'
is 'with as many threads in all as wanted' grep -Eq '^(1 trial at a time, 2 threads|2 trials at a time, 1 thread) each' err
ok 'on other cores' strix tune net.cfg --jobs auto --threads 1 --trials 5 $(named auto)
is 'there is nothing to divide' has err 'nothing to divide'
for jobs in many 0 1025 2x ''; do ok "--jobs '$jobs'" ends 2 strix tune net.cfg --jobs "$jobs"; done

# --- Kills. What was never killed is the measure: nothing may be lost, no number may differ ---
long='--threads 1 --set train.epochs=60 --trials 3 --set study.heartbeat=1'
strix tune net.cfg $long $(named calm) >out 2>err
points calm >calm
is 'the undisturbed study is complete' states calm complete 3

strix tune net.cfg $long $(named killed) >out 2>err &
tune=$!
pid=$(worker_at killed 10) && kill -9 "$pid"
wait $tune
is 'a killed worker is replaced, and the search ends well' [ $? = 0 ]
points killed >killed
is 'no number differs from the undisturbed study' same calm killed
is 'one trial was taken over' [ "$(attempts killed 2)" = 1 ]
is 'from its checkpoint' [ "$(cat studies/killed.runs/*/log.jsonl | wc -l)" -le 181 ]

strix tune net.cfg $long $(named orphan) >out 2>err &
tune=$!
pid=$(worker_at orphan 10) && kill -9 $tune
wait $tune 2>/dev/null
for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.05; done
is 'a killed supervisor leaves no worker behind' sh -c "! kill -0 $pid 2>/dev/null"
ok 'the same command continues' strix tune net.cfg $long $(named orphan)
points orphan >orphan
is 'with the same numbers' same calm orphan

# An epoch of two seconds: the worker of a killed supervisor ends before the same command begins a trial.
cat >slow.cfg <<'END'
extends = [ "net.cfg" ];
remove = [ "model.layers" ];
model = { layers = { flat = { type = "flatten"; }; wait = { type = "hang"; ms = 1; };
  fc = { type = "dense"; units = "units"; activation = "${act}"; }; out = { type = "dense"; units = 5; activation = "softmax"; };
}; };
tune = { trials = 2; };
train = { epochs = 2; };
END
usual=$STRIX_PLUGIN_PATH
export STRIX_PLUGIN_PATH="$usual:$STRIX_BUILD/tests/plugins"
slow="--threads 1 $(named hasty)"
strix tune slow.cfg $slow >out 2>err &
tune=$!
pid=$(worker_at hasty 1) && kill -9 $tune
ok 'the same command at once' strix tune slow.cfg $slow --events told
is 'goes on with the trial of the killed one, whose worker gives it back' [ "$(grep -m 1 trial_start told | grep -c '"trial": *0,')" = 1 ]
is 'and loses none of its attempts' [ "$(attempts hasty 1)" = 2 ]
is 'and no epoch' sh -c "[ \$(cat studies/hasty.runs/trial-0000/log.jsonl | wc -l) = 2 ]"
export STRIX_PLUGIN_PATH="$usual"

strix tune net.cfg $long $(named both) >out 2>err &
tune=$!
pid=$(worker_at both 10) && kill -9 $tune "$pid" # in this order: no other worker is hired
wait $tune 2>/dev/null
for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.05; done
ok 'worker and supervisor killed: the same command continues' strix tune net.cfg $long $(named both)
points both >both
is 'with the same numbers again' same calm both

strix tune net.cfg $long $(named stopped) >out 2>err &
tune=$!
worker_at stopped 10 >/dev/null && kill -INT $tune
wait $tune
is 'a first SIGINT finishes the epoch and ends with 130' [ $? = 130 ]
is 'its trial waits for whoever continues' states stopped running 1
ok 'the same command continues' strix tune net.cfg $long $(named stopped)
points stopped >stopped
is 'with the same numbers once more' same calm stopped
is 'a stop by hand costs no attempt' [ "$(attempts stopped 1)" = 3 ]

# --- What would fail every trial fails none ---
mv idx away
for try in 1 2 3 4; do ok 'without data the search ends with 5' ends 5 strix tune net.cfg --threads 1 $(named nodata); done
is 'and says why, once' [ "$(grep -c 'error:' err)" = 1 ]
mv away idx
is 'and no trial is spent' states nodata failed 0
ok 'with data it goes on' strix tune net.cfg --threads 1 $(named nodata)
is 'to the end' states nodata complete 4
is 'and no attempt was' [ "$(attempts nodata 1)" = 4 ]
ok 'where every trial diverges it ends with 1' ends 1 strix tune net.cfg --threads 1 $(named wild) --set 'train.divergence=1e-6'
is 'each with its reason' [ "$(strix study trials wild --csv | grep -c 'failed.*loss is')" = 4 ]
ok 'a constraint that nothing keeps' ends 1 strix tune net.cfg --threads 1 $(named tight) --set 'tune.constraints=["parameters() < 3"]'
is 'is said' has err 'constraints'

ok 'three workers' strix tune net.cfg --threads 1 --jobs 3 $(named crew) --trials 9 --set train.epochs=1
is 'leave the weights of three trials, too' [ "$(ls studies/crew.runs/*/best.safetensors | wc -l)" = 3 ]
sed 's/tune = { /tune = { constraints = [ "unitz < 3" ]; /' net.cfg >odd.cfg
ok 'an unknown name in a constraint' ends 3 strix tune odd.cfg
is 'is told with its line' has err '^odd.cfg:[0-9]*: error: .*unitz'
odd='--set study.name=odd --set study.store=sqlite:studies/odd.db'
for what in 'ask odd.cfg' 'create odd.cfg' 'add odd.cfg rate=0.02'; do
    ok "study $what" ends 3 strix study $what $odd
    is 'once' [ "$(grep -c 'error:' err)" = 1 ]
    is 'and where' has err '^odd.cfg:[0-9]*: error: .*unitz'
done
is 'and nothing was stored' [ ! -e studies/odd.db ]

# --- Nets that cannot be built ---
sed '/flat = /d' net.cfg >bare.cfg
ok 'a net that cannot be built, and no space' ends 3 strix tune bare.cfg --threads 1 $(named bare) --unset tune.space --unset tune.sampler.startup
is 'is told with its line' has err '^bare.cfg:[0-9]*: error: dense wants one axis'
ok 'so does its training end' ends 3 strix train bare.cfg --threads 1 --dir bare
ok 'and its benchmark' ends 3 strix bench step bare.cfg --threads 1
ok 'a space without a net' ends 3 strix tune bare.cfg --threads 1 $(named bare)
is 'is told with its line, too' has err '^bare.cfg:[0-9]*: error: dense wants one axis'
is 'and not of constraints' lacks err 'constraint'
ok 'a finite one as well' ends 3 strix tune bare.cfg --threads 1 $(named finite) --unset tune.space.rate
is 'with the line' has err '^bare.cfg:[0-9]*: error: dense wants one axis'
sed 's/ flat = .*/&\n  norm = { type = "batchnorm"; debais = true; when = "act == '"'tanh'"'"; };/' net.cfg >part.cfg
ok 'a mistake in a part of the space' strix tune part.cfg --threads 1 $(named part) --trials 6 --jobs 2
is 'is warned about once, with its line' [ "$(grep -c "^part.cfg:[0-9]*: warning: batchnorm has no parameter 'debais'" err)" = 1 ]
is 'and with its hint' has err "Did you mean 'debias'"
is 'and is counted' has err 'suggestion.* refused; .* made no net (the first: part.cfg:[0-9]*: batchnorm'
is 'the search goes on' states part complete 6
ok 'asking' sh -c 'for i in 1 2 3 4 5 6; do strix study ask part.cfg --set study.name=asked; done'
is 'warns, too' has err "^part.cfg:[0-9]*: warning: batchnorm has no parameter 'debais'"
ok 'variables outside the space' strix tune net.cfg --threads 1 $(named outside) --trials 1 --set vars.rate=5.0
is 'are warned about' has err "the values of 'vars' are not in the space"

# --- Scripts ---
cat >space.cfg <<'END'
vars = { x = 1.0; y = 2.0; };
tune = { direction = "minimize"; space = { x = { uniform = [ -5.0, 10.0 ]; }; y = { uniform = [ 0.0, 15.0 ]; }; }; };
END
ok 'ask' strix study ask space.cfg
is 'prints JSON' has out '{"number": 0, "values": {"x": 1.0, "y": 2.0}}'
ok 'tell' strix study tell space 0 0.25
ok 'tell a failure' sh -c 'strix study ask space.cfg && strix study tell space 1 --state fail --reason "no luck"'
ok 'tell a negative value' sh -c 'strix study ask space && strix study tell space 2 -1.5e-2'
is 'which is no option' sh -c 'strix study trials space --csv | grep -q "^2,complete,-0.015,"'
ok 'a value as C writes it is none' ends 2 strix study tell space 3 0x10
ok 'and one without an end' sh -c 'strix study ask space && strix study tell space 3 -inf'
ok 'a seed is for a file' ends 2 strix study ask space --seed 7
ok 'tell twice is refused' ends 2 strix study tell space 0 0.5
is 'and says what the trial is' has err 'trial 0 is complete, not running'
ok 'add, and ask for it' sh -c 'strix study add space.cfg x=3.5 && strix study ask space | grep -q "\"x\": 3.5"'
ok 'a study without a model cannot be tuned' ends 3 strix worker --store sqlite:studies/space.db --study space
is 'says who runs it' has err 'strix study ask'
ok 'nor confirmed' ends 3 strix study confirm space
is 'says who runs it' has err 'strix study ask'
ok 'a stopped study gives no trial' sh -c 'strix study stop space && ! strix study ask space'
is 'and says what goes on' has err 'strix study resume'
strix study resume space >out

# --- Stores that cannot be used ---
head -c 100 /dev/zero | tr '\0' 'x' >studies/bad.db
cat studies/net.db >>studies/bad.db
cksum studies/bad.db >before
ok 'a damaged database ends with 7' ends 7 strix tune net.cfg --set study.name=net --set study.store=sqlite:studies/bad.db
is 'says which' has err 'bad.db'
cksum studies/bad.db >after
is 'and is left alone' same before after
if command -v python3 >/dev/null; then
python3 -c 'import sqlite3; sqlite3.connect("other.db").execute("CREATE TABLE notes (text)")'
ok 'a database of another program' ends 7 strix study list --store sqlite:other.db
is 'is called so' has err 'other.db is a database of another program'
cp studies/net.db later.db && python3 -c 'import sqlite3; d = sqlite3.connect("later.db")
d.execute("UPDATE alembic_version SET version_num = \"v9\""); d.commit()'
for what in list 'show net' 'best net'; do
    ok "$what: a later schema is read" strix study $what --store sqlite:later.db
    is 'with a warning' has err 'warning: .*revision v9 .* it can be read, not written'
done
ok 'but not written' ends 7 strix study add net --store sqlite:later.db rate=0.02
cp studies/space.db torn.db && python3 -c 'import sqlite3; d = sqlite3.connect("torn.db")
page, = d.execute("SELECT rootpage FROM sqlite_master WHERE name = \"trials\"").fetchone()
size, = d.execute("PRAGMA page_size").fetchone(); d.close()
f = open("torn.db", "r+b"); f.seek((page - 1) * size); f.write(b"x" * size)'
for what in 'show space' 'best space' 'best space --trial 0' 'trials space' 'tell space 0 1' 'skip space 0'; do
    ok "$what: a database whose trials are damaged ends with 7" ends 7 strix study $what --store sqlite:torn.db
    is 'and one error' [ "$(grep -c '^error: ' err)" = 1 ]
done
fi
# For somebody who may not write: root may everything, so it gives that up.
mkdir locked && cp studies/net.db locked/ && chmod 555 locked && chmod 444 locked/net.db && chmod 755 "$tmp"
less='setpriv --bounding-set=-dac_override,-dac_read_search --inh-caps=-dac_override,-dac_read_search'
other=; [ "$(id -u)" != 0 ] || ! $less true 2>/dev/null || other=$less
if [ "$(id -u)" = 0 ] && [ -z "$other" ]; then echo "ok $((n += 1)) - a read-only folder # SKIP no setpriv"; else
    ok 'a study in a read-only folder is shown' env HOME="$tmp" $other strix study best net --store sqlite:locked/net.db
    ok 'and listed' env HOME="$tmp" $other strix study list --store sqlite:locked/net.db
    ok 'not written' ends 7 env HOME="$tmp" $other strix study add net --store sqlite:locked/net.db rate=0.02
    chmod 755 locked && echo x >locked/net.db-wal && chmod 555 locked
    ok 'nor read where its log would be lost' ends 7 env HOME="$tmp" $other strix study show net --store sqlite:locked/net.db
    is 'which is said' has err 'is not merged yet'
fi
chmod 755 locked
ok 'no such study' ends 5 strix study show nothing
ok 'an unknown action' ends 2 strix study shwo net
is 'has a hint' has err "'show'"
ok 'beside an option of another one' ends 2 strix study shwo net --csv
is 'still' has err "Did you mean 'show'"
is 'and nothing about the option' sh -c '! grep -q csv err'
ok 'a study that is not there' ends 5 strix study show net9 --store sqlite:studies/net.db
is 'has a hint, too' has err 'strix study list.*--store URL'
ok 'a damaged file in the folder' strix study list --json
is 'is a warning' has err 'warning: .*bad.db'
is 'and the others are listed' has out '"study": "net"'
ok 'where it is named it is an error' ends 7 strix study list --store sqlite:studies/bad.db
echo "1..$n"
