#!/bin/sh
# test_train_cli.sh: strix train, eval, predict and bench step as a user meets them: run directories, signals, exit codes, JSON.
. "${STRIX_SOURCE:?run by make check}/tests/steps.sh"
data idx
cat >net.cfg <<'END'
vars = { rate = 0.01; };
model = { input = [ 8, 8, 1 ]; layers = {
  conv = { type = "conv2d"; filters = 4; kernel = 3; padding = "same"; activation = "relu"; };
  norm = { type = "batchnorm"; };
  flat = { type = "flatten"; };
  drop = { type = "dropout"; rate = 0.2; };
  out = { type = "dense"; units = 5; activation = "softmax"; };
}; };
dataset = { type = "idx"; dir = "idx"; train = [ "x.gz", "y.gz" ]; test = [ "x.gz", "y.gz" ];
            names = [ "ant", "bee", "cat", "dog", "eel" ];
            transform = { unit = { type = "scale"; factor = "1 / 255"; }; }; };
train = { loss = "cross_entropy"; epochs = 3; batch = 8; optimizer = { type = "adam"; lr = "rate"; }; };
END

wait_for() { # file, at least so many lines
    for _ in $(seq 600); do
        [ -f "$1" ] && [ "$(wc -l <"$1")" -ge "$2" ] && return
        sleep 0.05
    done
    return 1
}

ok 'a training ends with 0' strix train net.cfg --dir a --threads 1
is 'it shows the test accuracy' has out 'test:  loss'
is 'and one line an epoch' has err 'epoch 3/3'
for f in config.cfg last.safetensors best.safetensors log.jsonl result.json; do is "$f is there" test -s "a/$f"; done
ok 'the default directory has the name of the file' strix -q train net.cfg --set train.epochs=1
is 'and a hash' sh -c 'test -s runs/net-????????/result.json'
ok 'two threads give the same file' strix -q train net.cfg --dir b --threads 2
is 'bit for bit' cmp a/last.safetensors b/last.safetensors
ok 'a run directory trains the same again' strix -q train a/config.cfg --dir c
is 'bit for bit again' cmp a/best.safetensors c/best.safetensors
ok 'with --init a training starts elsewhere' strix -q train net.cfg --dir d --init a/best.safetensors
is 'so it ends elsewhere' sh -c '! cmp -s a/best.safetensors d/best.safetensors'
ok 'JSON' strix train net.cfg --dir e --json
is 'JSON has the metrics' has out '"val_accuracy":'
is 'JSON has the test' has out '"test":'
ok 'dry run writes nothing' strix train net.cfg --dir dry -n
is 'nothing' test ! -e dry

# A directory that holds a training: what becomes of it is said.
strix -q train net.cfg --dir again >/dev/null 2>&1
ok 'a finished training is replaced' strix train net.cfg --dir again
is 'which is said' has err 'again holds a finished training; it is replaced'
ok 'one with nothing left to do' strix train net.cfg --dir again --resume
is 'says so, too' has err 'again was finished already; without --resume it begins anew'
ok 'one that is not there' strix train net.cfg --dir nothing --resume
is 'begins anew with a warning' has err 'warning: there is nothing to resume in nothing'
ok 'with -q nothing is said of the old one' sh -c 'strix -q train net.cfg --dir again 2>&1 >/dev/null | { ! grep .; }'

# What the stored state means must not have changed; nothing is lost by trying.
cp -r again kept
same_as() { diff -r "$1" "$2" >differ || { head -n 3 differ; return 1; }; }
for set in train.batch=4 model.layers.conv.filters=8 dataset.limit=20 train.early_stop.monitor=val_accuracy \
    model.layers.norm.momentum=0.5 model.layers.norm.debias=true dataset.split.seed=4 \
    dataset.transform.unit.factor=0.5 train.precision=bf16 tune.seed=7; do
    ok "--resume with another $set" ends 3 strix train net.cfg --dir again --resume --set $set
    is 'says what is another' has err "${set%=*}: .*${set#*=}.*, was "
    is 'and leaves all as it is' same_as again kept
done
is 'with what helps' has err '--init again/best.safetensors begins with its weights'
ok 'of many changes some are named' ends 3 strix train net.cfg --dir again --resume --set dataset.limit=20 --set train.batch=4 \
    --set model.layers.norm.momentum=0.5 --set tune.seed=7 --set train.precision=bf16
is 'and the others counted' has err '; and 1 more'
ok 'a layer less' ends 3 strix train net.cfg --dir again --resume --set 'model.layers.drop.when="false"'
is 'is one change' has err 'model.layers.drop: not there, was "dropout"'
ok '--resume with another optimizer cannot go on' ends 5 strix train net.cfg --dir again --resume --set train.optimizer.type=sgd
is 'and leaves all as it is' same_as again kept
for set in train.epochs=2 train.epochs=3 train.optimizer.lr=0.5 train.early_stop.patience=1 dataset.dir=idx/../idx; do
    ok "with $set it is finished already" strix train net.cfg --dir again --resume --set $set
    is 'which is said' has err 'again was finished already'
    is 'and leaves all as it is' same_as again kept
done
ok 'the same settings in other words are the same' strix train net.cfg --dir again --resume --set train.optimizer.lr=0.01 \
    --set train.batch=b --set vars.b=8
is 'without a warning' sh -c '! grep warning err'
head -c 500 kept/last.safetensors >again/last.safetensors
ok 'a damaged checkpoint is passed over for the one before' strix train net.cfg --dir again --resume
is 'with a warning' has err 'cannot go on from this checkpoint'
is 'to the same end' cmp again/last.safetensors kept/last.safetensors
for f in last prev; do head -c 500 kept/$f.safetensors >again/$f.safetensors; done
rm -rf damaged && cp -r again damaged
ok 'two of them end it' ends 5 strix train net.cfg --dir again --resume
is 'and all stays as it is' same_as again damaged
rm again/last.safetensors again/prev.safetensors
ok 'without a checkpoint it begins anew, whatever has changed' strix train net.cfg --dir again --resume --set train.batch=4
is 'with a warning' has err 'warning: there is nothing to resume in again'
rm -r again && cp -r kept again
ok 'another learning rate of the optimizer goes on' strix train net.cfg --dir again --resume --set train.epochs=4 --set train.optimizer.lr=0.001
is 'with a warning' has err 'settings that have changed: train.optimizer.lr: 0.001, was 0.01'
rm -r again && cp -r kept again
ok 'also by a variable' strix train net.cfg --dir again --resume --set train.epochs=4 --set vars.rate=0.001
is 'with a warning' has err 'settings that have changed: train.optimizer.lr: 0.001, was 0.01'
is 'and result.json is the new one' grep -q '"epochs": 4' again/result.json
rm -r again && cp -r kept again

# Interruptions: after a signal or a kill --resume ends with the very file of a training that was not stopped.
many() { strix -q train net.cfg --set train.epochs=150 --set train.early_stop.patience=1000 --threads 1 "$@"; }
ok 'a long training' many --dir straight
strix -q train net.cfg --set train.epochs=150 --set train.early_stop.patience=1000 --dir cut >/dev/null 2>int.err &
pid=$!
is 'epochs begin' wait_for cut/log.jsonl 2
kill -INT $pid
ok 'SIGINT ends with 130' ends 130 wait $pid
lines=$(wc -l <cut/log.jsonl)
is 'before the last epoch' test "$lines" -lt 150
strix -q train net.cfg --set train.epochs=150 --set train.early_stop.patience=1000 --dir cut --resume >/dev/null 2>&1 &
pid=$!
is 'resumed it goes on' wait_for cut/log.jsonl $((lines + 3))
kill -9 $pid
wait $pid 2>/dev/null
ok 'and on after kill -9' many --dir cut --resume
is 'to the same file' cmp straight/last.safetensors cut/last.safetensors

ok 'a training without early stop' strix -q train net.cfg --set train.epochs=6 --set vars.rate=0.3 --dir f --json
grep -A3 '"test"' out | grep -o '"loss": [0-9.]*' >said.train
is 'it tells its test loss' test -s said.train
ok 'eval of the same' strix eval f --json
is 'gives the test loss that train showed' sh -c 'grep -q "$(cut -c 1-16 said.train)" out'
ok 'eval' strix eval a
is 'eval prints the report of the named classes' has out '^         ant      [01]\.[0-9]'
is 'eval prints the accuracy line' has out '^    accuracy  '
is 'eval prints the confusion matrix' has out '^true, guessed     0     1     2     3     4$'
ok 'eval --data val --json' strix eval a --data val --json
is 'eval names the part' has out '"data": "val"'
ok 'eval of a wrong part ends with 2' ends 2 strix eval a --data dev
ok 'eval of no run ends with 5' ends 5 strix eval idx
is 'and says so' has err 'no run directory'

half() { strix -q train net.cfg --set train.epochs=30 --set vars.rate=0.003 "$@"; }
ok 'a training in bf16' half --set train.precision=bf16 --dir half
is 'learns' grep -q '"val_accuracy": \(1\|0\.9\)' half/result.json
ok 'on two threads, too' half --set train.precision=bf16 --dir half2 --threads 2
is 'the same, bit for bit' cmp half/last.safetensors half2/last.safetensors
export STRIX_CPU_CONV=amx
ok 'one with products of bf16, by matrix units or their twin' half --set train.precision=bf16 --dir tiles
is 'learns, too' grep -q '"val_accuracy": \(1\|0\.9\)' tiles/result.json
is 'other bits' sh -c '! cmp -s half/last.safetensors tiles/last.safetensors'
ok 'and on two threads' half --set train.precision=bf16 --dir tiles2 --threads 2
is 'the same bits' cmp tiles/last.safetensors tiles2/last.safetensors
unset STRIX_CPU_CONV
ok 'one in f32' half --dir full
numbers() { tail -c 4000 "$1/last.safetensors" >"$1.numbers"; }
numbers half && numbers full
is 'is another one' sh -c '! cmp -s half.numbers full.numbers'
ok 'tf32' half --set train.precision=tf32 --dir tf32
numbers tf32
is 'is f32 on a processor' cmp tf32.numbers full.numbers
ok 'weights of bf16 are those of f32' half --init half/best.safetensors --dir full2
ok 'eval in bf16' strix eval half
is 'gives accuracies' has out '^    accuracy  '
ok 'predict in bf16' strix predict half idx/x.gz
is 'names classes' has out '^idx/x.gz	0	[a-z]*	[01]\.[0-9]'

gzip -dc idx/x.gz | head -c 80 | tail -c 64 >pixels
{ printf 'P5\n# one image\n8 8\n255\n'; cat pixels; } >one.pgm
{ printf 'P5 7 8 255\n'; head -c 56 pixels; } >small.pgm
ok 'predict' strix predict a idx/x.gz one.pgm --top 2
is 'predict gives a line for each image' test "$(wc -l <out)" = 41
is 'predict names file, row, class, probability' sh -c "head -1 out | grep -q '^idx/x.gz	0	[a-z]*	[01]\\.[0-9]*	[a-z]*	0\\.[0-9]*\$'"
is 'an image alone and among others gives the same' sh -c 'test "$(head -1 out | cut -f 3-)" = "$(tail -1 out | cut -f 3-)"'
mkfifo pipe pipe.safetensors
for f in pipe pipe.safetensors; do
    ok "predict of a $f" ends 5 timeout 20 strix predict a $f
    is 'waits for no writer' has err "^$f: error: .*it is no regular file"
done
ok '--init of a pipe' ends 5 timeout 20 strix train net.cfg --dir piped --init pipe
is 'waits for none' has err '^pipe: error: cannot read this file: it is no regular file'
ok 'predict --json' strix predict a one.pgm --json
is 'predict JSON' has out '"probability":'
STRIX_SECRET=ant-of-the-queen && export STRIX_SECRET
ok 'a class named by the environment' strix -q train net.cfg --dir hidden --set 'dataset.names=["${env.STRIX_SECRET}","b","c","d","e"]'
is 'is in no file of the run' sh -c '! grep -rq of-the-queen hidden'
ok 'but told by predict' sh -c 'strix predict hidden idx/x.gz --top 5 | grep -q of-the-queen'
ok 'an image of another size ends with 5' ends 5 strix predict a small.pgm
is 'and tells both sizes' has err 'images are \[8, 7, 1\], the net takes \[8, 8, 1\]'
ok 'a truncated file ends with 5' ends 5 strix predict a idx/x-truncated
ok 'a missing file ends with 5' ends 5 strix predict a none.pgm
ok 'another kind of file ends with 5' ends 5 strix predict a net.cfg

for mode in train infer; do
    ok "bench step $mode" strix bench step net.cfg --precision f32 --mode $mode --batch 16 --steps 5 --json
    for key in ms_per_step images_per_s peak_bytes predicted_bytes; do is "$mode: $key" has out "\"$key\": [0-9]"; done
done
ok 'bench step in bf16' strix bench step net.cfg --precision bf16 --batch 16 --steps 5 --threads 1
is 'counts its threads' has out ', 1 thread$'
is 'says so' has out '^bf16 train'
ok 'a precision that there is not ends with 2' ends 2 strix bench step net.cfg --precision f16
ok 'bench step --stages' strix bench step net.cfg --steps 3 --stages
ok 'bench needs no files' strix bench step net.cfg --steps 3 --set dataset.dir=nowhere
ok 'a wrong mode ends with 2' ends 2 strix bench step net.cfg --mode walk
echo "1..$n"
