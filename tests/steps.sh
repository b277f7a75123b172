# steps.sh: sourced by tests in shell: a folder of their own, left at the end; strix in PATH; a line of TAP for each step.
: "${STRIX_BUILD:?run by make check}" "${STRIX_SOURCE:?run by make check}"
tmp=$(mktemp -d) && trap 'rm -rf "$tmp"' EXIT
PATH=$STRIX_BUILD:$PATH
export PATH
cd "$tmp" || exit 1
data() { for what in "$@"; do cp -r "$STRIX_SOURCE/tests/data/$what" . && chmod -R u+w "${what##*/}" || exit 1; done; }

n=0
say() { # status, what, files to show
    status=$1 what=$2
    shift 2
    n=$((n + 1))
    [ "$status" = 0 ] && echo "ok $n - $what" && return
    echo "not ok $n - $what"
    tail -n 30 "$@" | sed 's/^/#   /'
}
ok() { # what, then a command; its words stay in out and err
    what=$1
    shift
    "$@" >out 2>err
    say $? "$what" out err
}
is() { # what, then a look at what the last command left
    what=$1
    shift
    "$@" >said 2>&1
    say $? "$what" said
}
ends() { # exit code, then a command
    want=$1
    shift
    "$@"
    got=$?
    [ "$got" = "$want" ] || { echo "exit code $got, not $want"; return 1; }
}
has() { grep -q -- "$2" "$1" || { echo "no '$2' in $1:"; cat "$1"; return 1; }; }
lacks() { ! grep -q -- "$2" "$1" || { echo "'$2' in $1:"; cat "$1"; return 1; }; }
same() { cmp "$1" "$2" || { diff "$1" "$2" | head -20; return 1; }; }
