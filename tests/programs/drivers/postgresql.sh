#!/bin/bash
# PostgreSQL: initdb, a server on a socket file and on loopback, pgbench, a crash and its recovery, a dump and a restore. As an ordinary user.
set -euo pipefail
directory=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1)
export PATH="$directory:$PATH" PGDATA="$PWD/data" PGHOST="$PWD" PGPORT=65432 PGUSER=tester PGDATABASE=postgres
initdb --auth=trust --username=tester --no-sync --no-instructions -E UTF8 --locale=C >initdb.log 2>&1 || { cat initdb.log; exit 1; }
cat >>data/postgresql.conf <<C
listen_addresses = '127.0.0.1'
unix_socket_directories = '$PWD'
max_connections = 20
shared_buffers = 16MB
max_wal_size = 64MB
autovacuum = off
fsync = off
checkpoint_timeout = 30s
$(printf '%b' "${1:-}")
C
start() { pg_ctl -w -t 300 -l server.log start >/dev/null || { cat server.log; exit 1; }; }
query() { psql -X -q -A -t -v ON_ERROR_STOP=1 <<<"$1"; }
start
query 'create table items (id serial primary key, v text); insert into items (v) select md5(i::text) from generate_series(1, 2000) i'
pgbench -i -q -s 1 >/dev/null 2>&1
PGHOST=127.0.0.1 pgbench -c 2 -j 2 -t 10 -n 2>/dev/null | grep -E 'processed|failed'
pgbench -c 4 -j 2 -t 25 -n 2>/dev/null | grep -E 'processed|failed'
query 'select count(*), md5(string_agg(v, chr(10) order by id)) from items'
query 'create index on items (v); set max_parallel_workers_per_gather = 2; set min_parallel_table_scan_size = 0; set parallel_setup_cost = 0; select count(*) from items a join items b using (v)'
query "create table copied as table items with no data; copy items to '$PWD/copied'; copy copied from '$PWD/copied'; select count(*) from copied"
query "create tablespace other location '$(mkdir -p other && cd other && pwd)'; alter table copied set tablespace other; select count(*) from copied"
query 'begin; update items set v = upper(v); select pg_switch_wal() is not null; commit; checkpoint'
pg_ctl -w -t 300 -m immediate stop >/dev/null
start
query 'select count(*), count(*) filter (where v = upper(v)) from items'
grep -c 'database system was not properly shut down' server.log
pg_dump --no-owner items --table=items postgres 2>/dev/null | grep -v '^--\|^SET\|^SELECT\|^.restrict\|^.unrestrict' | sha256sum | head -c 16 && echo
query 'create database restored' && pg_dump --table=items postgres | psql -X -q -d restored -o /dev/null && psql -X -A -t -d restored -c 'select count(*) from items'
query 'vacuum full analyze; reindex table items; select sum(abalance) = (select sum(bbalance) from pgbench_branches) from pgbench_accounts'
pg_ctl -w -t 300 -m fast stop >/dev/null
pg_controldata | grep 'cluster state'
pg_checksums --enable --no-sync 2>&1 | grep -c 'Checksum operation completed'
rm -rf data other server.log initdb.log copied .s.PGSQL* && touch a b c
