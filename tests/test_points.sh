#!/bin/sh
# test_points.sh: points of trials where the space, a constraint or the data are no longer what they were.
. "${STRIX_SOURCE:?run by make check}/tests/search.sh"

# --- What a trial has counts; what it lacks is that of `vars`, also where it is confirmed ---
cat >old.cfg <<'END'
extends = [ "net.cfg" ];
remove = [ "tune.space.act", "tune.sampler.startup" ];
vars = { seedless = 1; };
tune = { trials = 2; sampler = { type = "random"; }; };
END
cat >new.cfg <<'END'
extends = [ "old.cfg" ];
remove = [ "tune.space.units" ];
tune = { trials = 2; space = { act = { choice = [ "relu", "tanh" ]; };
  kind = { choice = ( { name = "wide"; seedless = 1; units = { int = [ 4, 16, 4 ]; }; }, { name = "thin"; seedless = 2; units = 4; } ); }; }; };
END
at() { echo "--set study.name=$1 --set study.store=sqlite:studies/$1.db"; }
strix study add old.cfg $(at moved) rate=0.05 units=16 >out 2>err && strix tune old.cfg --threads 1 $(at moved) >out 2>err
ok 'a variable moves below a new choice' strix tune new.cfg --threads 1 $(at moved)
is 'old trials fit' has err '2 of 2 ended trials fit'
ok 'the configuration of an old trial' strix study best moved --trial 0 --config
is 'has its own value' has out 'units = 16'
ok 'two trials are confirmed by four runs each' strix study confirm moved --top 2 --seeds 4 --threads 1
strix study trials moved.confirm --store sqlite:studies/moved.db --csv | sed 1d | cut -d, -f6-9 | sort -u >points
is 'of two points' [ "$(wc -l <points)" = 2 ]

# --- A constraint that has no value at some points ---
ok 'a division by nothing' strix tune net.cfg --threads 1 --trials 6 $(at none) --set 'tune.constraints=["10 / (units - 12) < 100"]'
is 'is a point that is refused' sh -c '! strix study trials none --csv | grep -q ,12,'
is 'and all others are tried' states none complete 6

# --- Weights that fit one trial alone: the search ends, but not for ever ---
strix train net.cfg --set vars.units=8 --set train.epochs=1 --dir given --threads 1 >out 2>err
cat >given.cfg <<'END'
extends = [ "net.cfg" ];
remove = [ "model.layers", "tune.space", "tune.sampler.startup" ];
model = { layers = { flat = { type = "flatten"; };
  part = { weights = "given/best.safetensors"; fc = { type = "dense"; units = "units"; activation = "relu"; }; };
  out = { type = "dense"; units = 5; activation = "softmax"; }; }; };
tune = { trials = 3; sampler = { type = "grid"; }; space = { units = { int = [ 8, 24, 8 ]; }; }; };
END
for k in 1 2 3 4 5 6 7 8 9; do strix tune given.cfg --threads 1 $(at given) >out 2>err && break; done
is 'after some more calls it is over' [ $k -gt 1 -a $k -lt 9 ]
is 'what fits is trained' states given complete 1
is 'and what does not has failed' states given failed 2

ok '--value makes no two objectives' ends 2 strix study import studies/given.db --space net.cfg --set 'tune.objective=["val_loss","parameters"]' --value value
ok 'events want a file' ends 2 strix tune net.cfg --events studies
ok 'with a name' ends 2 strix tune net.cfg --events ''

echo "1..$n"
