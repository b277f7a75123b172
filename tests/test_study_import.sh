#!/bin/sh
# test_study_import.sh: strix study import: trials of Optuna (a database, a table) and of hyperopt become a study's own; what does
# not fit is told; wrong files change nothing.
. "${STRIX_SOURCE:?run by make check}/tests/steps.sh"
data optuna/sample.db && mv sample.db old.db
cat >space.cfg <<'END'
vars = { lr = 0.001; batch = 32; act = "relu"; num_blocks = 0; block_size = 0; epochs = 5; };
tune = { objective = "accuracy"; direction = "maximize"; space = {
  lr = { loguniform = [ 1e-4, 1.0 ]; }; batch = { choice = [ 16, 32, 64 ]; }; act = { choice = [ "relu", "selu", "tanh" ]; };
  conv = { choice = ( { num_blocks = 0; block_size = 0; }, { num_blocks = 1; block_size = { int = [ 1, 3 ]; }; },
                      { num_blocks = { int = [ 2, 3 ]; }; block_size = 1; } ); }; }; };
END

import() { strix study import "$@"; }

# --- A study of Optuna ---
ok 'a database of Optuna is copied' import old.db --study copy
is 'with how many and how many not' has out 'study copy: 28 trials imported, 2 had not ended'
ok 'its trials' sh -c 'strix study trials copy --csv >new.csv && strix study trials vggstrix-sample --store sqlite:old.db --csv >old.csv'
cut -d, -f2,3,6-14 old.csv | grep -v '^running\|^waiting' >old.points
cut -d, -f2,3,6-14 new.csv >new.points
is 'are the same' cmp old.points new.points
ok 'the search goes on' strix study ask copy
is 'behind them' has out '"number": 28'
ok 'what was imported is no suggestion of ours' strix study replay copy
ok 'the same again' import old.db --study copy
is 'imports nothing twice' has out '0 trials imported, 2 had not ended, 28 were imported before'
ok 'into a file that is empty yet' sh -c ': >empty.db && strix study import old.db --study e --store sqlite:empty.db'
ok 'a file that is not there' ends 5 strix study import nowhere.db --study copy
is 'is said not to be there' has err 'nowhere.db: error: cannot read this file'
mkfifo pipe
ok 'a pipe' ends 5 timeout 20 strix study import pipe --space space.cfg
is 'is not waited for' has err '^pipe: error: cannot read this file: it is no regular file'
ok 'a study into itself' ends 2 import studies/copy.db --study copy
renames='--rename learning_rate=lr --rename batch_size=batch --rename activation=act --rename fcl_num_layers= --rename fcl_layer_size=
    --rename fcl_dropout_rate= --rename optimizer= --rename conv:none=0 --rename conv:one-block=1 --rename conv:one-conv=2'
ok 'into a space of ours' import old.db --space space.cfg $renames
is 'all fit under its names' has out 'study space: 28 trials imported'
ok 'without the names' ends 1 import old.db --space space.cfg --study other
is 'the first reason is told' has out "trial 0: 'batch_size' is no variable of the space"
is 'and no study is made' [ ! -e studies/other.db ]
ok 'of several studies one must be named' sh -c 'strix study ask space.cfg --store sqlite:old.db >/dev/null; strix study import old.db --study c2; [ $? = 2 ]'
is 'and all are told' has err 'vggstrix-sample, space'
ok 'as it is with --from' import old.db --from vggstrix-sample --study c2

ok 'our own CSV' sh -c 'strix study trials space --csv >ours.csv && strix study import ours.csv --space space.cfg --study back'
is 'keeps the times' sh -c 'when() { grep -v "running\|waiting\|number" | awk -F, "\$4 > 0 { printf \"%.3f %.3f\n\", \$4, \$5 }"; }
    when <ours.csv >want; strix study trials back --csv | when >got; [ -s want ] && cmp want got'

# --- hyperopt's trials.csv ---
cat >trials.csv <<'END'
loss,status,tid,job_dir,act,batch,lr,num_blocks,block_size,epochs
-0.81,ok,0,"runs/a,""b""",relu,64.0,0.001,0,0,5
-0.64,ok,1,x,selu,16,0.002,1,3,5
,fail,2,x,tanh,16,0.9,3,1,5
-0.36,ok,3,x,relu,17,0.01,0,0,5
-0.25,ok,4,x,relu,16,0.01,4,1,5
-0.25,ok,5,x,relu,16,0.01,0,0,9
,new,6,x,relu,16,0.01,0,0,5
END
ok 'a loss is no accuracy' ends 5 import trials.csv --space space.cfg --study h
is 'so --value is asked for' has err '--value'
ok 'with it the table is taken' import trials.csv --space space.cfg --study h --value 'sqrt(-loss)'
is 'but for three rows' has out '3 trials imported, 3 do not fit, 1 had not ended'
is 'the first one' has out "trials.csv, line 5: 'batch' cannot be 17"
ok 'values' sh -c 'strix study trials h --csv >got'
is 'as they were' has got '^0,complete,0.9,'
is 'failures, too' has got '^2,failed,,'
is 'branches are found' [ "$(sed 's/"[^"]*"//g' got | cut -d, -f6-11 | sed -n 3p)" = '0.002,16,selu,1,3,' ]
cat >indices.csv <<'END'
value,lr,batch,act,conv
0.5,0.01,2,1,0
0.6,0.01,0,2,0
END
ok 'choices by their place' import indices.csv --space space.cfg --study i --indices
is 'are the values there' sh -c 'strix study trials i --csv | grep -q "0.01,64,selu,0"'
rm -f one.csv; printf 'accuracy,lr\n0.5,0.01\n' >one.csv
ok 'a table without some variables' ends 2 import one.csv --space space.cfg --study k
is 'is not guessed at' has err 'error: one.csv does not say what batch, act was'
ok 'but --defaults says it' import one.csv --space space.cfg --study k --defaults
is 'as in vars' sh -c 'strix study trials k --csv | grep -q "0.01,32,relu,0"'
printf 'accuracy,rate,batch,act\n0.5,0.01,16,relu\n' >rate.csv
ok 'another name' ends 2 import rate.csv --space space.cfg --study k
is 'is told' has err 'It names rate, which'
printf 'accuracy,lr,batch,act\n0.5,0.01,16,relu\n0.6,0.02,,relu\n' >gap.csv
ok 'a gap' import gap.csv --space space.cfg --study l
is 'is no such value' has out "line 3: 'batch' is missing"
ok 'a dry run' import one.csv --space space.cfg --study dry -n --defaults
is 'says what would be' has out '1 trial would be imported'
is 'and does nothing' [ ! -e studies/dry.db ]
ok 'JSON' import gap.csv --space space.cfg --study m --json
is 'fits its schema' sh -c '"$STRIX_BUILD/tests/schema" "$STRIX_SOURCE/tests/schemas/study-import.txt" <out'

# --- Killed at any moment: all of the trials or none ---
awk 'BEGIN { print "value,lr,batch,act,conv"; for (i = 1; i <= 2000; i++) print i / 2000 ",0.01,32,relu,0" }' >many.csv
for wait in 0.02 0.05 0.1; do
    strix study import many.csv --space space.cfg --study killed >/dev/null 2>&1 &
    pid=$!
    sleep $wait
    kill -9 $pid 2>/dev/null
    wait $pid 2>/dev/null
    took=$(strix study trials killed --csv 2>/dev/null | sed 1d | wc -l)
    is "killed after $wait s" [ "$took" = 0 -o "$took" = 2000 ]
done
ok 'the same command again' import many.csv --space space.cfg --study killed
is 'has all of them, once' [ "$(strix study trials killed --csv | sed 1d | wc -l)" = 2000 ]

# --- Wrong files ---
wrong() { # what, the words, the file's text
    printf "$3" >bad.csv
    ok "$1" ends 5 import bad.csv --space space.cfg --study bad
    is "  says $2" has err "$2"
}
wrong 'a short line' 'bad.csv:3: error: 2 cells, and the first line names 3 columns' 'accuracy,lr,batch\n0.5,0.01,16\n0.5,0.01\n'
wrong 'no number' "bad.csv:2: error: 'accuracy' is 'high', which is no number" 'accuracy,lr\nhigh,0.01\n'
wrong 'an open quote' 'bad.csv:3: error: a quote is never closed' 'accuracy,lr\n0.5,1\n0.5,"0.01\n0.6,0.02\n'
wrong 'a torn quote' 'bad.csv:2: error: something follows a closing quote' 'accuracy,lr\n0.5,"0"01\n'
wrong 'columns of one name' "bad.csv:1: error: two columns are named 'lr'" 'accuracy,lr,lr\n0.5,1,1\n'
wrong 'an unknown state' "bad.csv:2: error: 'state' is 'DONE'" 'accuracy,lr,state\n0.5,1,DONE\n'
wrong 'no objective' "bad.csv:1: error: no column is the objective 'accuracy'" 'lr\n0.5\n'
wrong 'an empty file' 'bad.csv:1: error: the file is empty' ''
wrong 'bytes' 'not a text file' 'accuracy\000,lr\n'
is 'and no study was made of any' [ ! -e studies/bad.db ]
ok 'no such file' ends 5 import nothing.csv --space space.cfg --study bad
ok 'a wrong expression' ends 3 import one.csv --space space.cfg --study bad --value 'accuracy +'
ok 'an unknown column' ends 3 import trials.csv --space space.cfg --study bad --value 'sqrt(lost)'
is 'is told once' [ "$(grep -c 'error:' err)" = 1 ]
ok 'edits of no experiment' ends 2 strix study import old.db --study bad --set vars.lr=1
is 'are told' has err 'none is named with --space'
ok 'a table needs a space' ends 2 import one.csv --study nothing
ok 'a rename of nothing' ends 2 import one.csv --space space.cfg --study bad --rename nix=lr
ok 'a study is needed' ends 2 import one.csv

# --- Of a space that has changed ---
options() { # the options of k
    printf 'vars = { k = "b"; };\ntune = { objective = "f"; space = { k = { choice = [ %s ]; }; }; };\n' "$1" >options.cfg
}
options '"a", "b", "c"'
for i in 0 1 2; do strix study ask options.cfg >/dev/null && strix study tell options $i $i; done
options '"b", "c"'
ok 'an option less' strix study create options.cfg
ok 'a copy' strix study import studies/options.db --study fewer
is 'leaves out the trial that had it' has out "2 trials imported, 1 does not fit"
is 'and says so' has out "'k' was an option that its study has no more"

# --- Importance ---
ok 'importance' strix study importance space
is 'says of how many trials' has out 'by ped-anova over 18 complete trials'
is 'warns of few' has err '18 complete trials tell little'
is 'knows where a variable is active' has out 'block_size .* 44 %'
ok 'fanova' strix study importance space --method fanova
is 'does not judge what is not always there' has out 'block_size .*not known'
ok 'no such method' ends 2 strix study importance space --method magic
ok 'no such objective' ends 2 strix study importance space --objective loss
strix study ask space.cfg --store sqlite:studies/fresh.db >/dev/null
ok 'without trials' ends 1 strix study importance space --store sqlite:studies/fresh.db
is 'says so' has err '0 complete trials with a value'
echo "1..$n"
