#!/bin/bash
# sqlite3: rollback journal and write-ahead log, backup, vacuum, dump.
set -euo pipefail
export HOME="$PWD" SQLITE_TMPDIR="$PWD"
for mode in delete truncate persist wal; do
  sqlite3 "$mode.db" "pragma journal_mode=$mode; create table t(id integer primary key, v text);
    with recursive n(i) as (select 1 union all select i+1 from n where i<2000)
    insert into t(v) select 'value '||i from n; delete from t where id%3=0; select count(*),sum(id) from t;"
  sqlite3 "$mode.db" 'begin; update t set v=upper(v) where id<100; rollback; select v from t where id=1;'
  sqlite3 "$mode.db" 'vacuum;'
  sqlite3 "$mode.db" .dump >"$mode.sql"
  sqlite3 "$mode.db" ".backup $mode.copy"
done
cmp delete.sql wal.sql && echo "same contents"
sqlite3 restored.db <delete.sql && sqlite3 restored.db 'pragma integrity_check;'
rm -f ./*.copy
