#!/bin/sh
# test_faults.sh: workers on one SQLite file: crowds, kills, a full disk; what was told is there.
. "$STRIX_SOURCE/tests/faults.sh"
url=sqlite:study.db slow_url=sqlite:slow.db
common_faults

# The disk is full for a while: a limit on the size of files is the disk that a test can fill.
"$worker" -s full -n 50 "$url" before >full.0
size=$(($(stat -c %s study.db) / 512 + 600))
(trap '' XFSZ; ulimit -f $size; exec "$worker" -s full -e 50 "$url" during) >full.1 2>&1
is "a full disk ends the worker with a clear word" has full.1 "^error .* -7: study.db"
"$worker" -s full -l 1 -n 20 "$url" after >full.2
grep -v '^error' full.1 >full.3
# The trial that the full disk interrupted still runs, under its lease.
told=$(cat full.0 full.2 full.3 | grep -c '^told')
is "what was told before, meanwhile and afterwards is there" holds full "[0-9]* trials, $told done, 0 failed, [01] running"
url=$slow_url
slow_faults
echo "1..$n"
