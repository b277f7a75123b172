# search.sh: sourced by tests of searches: a folder with a small experiment (net.cfg), and looks at what came of it.
. "${STRIX_SOURCE:?run by make check}/tests/steps.sh"
data idx
cat >net.cfg <<'END'
vars = { rate = 0.01; units = 8; act = "relu"; };
model = { input = [ 8, 8, 1 ]; layers = {
  flat = { type = "flatten"; };
  fc = { type = "dense"; units = "units"; activation = "${act}"; };
  out = { type = "dense"; units = 5; activation = "softmax"; };
}; };
dataset = { type = "idx"; dir = "idx"; train = [ "x.gz", "y.gz" ]; test = [ "x.gz", "y.gz" ];
            transform = { unit = { type = "scale"; factor = "1 / 255"; }; }; };
train = { epochs = 3; batch = 8; optimizer = { type = "adam"; lr = "rate"; }; };
tune = { trials = 4; objective = "val_loss"; sampler = { type = "tpe"; seed = 5; startup = 2; };
         space = { rate = { loguniform = [ 1e-4, 1e-1 ]; }; units = { int = [ 4, 16, 4 ]; }; act = { choice = [ "relu", "tanh" ]; }; }; };
END

# number, state, value and the values of a study's trials
points() { strix study trials "$1" --csv | cut -d, -f "${2:-1-3,6-8}"; }
states() { # study, state, how many
    got=$(strix study trials "$1" --csv | awk -F, -v s="$2" '$2 == s' | wc -l)
    [ "$got" = "$3" ] || { echo "$got trials are $2, not $3"; strix study trials "$1"; return 1; }
}
numbers() { # study, how many: 0 .. n-1, each once
    strix study trials "$1" --csv | sed 1d | cut -d, -f1 >got
    seq 0 $(($2 - 1)) >want
    same got want
}
attempts() { strix study trials "$1" --json | grep -o '"attempt": [0-9]*' | grep -c "\"attempt\": $2"; }
# Of the running trial with at least $2 reports: its worker's process.
worker_at() { # study, reports
    for _ in $(seq 400); do
        pid=$(strix study trials "$1" --json 2>/dev/null | awk -v want="$2" '
            /"state":/ { running = /running/; steps = 0 } /"worker":/ { worker = $2 } /"step":/ { steps++ }
            running && steps >= want { gsub(/[",]/, "", worker); k = split(worker, w, "-"); print w[k - 1]; exit }')
        [ -n "$pid" ] && echo "$pid" && return
        sleep 0.05
    done
    return 1
}
