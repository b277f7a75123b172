#!/bin/sh
# test_cli.sh: usage errors with nearest names, exit codes, JSON errors, verbs that need no experiment.
: "${STRIX_BUILD:?run by make check}"
strix="$STRIX_BUILD/strix"
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
n=0
verdict() { n=$((n + 1)); if [ "$1" = 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; head -qn 20 "$dir/out" "$dir/err" | sed "s/^/#   /"; fi; }
# exits CODE ARGS...: what was printed is in $dir/out and $dir/err
exits() {
    want=$1; shift
    "$strix" "$@" >"$dir/out" 2>"$dir/err" </dev/null; got=$?
    [ "$got" = "$want" ]; verdict $? "strix $* exits with $want (it was $got)"
}
says() { grep -qF -- "$2" "$dir/$1"; verdict $? "  and says '$2'"; }
silent() { [ ! -s "$dir/$1" ]; verdict $? "  and nothing on $1"; }
# json EXPRESSION: true of the document on stdout
json() { python3 -c "import json,sys; d = json.load(open('$dir/out')); sys.exit(not ($1))" 2>>"$dir/err"; verdict $? "  and JSON with $1"; }
command -v python3 >/dev/null || json() { :; }

exits 2;                                  says err "usage: strix"; silent out
exits 0 --help;                           says out "verbs:"; silent err
exits 0 tune -h;                          says out "usage: strix tune"; says out "--trials"
exits 0 help plugins;                     says out "doctor"
exits 0 --version;                        says out "strix "
exits 0 version --build;                  says out "compiler"
exits 2 tuna;                             says err "unknown verb 'tuna'"; says err "Did you mean 'tune'?"
exits 2 version --biuld;                  says err "unknown option '--biuld'"; says err "Did you mean '--build'?"
exits 2 --thread=2 version;               says err "Did you mean '--threads'?"
exits 2 -x version;                       says err "unknown option '-x'"
exits 2 version --threads;                says err "--threads needs a value"
exits 2 version --threads two;            says err "--threads is 'two', not a whole number"
exits 2 version --threads 0;              says err "--threads is 0, outside [1, 4096]"
exits 2 version --threads " 2";           says err "--threads is ' 2', not a whole number"
exits 2 tune none.cfg --jobs " 2";        says err "--jobs is ' 2', not a number"
exits 2 tune none.cfg --time 0;           says err "--time is 0, which is no time at all"
exits 2 tune none.cfg --time 0x10;        says err "--time is '0x10', not a time"
exits 2 --events "$dir/no/e" study list;  says err "--events $dir/no/e: No such file or directory"
exits 2 version --seed -1;                says err "--seed is -1, outside [0, 9007199254740992]"
exits 2 version --json=1;                 says err "--json takes no value"
exits 2 version --progress sometimes;     says err "not auto, always or never"
exits 2 version one;                      says err "version has no use for 'one'"
exits 2 check;                            says err "check needs FILE"
exits 2 -C "$dir/nowhere" version;        says err "No such file or directory"
exits 2 --plugin-path "$dir/no" version;  says err "--plugin-path $dir/no"
exits 2 plugins lits;                     says err "Did you mean 'list'?"
exits 2 plugins list lyer;                says err "Did you mean 'layer'?"
exits 0 --json version;                   json "d['schema'] == 1 and d['abi']['major'] == 1"
exits 0 version --json --build;           json "'compiler' in d['build']"
exits 2 tuna --json;                      json "d['errors'][0]['code'] == 'SX_E_USAGE' and d['errors'][0]['hint']"; silent err
exits 3 check --json "$dir/none.cfg"
json "set(d['errors'][0]) == {'code', 'file', 'line', 'path', 'message', 'detail', 'hint'}"
exits 0 -qv version
exits 0 -C / version

exits 0 plugins path;                     says out "$STRIX_BUILD/plugins"
exits 0 plugins list layer;               says out "conv2d"; ! grep -q accuracy "$dir/out"; verdict $? "  and layers only"
exits 0 plugins list --json;              json "any(p['name'] == 'accuracy' and p['kind'] == 'metric' for p in d['plugins'])"
exits 0 plugins show conv2d;              says out "filters"; says out "required"; says out "ABI 1.0"
exits 0 plugins show layer/dropout --json; json "d['plugins'][0]['parameters'][0]['name'] == 'rate'"
exits 0 --plugin-path "$STRIX_BUILD/tests/plugins" plugins show second; says out "plugin several 1.2 (MIT)"
exits 0 --plugin-path "$STRIX_BUILD/tests/plugins" plugins list;        says out "plugin speaks ABI 2.0"; says out "two of two"
exits 4 plugins show conv3d;              says err "no plugin 'conv3d'"; says err "Did you mean 'conv2d'?"
exits 4 plugins show conv3d --json;       json "d['errors'][0]['code'] == 'SX_E_PLUGIN'"
exits 0 plugins doctor;                   says out "0 bad"

mkdir "$dir/layers" && echo "no shared object" >"$dir/layers/text.so"
exits 4 --plugin-path "$dir" plugins doctor;        says out "not a shared object"; says out "1 bad"
exits 4 --plugin-path "$dir" plugins doctor --json; json "d['bad'] == 1 and any('not a shared' in (f['message'] or '') for f in d['files'])"
exits 4 --plugin-path "$STRIX_BUILD/tests/plugins" plugins doctor
says out "plugin speaks ABI 2.0, this strix speaks 1.0"
says out "plugin needs the symbol 'somebody_elses_call'"

# What is no regular file is not waited for; a mistyped path leaves no database behind.
mkfifo "$dir/pipe.cfg"
exits 3 check "$dir/pipe.cfg";            says err "it is no regular file"
exits 7 study list --store "sqlite:$dir/pipe.cfg";            says err "it is no regular file"
exits 4 conform "$dir/pipe.cfg";          says err "it is no regular file"
exits 5 study list --store "sqlite:$dir/none.db";             says err "there is no study database"; silent out
says err "--store URL names another place"
exits 5 worker --store "sqlite:$dir/none.db" --study nobody;  says err "there is no study database"
[ ! -e "$dir/none.db" ];                  verdict $? "  and no database is made"
exits 5 study import "sqlite:$dir/none.db" --study new;       says err "--store URL names another place"
exits 2 study list --store "";            says err "Write sqlite:FILE."
exits 2 study list --store some.db;       says err "Write sqlite:some.db."
exits 2 study show new --store some.db;   says err "Write sqlite:some.db."
printf 'extends = "%s";\nstudy = { store = "x/y.db"; };\n' "$STRIX_SOURCE/tests/errors/model-space.cfg" >"$dir/store.cfg"
for what in show create ask; do
    exits 3 study $what "$dir/store.cfg";     says err "store.cfg:2: error: study 'store' is \"x/y.db\""
done
exits 3 tune "$dir/store.cfg";            says err "store.cfg:2: error: study 'store'"
cp "$STRIX_SOURCE/tests/errors/model-space.cfg" "$dir/space.cfg"
exits 0 study ask "$dir/space.cfg" --store "sqlite:$dir/new/x.db"
exits 7 study ask "$dir/space.cfg" --store "sqlite:$dir/no/such/x.db"; says err "cannot make the folder $dir/no/such"
[ ! -e "$dir/no" ];                       verdict $? "  and makes none"

# More than any machine has.
cat >"$dir/big.cfg" <<'END'
model = { input = [ 8, 8, 1 ]; layers = { a = { type = "flatten"; }; b = { type = "dense"; units = 300000; };
  c = { type = "dense"; units = 300000; }; out = { type = "dense"; units = 10; activation = "softmax"; }; }; };
dataset = { type = "idx"; dir = "."; train = [ "x", "y" ]; test = [ "x", "y" ]; };
train = { loss = "cross_entropy"; };
END
exits 0 check "$dir/big.cfg";             says err "warning: a training takes"; says err "device 'cpu' has"
exits 3 check "$dir/big.cfg" --strict

small="$STRIX_BUILD/plugins/schedules/.libs/constant.so"
exits 0 conform "$small";                 says out "constant.so loads"; says out " 0 failed"
exits 0 conform --json "$small";          json "d['failed'] == 0 and d['passed'] > 3"
exits 4 conform "$dir/layers/text.so";    says err "not a shared object"
exits 4 conform "$dir/none.so";           says err "no such file"; silent out

# A wrong path of plugins is one mistake, whatever it hides.
export STRIX_PLUGIN_PATH="$dir/nowhere:relative"
cp "$STRIX_SOURCE/examples/fcnn.cfg" "$STRIX_SOURCE"/examples/fmnist*.cfg "$dir"
exits 4 check "$dir/fcnn.cfg";            says err "the plugins of strix are not found"
says err "$dir/nowhere (not there)";      says err "relative (ignored, as it is not absolute)"
[ "$(grep -c "error:" "$dir/err")" = 1 ]; verdict $? "  and nothing else"
says err "export STRIX_PLUGIN_PATH=$STRIX_BUILD/plugins"
echo "1..$n"
