#!/bin/sh
# test_ends.sh: a net of two inputs and two outputs through every verb: check, train, eval, predict, bench, debug, tune.
. "${STRIX_SOURCE:?run by make check}/tests/steps.sh"
data tensors && mv tensors data
cat >two.cfg <<'END'
vars = { rate = 0.01; };
model = {
  inputs = { image = [ 6, 6, 1 ]; facts = [ 3 ]; };
  layers = {
    trunk = {
      conv = { type = "conv2d"; filters = 4; kernel = 3; padding = "same"; activation = "relu"; };
      flat = { type = "flatten"; };
    };
    fine = { type = "dense"; units = 6; activation = "softmax"; };
    join = { type = "concat"; inputs = [ "fine", "facts" ]; };
    fc = { type = "dense"; units = 16; activation = "tanh"; };
    coarse = { type = "dense"; units = 2; };
  };
  outputs = [ "fine", "coarse" ];
};
dataset = { type = "tensors"; dir = "data"; test = "test.safetensors";
            transform = { image = { unit = { type = "scale"; factor = "1 / 255"; }; }; }; };
train = {
  loss = { fine = { type = "cross_entropy"; weight = 0.5; }; coarse = { type = "cross_entropy"; from_logits = true; }; };
  epochs = 60; batch = 8; optimizer = { type = "adam"; lr = "rate"; };
  early_stop = { monitor = "val_coarse_loss"; patience = 60; };
};
tune = { trials = 2; objective = "val_coarse_accuracy"; sampler = { type = "random"; };
         space = { rate = { loguniform = [ 1e-3, 1e-1 ]; }; }; };
END


ok 'check' strix check two.cfg --strict
is 'the transform of one input is in the table' has out '^transform.image.unit  *scale'
ok 'check --expand' strix check two.cfg --expand
is 'inputs and outputs have their names' sh -c 'grep -q "inputs = \[ \"fine.softmax\", \"facts\" \]" out && grep -q "coarse = \"coarse\"; };$" out'
is 'the weight of a loss, too' has out 'fine = { type = "cross_entropy"; from_logits = false; weight = 0.5; };'
ok 'train' strix train two.cfg --dir a --threads 1
is 'the test part is told by output' has out '^test:  loss [0-9.]*  fine_loss [0-9.]*  fine_accuracy 1\.0000  coarse_loss '
is 'and each epoch' has a/log.jsonl '"val_fine_accuracy": .*"val_coarse_loss": '
ok 'two threads' strix -q train two.cfg --dir b --threads 2
is 'give the same file' cmp a/last.safetensors b/last.safetensors
ok 'a run directory trains the same again' strix -q train a/config.cfg --dir c
is 'bit for bit' cmp a/best.safetensors c/best.safetensors
ok 'eval' strix eval a
is 'has a report for each output' test "$(grep -c '^output \|^    accuracy ' out)" = 4
ok 'eval --json' strix eval a --json
is 'has them by name' sh -c 'grep -q "\"outputs\": {" out && grep -c "\"confusion\": \[" out | grep -q 2'
ok 'predict from a safetensors file' strix predict a data/test.safetensors --top 2
is 'a line for each row and output' test "$(wc -l <out)" = 48
is 'of file, row, output, class, probability' sh -c "head -2 out | tail -1 | grep -q '^data/test.safetensors	0	coarse	[01]	[01]\\.[0-9]*	[01]	0\\.[0-9]*\$'"
ok 'predict --json' strix predict a data/test.safetensors --json
is 'has both outputs' sh -c 'grep -c "\"fine\": \[" out | grep -q 24'
printf 'P5 6 6 255\n%36s' ' ' >one.pgm
ok 'an image alone is not enough' sh -c '! strix predict a one.pgm'
is 'and that is said' has err 'give it a safetensors file'
head -c 1000 data/test.safetensors >cut.safetensors
ok 'a cut file is refused' sh -c '! strix predict a cut.safetensors'
ok 'bench step' strix bench step two.cfg --steps 3 --json
ok 'bench step --mode infer' strix bench step two.cfg --steps 3 --mode infer
ok 'tune' strix tune two.cfg
is 'searches by the value of one output' has out 'best trial [01]: val_coarse_accuracy'
is 'and reports both' has out '^output coarse'
ok 'a constraint may name such a value' strix tune two.cfg --fresh --set 'tune.constraints=["val_fine_accuracy >= 0.0"]' --json
echo "1..$n"
