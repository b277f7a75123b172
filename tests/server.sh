# server.sh: sourced after faults.sh: a PostgreSQL of our own in $tmp, on a Unix socket; nobody else's is touched.
bin=$(ls /usr/lib/postgresql/*/bin/initdb 2>/dev/null | sort -V | tail -n 1)
[ -n "$bin" ] || bin=$(command -v initdb)
bin=$(dirname "$bin")
as() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; else "$@"; fi; }
serve() { as "$bin/pg_ctl" -D "$tmp/data" -w -t 20 -l "$tmp/log" start >started 2>&1; }
sql() { "$bin/psql" -h "$tmp" -U strix -d "${2:-s}" -Atqc "$1"; }
# Makes and starts it; 1: not possible, for the reason in $why.
server() {
    unset PGPASSWORD PGPASSFILE PGSERVICE PGHOST PGPORT PGUSER PGDATABASE PGOPTIONS
    [ "$bin" != . ] || { why="no PostgreSQL server is installed (Debian: postgresql)"; return 1; }
    [ -f "$STRIX_BUILD/plugins/stores/postgresql.la" ] || { why="strix was built without libpq"; return 1; }
    [ "$(id -u)" != 0 ] || id postgres >/dev/null 2>&1 || { why="the server refuses root, and there is no user postgres"; return 1; }
    [ "$(id -u)" != 0 ] || chown postgres "$tmp"
    as "$bin/initdb" -D "$tmp/data" -A trust -U strix --no-sync >init.log 2>&1 || { why="initdb failed: $(tail -n 1 init.log)"; return 1; }
    cat >>"$tmp/data/postgresql.conf" <<END
listen_addresses = ''
unix_socket_directories = '$tmp'
max_connections = 60
fsync = off
END
    printf 'local all pw scram-sha-256\nlocal all all trust\n' >"$tmp/data/pg_hba.conf"
    serve || { why="the server does not start: $(tail -n 1 log)"; return 1; }
}
finish() {
    [ ! -d "$tmp/data" ] || as "$bin/pg_ctl" -D "$tmp/data" -m immediate stop >/dev/null 2>&1
    # shellcheck disable=SC2086
    kill $proxy $pids $slow $hung 2>/dev/null
    rm -rf "$tmp"
}
