#!/bin/sh
# test_postgresql.sh: a PostgreSQL of our own in a temporary folder: crowds, kills, restarts, partitions, refusals.
. "$STRIX_SOURCE/tests/faults.sh"
. "$STRIX_SOURCE/tests/server.sh"
trap finish EXIT
trap 'exit 1' INT TERM
if ! server; then
    [ "${STRIX_REQUIRE:-}" = postgresql ] && echo "not ok 1 - $why" && echo "1..1" && exit 1
    echo "1..0 # SKIP $why; the store of servers is NOT tested"
    exit 0
fi
sql "CREATE DATABASE s" postgres && sql "CREATE ROLE plain LOGIN; CREATE ROLE pw LOGIN PASSWORD 'right';
    GRANT ALL ON DATABASE s TO plain, pw" postgres
url="postgresql:///s?host=$tmp&user=strix" slow_url=$url

# --- Opening ---
refused() { # what it says, url
    "$worker" "$2" w >out 2>&1 && { echo "it was opened"; return 1; }
    has out "$1"
}
is "an empty database has no study" sh -c "! '$worker' '$url' show"
"$worker" -s first -n 1 "$url" w >first.0
is "it gets Optuna's tables, and a trial" nothing_lost first first.0
sql "CREATE DATABASE theirs" postgres
"$bin/psql" -h "$tmp" -U strix -d theirs -q -f "$STRIX_SOURCE/tests/data/optuna/schema-postgresql.sql"
dump() { "$bin/pg_dump" -h "$tmp" -U strix -d "$1" -s -T 'strix_*' | grep -v '^\\'; }
dump s >ours.sql
dump theirs >theirs.sql
is "they are Optuna's, line for line" cmp ours.sql theirs.sql
is "with its version" test "$(sql "SELECT version_num FROM alembic_version")" = v3.2.0.a
is "no server: said at once" refused "No such file" "postgresql:///s?host=$tmp/nowhere"
is "no database: said at once" refused "does not exist" "postgresql:///other?host=$tmp&user=strix"
is "no URL: said" refused "PostgreSQL" "postgresql://[nonsense"
is "a password in the URL is refused" refused "PGPASSFILE" "postgresql://strix:s3cret@127.0.0.1/s"
is "and not repeated" lacks out s3cret
is "neither behind a question mark" refused "PGPASSFILE" "postgresql:///s?host=$tmp&password=s3cret"
is "nor in a URL that is wrong besides" refused "PGPASSFILE" "postgresql://strix:s3cret@[127/s"
PGPASSWORD=wr0ng && export PGPASSWORD
is "a wrong password is said" refused "password authentication failed" "postgresql:///s?host=$tmp&user=pw"
is "and not shown" lacks out wr0ng
unset PGPASSWORD
echo "*:*:*:pw:right" >pass && chmod 600 pass
sql "GRANT ALL ON ALL TABLES IN SCHEMA public TO pw; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO pw; GRANT SELECT ON ALL TABLES IN SCHEMA public TO plain"
PGPASSFILE=$tmp/pass "$worker" -s pass -n 1 "postgresql:///s?host=$tmp&user=pw" w >pass.0 2>&1
is "the right one from PGPASSFILE opens" nothing_lost pass pass.0
is "a reader may read" "$worker" -s first "postgresql:///s?host=$tmp&user=plain" show
is "and not write" refused "permission denied" "postgresql:///s?host=$tmp&user=plain"
sql "CREATE DATABASE newer TEMPLATE theirs" postgres
sql "UPDATE alembic_version SET version_num = 'v9.0.0.a'" newer
is "a newer schema is not written" refused "v9.0.0.a" "postgresql:///newer?host=$tmp&user=strix"

# --- Trials of a file, and back into one ---
sql "CREATE DATABASE i" postgres
imports() { "$STRIX_BUILD/strix" study import "$@" >out 2>&1 && has out "28 trials imported"; }
is "trials of a file are imported" imports "$STRIX_SOURCE/tests/data/optuna/sample.db" --study a --store "postgresql:///i?host=$tmp&user=strix"
is "and back into a file" imports "postgresql:///i?host=$tmp&user=strix" --study b --store sqlite:back.db

# --- Many workers ---
common_faults
for skew in -86400 0 86400; do
    "$worker" -s skew -t "$skew" -l 30 -n 30 -m 5 "$url" "w$skew" >"skew.$skew" & pids="$pids $!"
done
# shellcheck disable=SC2086
wait $pids
pids=
is "clocks a day off: nobody takes another's trial" nothing_lost skew skew.*
is "and times are the server's" test "$(sql "SELECT count(*) FROM trials JOIN studies USING (study_id)
    WHERE study_name = 'skew' AND abs(extract(epoch FROM datetime_complete - now() AT TIME ZONE 'utc')) > 300")" = 0

# A worker that hangs in its transaction: the server ends that after a while, the others go on.
PGOPTIONS="-c idle_in_transaction_session_timeout=1s" "$worker" -s hang -k hang -n 1 "$url" hung >hang.0 2>&1 & hung=$!
until_true sh -c "ps -o stat= -p $hung | grep -q ^T"
"$worker" -s hang -n 3 "$url" next >hang.1 2>&1
is "a worker that hangs with the lock: the others go on" nothing_lost hang hang.1
kill -9 $hung

is "it is a store as any other" strix conform "$STRIX_BUILD/plugins/stores/.libs/postgresql.so" --store "$url"

# --- The server, gone and back ---
for i in 1 2 3 4; do
    "$worker" -s crash -n 40 -e 4 -m 10 "$url" "w$i" >"crash.$i" 2>&1 & pids="$pids $!"
done
until_true grep -q "^told [0-9]*[1-9]" crash.1
kill -9 "$(head -n 1 "$tmp/data/postmaster.pid")"
sleep 0.5
until_true serve
# shellcheck disable=SC2086
wait $pids
pids=
cat crash.? >crash.all
is "the server killed and started again under 4 workers: none failed" lacks crash.all "^error"
finished() { # all that was told is there; a claim that the crash swallowed may still run under its lease
    told=$(cat crash.all | grep -c '^told')
    [ "$told" = 160 ] && holds crash "[0-9]* trials, 160 done, 0 failed, [0-4] running"
}
is "nothing that was told is lost, numbers are in order" finished
is "each trial has all its reports" test "$(sql "SELECT count(*) FROM trial_intermediate_values JOIN trials USING (trial_id)
    JOIN studies USING (study_id) WHERE study_name = 'crash' AND state = 'COMPLETE'")" = 640

# --- The network, cut and mended ---
"$STRIX_BUILD/tests/proxy" "$tmp/.s.PGSQL.5432" >port & proxy=$!
until_true test -s port
far="postgresql://strix@127.0.0.1:$(cat port)/s?connect_timeout=2"
STRIX_STORE_TIMEOUT=1 && export STRIX_STORE_TIMEOUT
"$worker" -s short -n 1 -e 40 -m 50 "$far" w >short.0 2>&1 & a=$!
until_true grep -q "^claimed" short.0
sleep 0.3
kill -USR1 $proxy
until_true grep -q "^kept" short.0
sleep 0.5
kill -USR2 $proxy
wait $a
is "the network is away for a moment: the trial goes on" nothing_lost short short.0
is "and its reports arrive" holds short "1 trials, 1 done, 0 failed, 0 running, 40 reports"
"$worker" -s long -n 1 -l 2 -e 400 -m 50 "$far" cut >long.0 2>&1 & a=$!
until_true grep -q "^claimed" long.0
kill -USR1 $proxy
"$worker" -s long -b 1 "$url" other >long.1 2>&1
kill -USR2 $proxy
wait $a
is "away for longer than its lease: another one has the trial" has long.1 "claimed 0 2"
is "and the first is told so" has long.0 "^lost 0"
is "nothing is lost" nothing_lost long long.0 long.1
unset STRIX_STORE_TIMEOUT

slow_faults

# --- A server that is full ---
for i in $(seq 60); do "$bin/psql" -h "$tmp" -U plain -d s -Atqc "SELECT pg_sleep(60)" >/dev/null 2>&1 & pids="$pids $!"; done
crowded() { ! "$bin/psql" -h "$tmp" -U plain -d s -Atqc "SELECT 1"; }
until_true crowded
full="postgresql:///s?host=$tmp&user=pw"
PGPASSWORD=right && export PGPASSWORD
STRIX_STORE_PATIENCE=0.5 "$worker" -s full -n 1 "$full" w >full.0 2>&1
is "a full server is said" has full.0 "too many clients\|connection slots"
"$worker" -s full -n 1 "$full" w >full.1 2>&1 & a=$!
sleep 0.3
# shellcheck disable=SC2086
kill $pids 2>/dev/null
pids=
sql "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'plain'" >/dev/null
wait $a
unset PGPASSWORD
is "or waited for" nothing_lost full full.1

# --- As a user meets it ---
cat >net.cfg <<'END'
vars = { rate = 0.01; };
model = { input = [ 8, 8, 1 ]; layers = { flat = { type = "flatten"; }; out = { type = "dense"; units = 5; activation = "softmax"; }; }; };
dataset = { type = "idx"; dir = "idx"; train = [ "x.gz", "y.gz" ]; test = [ "x.gz", "y.gz" ];
            transform = { unit = { type = "scale"; factor = "1 / 255"; }; }; };
train = { epochs = 2; batch = 8; optimizer = { type = "adam"; lr = "rate"; }; };
tune = { trials = 6; objective = "val_loss"; sampler = { type = "tpe"; seed = 5; startup = 2; };
         space = { rate = { loguniform = [ 1e-4, 1e-1 ]; }; }; };
END
strix tune net.cfg --threads 1 --set "study.store=\"$url\"" >tune.0 2>&1 & a=$!
until_true strix study show net --store "$url"
strix worker --store "$url" --study net --threads 1 >work.0 2>&1
is "strix worker joins what strix tune began" test $? = 0
wait $a
is "which ends well" test $? = 0
strix study trials net --store "$url" --csv >rows 2>&1
is "six trials are complete" test "$(grep -c '^[0-5],complete' rows)" = 6
strix tune net.cfg --threads 1 --jobs 2 --trials 10 --set "study.store=\"$url\"" >tune.1 2>&1
is "four more with two jobs" test "$(strix study trials net --store "$url" --csv | grep -c '^[0-9],complete')" = 10
is "every suggestion can be asked again" strix study replay net --store "$url"
strix tune net.cfg --threads 1 --jobs 2 --trials 16 --set train.epochs=60 --set "study.store=\"$url\"" >tune.2 2>&1 & a=$!
until_true sh -c "strix study trials net --store '$url' --csv | grep -q '^1[01],running'"
kill -9 "$(head -n 1 "$tmp/data/postmaster.pid")"
sleep 1
until_true serve
wait $a
is "a search survives a server that is killed and started again" test $? = 0
is "with every trial complete" test "$(strix study trials net --store "$url" --csv | grep -c '^[0-9]*,complete')" = 16
echo "1..$n"
