#!/bin/sh
# test_conform.sh: each fault of tests/plugins/wrong*.c is found by `strix conform`, at the item that has it, and none
# where there is none.
. "${STRIX_SOURCE:?run by make check}/tests/steps.sh"
conform() { # plugin, options
    plugin=$1
    shift
    strix conform "$STRIX_BUILD/tests/plugins/.libs/$plugin.so" "$@" >out 2>err
    code=$?
    is "$plugin: exits with 1" [ $code = 1 ]
}
finds() { is "$1: $2" grep -q "^not ok [0-9]* - $1: .*$2" out; } # "KIND ITEM" "FACT"
conform wrong
finds "layer gradient" "gradient of offset0 agrees"
finds "layer weights" "the same weights and states"
finds "layer finite" "finite numbers"
finds "layer shapes" "builds on at least one common shape"
finds "optimizer uphill" "come down a bowl"
finds "optimizer uphill" "linear in the rate"
finds "schedule below" "never below 0"
finds "dataset columns" "training part, z: labels are 0 .. classes-1"

conform wrong_search
finds "sampler outside" "points are legal"
finds "sampler moody" "the same history and seed give the same points"
finds "sampler learns" "without its cache it gives the same points"
finds "sampler early" "a finite space is not called exhausted before it is"
finds "sampler copies" "eight workers at once get eight different points"
finds "pruner hasty" "the first report of the first trial stops nothing"
finds "pruner fickle" "the same history gives the same verdict"
finds "pruner raises" "it goes on with paused trials only"

conform wrong_store
is "store sound: has no fault" sh -c '! grep "^not ok [0-9]* - store sound" out'
finds "store twice" "two workers and one queued trial"
finds "store loses" "with point, value and curve as they were"
finds "store renumbers" "numbers are 0 .. 39, and nothing is lost"
finds "store trusting" "the first worker cannot end the trial any more"

# What does not come back has its line, and the plan is there.
conform wrong_crash
finds "sampler away" "it does not crash (Segmentation fault)"
is "with the plan behind it" sh -c 'tail -n 1 out | grep -q "^[0-9]* passed, 1 failed, 0 skipped"'
conform wrong_hang --time 2
finds "sampler away" "it answers within 2 s"
wrong_load=$STRIX_BUILD/tests/.libs/wrong_load.so
ok 'a file that hangs while it is loaded ends, too' ends 1 timeout 20 strix conform "$wrong_load" --time 1
is 'its line names the file' grep -q '^not ok 1 - .*wrong_load.so: it answers within 1 s' out
ok 'a signal ends a run that hangs, at once' ends 124 timeout -k 9 2 strix conform "$wrong_load"
ok 'a crash leaves the document, too' ends 1 strix conform --json "$STRIX_BUILD/tests/plugins/.libs/wrong_crash.so"
is 'with its counts' sh -c '"$STRIX_BUILD/tests/schema" "$STRIX_SOURCE/tests/schemas/conform.txt" <out &&
    grep -q "\"failed\": 1," out'
layers() { strix conform "$STRIX_BUILD"/plugins/layers/.libs/*.so --time 2; }
(layers; layers) 2>err | (sleep 4; cat) >out    # more than a pipe holds
is 'a reader may take his time' [ "$(grep -c '^1\.\.' out)" = 2 ]
is 'which is no failure of the plugin' lacks out '^not ok'
echo "1..$n"
