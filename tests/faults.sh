# faults.sh: sourced by test_faults.sh (SQLite) and test_postgresql.sh: what workers on $url must survive, and helpers.
. "${STRIX_SOURCE:?run by make check}/tests/steps.sh"
worker=$STRIX_BUILD/tests/store_worker
play() { "$worker" "$@" "$url"; }
# Waits until a command succeeds, at most some ten seconds.
until_true() {
    tries=0
    until "$@" >/dev/null 2>&1 || [ $tries = 200 ]; do
        sleep 0.05
        tries=$((tries + 1))
    done
}
# A study must hold this: trials, done, failed, running (and reports).
holds() { # study, text
    "$worker" -s "$1" "$url" show >shown 2>&1
    has shown "^$2.*in order" || return 1
}
# What workers were told must be there, and nothing may be claimed twice in the same attempt.
nothing_lost() { # study, logs
    study=$1
    shift
    cat "$@" | grep '^claimed' | sort | uniq -d >double
    [ ! -s double ] || { echo "claimed twice:"; cat double; return 1; }
    told=$(cat "$@" | grep -c '^told')
    holds "$study" "[0-9]* trials, $told done, 0 failed, 0 running" || { echo "$told were told"; return 1; }
    cat "$@" | grep '^error' && return 1
    return 0
}
crowd() { # workers, trials each
    for i in $(seq "$1"); do "$worker" -s crowd -n "$2" "$url" "w$i" >"crowd.$i" 2>&1 & pids="$pids $!"; done
    # shellcheck disable=SC2086
    wait $pids
    pids=
}

slowly() { strix --plugin-path "$STRIX_BUILD/tests/plugins" "$@"; }

common_faults() {
    # Eight workers and a sampler that takes a second, beside all the rest.
    data idx
    cat >slow.cfg <<END
vars = { rate = 0.01; };
model = { input = [ 8, 8, 1 ]; layers = { flat = { type = "flatten"; };
          out = { type = "dense"; units = 5; activation = "softmax"; }; }; };
dataset = { type = "idx"; dir = "idx"; train = [ "x.gz", "y.gz" ]; test = [ "x.gz", "y.gz" ]; };
train = { epochs = 2; batch = 8; optimizer = { type = "sgd"; lr = "rate"; }; };
tune = { trials = 16; objective = "val_loss"; first = false; sampler = "slow";
         space = { rate = { loguniform = [ 1e-4, 1e-1 ]; }; }; };
study = { name = "slow"; store = "$slow_url"; };
END
    slowly study create slow.cfg >said 2>&1 || cat said
    slow=
    for i in 1 2 3 4 5 6 7 8; do
        slowly worker --store "$slow_url" --study slow --threads 1 >"slow.$i" 2>&1 & slow="$slow $!"
    done

    crowd 16 200
    is "16 workers, 200 trials each: none lost, none twice" nothing_lost crowd crowd.*
    is "numbers are 0 to 3199" holds crowd "3200 trials, 3200 done"

    "$worker" -s queue "$url" queue >queue.0
    "$worker" -s queue -n 1 "$url" a >queue.a & a=$!
    "$worker" -s queue -n 1 "$url" b >queue.b
    wait $a
    is "two workers, one queued trial: each has one" nothing_lost queue queue.a queue.b
    is "and the queue was served first" holds queue "2 trials, 2 done"

    "$worker" -s lock -k ask "$url" dead >lock.0 2>&1
    "$worker" -s lock -n 2 "$url" next >lock.1
    is "a worker killed while it holds the lock leaves nothing behind" nothing_lost lock lock.0 lock.1
    is "and its number is the next one's" has lock.1 "told 0"

    "$worker" -s train -k train -l 1 "$url" dead >train.0 2>&1
    "$worker" -s train -b 2 "$url" next >train.1
    is "a worker killed while it trains: another one has its trial" has train.1 "claimed 0 2"
    is "nothing is lost" nothing_lost train train.0 train.1
}
slow_faults() {
    failed=0
    for pid in $slow; do wait "$pid" || failed=$((failed + 1)); done
    slow=
    is "eight workers waited for a slow sampler, none failed" test $failed = 0
    slowly study trials slow --store "$slow_url" --csv | sed 1d | cut -d, -f1,2 >slow.ended
    seq -f '%.0f,complete' 0 15 >slow.want
    is "every trial is complete, once" same slow.want slow.ended
    slowly study trials slow --store "$slow_url" --json | grep '"attempt"' | sort | uniq -c >slow.attempts
    is "none was taken from a worker that waited" grep -q '^ *16 *"attempt": 1,$' slow.attempts
    is "and each suggestion can be asked again" slowly study replay slow --store "$slow_url"
}
