#!/bin/sh
# test_crew.sh: strix tune with pruners that pause, several objectives, a limit of time, and eight workers that are killed.
. "${STRIX_SOURCE:?run by make check}/tests/search.sh"
plugins=$STRIX_BUILD/tests/plugins
named() { echo "--set study.name=$1 --set study.store=sqlite:studies/$1.db"; }
column() { strix study trials "$1" --csv | cut -d, -f "$2"; }
# Weights, states and the optimizer's slots of a checkpoint: what stands behind its header.
bits() { tail -c +$(($(od -An -tu8 -N8 "$1") + 9)) "$1"; }
# A line for each report: number of the trial, epoch, value.
curves() { strix study trials "$1" --json | tr -d ' ,' | awk -F: '/"number"/ { n = $2 } /"reports"/ { on = 1 } /"state"/ { on = 0 }
    on && /"step"/ { step = $2 } on && /"value"/ { print n, step, $2 }'; }
# The process of the k-th of the running trials, when there are so many: one that runs alone would be killed too often.
running() { # study, k
    for _ in $(seq 20); do
        pid=$(strix study trials "$1" --json 2>/dev/null | awk -v want="$2" '/"state":/ { running = /running/ }
            /"worker":/ && running && !/null/ { gsub(/[",]/, "", $2); k = split($2, w, "-"); if (++n == want) pid = w[k - 1] } END { print pid }')
        [ -n "$pid" ] && echo "$pid" && return
        sleep 0.05
    done
    return 1
}

# --- Trials that pause on every rung, against the same trials without a pause ---
wide='--threads 1 --trials 24 --set train.epochs=9 --set tune.sampler.type=random --unset tune.sampler.startup --set tune.keep=100'
asha='--set tune.pruner.type=asha --set tune.pruner.factor=2'
ok 'a search without a pruner' strix tune net.cfg $wide $(named whole)
ok 'the same with asha' strix tune net.cfg $wide $asha $(named asha)
is 'most trials stop early' sh -c "[ \$(cat studies/asha.runs/*/log.jsonl | wc -l) -lt 108 ]"
is 'some run to the end' sh -c "strix study trials asha | grep -q 'complete.* 9 '"
equal=0 differ=0
for run in $(strix study trials asha --csv | awk -F, '$2 == "complete" { printf "trial-%04d\n", $1 }'); do
    bits studies/asha.runs/"$run"/last.safetensors >paused
    bits studies/whole.runs/"$run"/last.safetensors >never
    if cmp -s paused never; then equal=$((equal + 1)); else differ=1; fi
done
is 'those that paused three times end with the bits of those that never did' [ $equal -gt 0 -a $differ = 0 ]
column asha 1-3 | grep complete >ended
column whole 1-3 | grep -F -f ended >never
is 'and with their values' same ended never
ok 'every suggestion can be asked again' strix study replay asha

ok 'asha with two workers, stopped by its time' sh -c "strix tune net.cfg $wide $asha $(named part) --jobs 2 --time 0.2 || [ \$? = 1 ]"
paused=$(strix study trials part --csv | awk -F, '$2 == "paused" { printf "studies/part.runs/trial-%04d/last.safetensors\n", $1 }')
is 'paused trials keep their checkpoints' ls $paused
ok 'the same command continues' strix tune net.cfg $wide $asha $(named part) --jobs 2
is 'no trial is left paused' states part paused 0
is 'and then their checkpoints are gone' [ "$(ls studies/part.runs/*/last.safetensors | wc -l)" = "$(column part 2 | grep -c complete)" ]
column part 1-3 | grep complete >ended
column whole 1-3 | grep -F -f ended >never
is 'no value differs' same ended never
ok 'replay with two workers' strix study replay part
ok 'a small study' strix tune net.cfg $wide $asha $(named grows) --trials 8
strix study trials grows --csv | grep 'paused when the study ended' | cut -d, -f1-3 >last
ok 'becomes a larger one' strix tune net.cfg $wide $asha $(named grows) --trials 60
column grows 1-3 >now
is 'which takes up trials that were paused at its end' [ "$(grep -cFxf now last)" -lt "$(cat last | wc -l)" ]
curves grows | grep '^[0-7] ' >ended
curves whole >never
is 'as if they had never paused' ends 1 grep -vFx -f never ended
ok 'and every suggestion can be asked again' strix study replay grows
ok 'TPE beside paused trials' strix tune net.cfg --threads 1 --jobs 3 --trials 24 --set train.epochs=9 $asha $(named tpe)
ok 'replay of it' strix study replay tpe
ok 'asha with three trials' strix tune net.cfg $wide --trials 3 --jobs 2 $asha --set tune.pruner.factor=4 $(named few)
is 'has one that runs to its end' states few complete 1
ok 'hyperband' strix tune net.cfg $wide --set tune.pruner.type=hyperband $(named band)
is 'runs some to the end' sh -c "strix study trials band | grep -q 'complete.* 9 '"
cat >two.cfg <<'END'
extends = [ "net.cfg" ];
tune = { pruner = ( { type = "divergence"; epochs = 1; }, { type = "asha"; factor = 2; } ); objective = "val_accuracy"; };
END
ok 'two pruners in a row' strix tune two.cfg $wide $(named two)
is 'the first stops what only guesses' sh -c "strix study trials two | grep -q 'pruned.* 1 .*after epoch 1'"

# --- Eight workers, killed again and again: while they train, while they save, with their supervisor ---
crew='--threads 1 --trials 40 --set train.epochs=20 --set tune.sampler.type=random --unset tune.sampler.startup --set study.heartbeat=1'
halving='--jobs 8 --set tune.pruner.type=asha --set tune.pruner.min_epochs=2'
strix tune net.cfg $crew $(named calm) >out 2>err
kills=0
for round in 1 2 3; do
    strix tune net.cfg $crew $halving $(named crew) --events told.$round >out 2>err &
    tune=$!
    for k in 4 6 2; do pid=$(running crew $k) && kill -9 "$pid" 2>/dev/null && kills=$((kills + 1)); done
    # A checkpoint gets its name when it is whole: beside a worker that writes one is a file of another name.
    for _ in $(seq 500); do
        file=$(ls studies/crew.runs/*/*.tmp 2>/dev/null | head -n 1)
        [ -n "$file" ] && break
    done
    [ $round = 3 ] || ! running crew 4 >/dev/null || kill -9 $tune $(strix study trials crew --json | sed -n 's/.*"worker": ".*-\([0-9]*\)-0".*/\1/p' | sort -u) 2>/dev/null
    wait $tune 2>/dev/null
done
is 'workers were killed' [ $kills -gt 0 ]
is 'the search is over' grep -q 'best trial' out
is 'no number is missing, none twice' numbers crew 40
is 'no trial was lost' states crew failed 0
is 'none is left running' states crew running 0
column crew 1-3 | grep complete >ended
column calm 1-3 | grep -F -f ended >never
is 'every value is that of a search that nobody disturbed' same ended never
curves crew | sort >told
curves calm | sort >never
is 'and every report, none is missing' sh -c '[ -s told ] && [ -z "$(comm -23 told never)" ]'
cat told.* | grep '"trial_end"' | grep '"complete"' | sed 's/.*"trial": *\([0-9]*\).*/\1/' | sort >told
cut -d, -f1 ended | sort >kept
is 'what was told to be complete is complete, once' sh -c '[ -s told ] && [ -z "$(uniq -d told)" ] && [ -z "$(comm -23 told kept)" ]'
ok 'replay' strix study replay crew

# --- Killed while it saves: stopped when the half-written file is there, looked at once more, and killed ---
big='--threads 1 --trials 1 --set train.epochs=20 --set vars.units=20000 --unset tune.space.units --set study.heartbeat=1'
strix tune net.cfg $big $(named unhurt) >out 2>err
strix tune net.cfg $big $(named hurt) >out 2>err &
tune=$!
half=studies/hurt.runs/trial-0000/last.safetensors.tmp caught=no
worker=$(worker_at hurt 2)
while kill -0 "$worker" 2>/dev/null; do
    [ -e $half ] || continue
    kill -STOP "$worker" 2>/dev/null
    [ -e $half ] && caught=yes && kill -9 "$worker" && break
    kill -CONT "$worker"
done
is 'a worker is killed while it saves' [ $caught = yes ]
wait $tune
is 'the search ends well' [ $? = 0 ]
is 'no trial was lost' states hurt complete 1
is 'it went on in a second attempt' [ "$(attempts hurt 2)" = 1 ]
points hurt 1-3 >ended
points unhurt 1-3 >never
is 'to the same value' same ended never
curves unhurt >never
curves hurt >told
is 'with every report' same told never

# --- Several objectives, measured constraints ---
cat >front.cfg <<'END'
extends = [ "net.cfg" ];
tune = { trials = 20; objective = [ "val_loss", "parameters" ]; constraints = [ "parameters() < 1200", "val_loss < 2" ]; };
END
ok 'two objectives' strix tune front.cfg --threads 1 --jobs 2
is 'have a front' has out 'front of'
is 'of as many trials as the list says' sh -c 'strix study list --store sqlite:studies/front.db | grep -q "front of $(grep -c "^  trial" out)"'
is 'its weights are kept' [ "$(ls studies/front.runs/*/best.safetensors | wc -l)" = "$(grep -c '^  trial' out)" ]
ok 'replay' strix study replay front
ok 'JSON has it, too' sh -c 'strix tune front.cfg --threads 1 --json 2>/dev/null | grep -q "\"front\""'
cat >goals.cfg <<'END'
vars = { x = 1.0; y = 2.0; };
tune = { objective = [ "f", "g" ]; direction = [ "minimize", "maximize" ]; constraints = [ "x + y < 10", "f + g <= 3" ];
         space = { x = { uniform = [ -5.0, 10.0 ]; }; y = { uniform = [ 0.0, 15.0 ]; }; }; };
END
ok 'a search by scripts' sh -c 'strix study ask goals.cfg && strix study tell goals 0 1 1'
ok 'one value for two objectives' ends 2 sh -c 'strix study ask goals.cfg && strix study tell goals 1 1'
is 'is refused' has err 'f, g'

# --- The limit of a trial's time ---
ok 'a trial that takes too long fails' ends 1 strix tune net.cfg --threads 1 --trials 1 --set train.epochs=1000000 --set tune.trial_time=0.3 $(named slow)
is 'with that reason' has err 'trial_time'
cat >hang.cfg <<'END'
extends = [ "net.cfg" ];
vars = { stuck = false; };
remove = [ "model.layers", "tune.space", "tune.sampler" ];
model = { layers = { flat = { type = "flatten"; }; wait = { type = "hang"; now = "stuck"; };
                     out = { type = "dense"; units = 5; activation = "softmax"; }; }; };
tune = { trials = 3; trial_time = "0.3s"; sampler = { type = "grid"; };
         space = { stuck = { choice = [ true, false ]; }; }; };
END
hung() { strix study trials "$1" --plugin-path "$plugins" --csv | grep -q 'failed.*was killed'; }
ok 'a layer that hangs is killed from outside' strix tune hang.cfg --plugin-path "$plugins" --threads 1
is 'its trial has failed' hung hang
is 'and is not tried again' has out 'study hang: 2 trials, 1 complete, 0 pruned, 1 failed'
strix study ask hang.cfg $(named alone) --plugin-path "$plugins" >out && strix study tell alone 0 0.5 --plugin-path "$plugins"
ok 'strix worker alone kills it, too' strix worker --store sqlite:studies/alone.db --study alone --plugin-path "$plugins" --threads 1
is 'and goes on' hung alone
echo "1..$n"
