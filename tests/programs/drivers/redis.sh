#!/bin/bash
# Redis: an append-only file with fsync, rewriting, snapshots, a crash and what is left after it; over loopback TCP.
set -euo pipefail
redis_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
port=$(redis_port)
start() {
  redis-server --port "$port" --bind 127.0.0.1 --unixsocket "$PWD/redis.sock" --dir "$PWD" --daemonize no --save '' \
    --appendonly yes --appendfsync always --logfile "$PWD/log" --enable-debug-command yes &
  server=$!
  for _ in $(seq 1 600); do [ "$(redis-cli -p "$port" ping 2>/dev/null)" = PONG ] && return; sleep 0.1; done
  echo "no server"; cat log; exit 1
}
cli() { redis-cli -p "$port" "$@"; }
start
for i in $(seq 1 40); do echo "SET key:$i value-$i"; echo "LPUSH list $i"; echo "HSET hash f$i $i"; done | cli --pipe | tail -1
redis-cli -s "$PWD/redis.sock" dbsize
cli multi >/dev/null && cli incr counter && cli bgrewriteaof | head -1
for _ in $(seq 1 600); do cli info persistence | grep -q 'aof_rewrite_in_progress:0' && break; sleep 0.1; done
cli info persistence | tr -d '\r' | grep -E 'aof_last_(bgrewrite|write)_status'
cli set after rewrite && cli save && cli lastsave >/dev/null
kill -9 $server && { wait $server || true; } 2>/dev/null
start
cli get key:17 && cli llen list && cli hget hash f9 && cli get after && cli dbsize
cli debug digest
cli shutdown nosave || true
wait $server || true
redis-check-aof appendonlydir/appendonly.aof.manifest | tail -1
ls appendonlydir | grep -c manifest
rm -f log dump.rdb redis.sock && rm -r appendonlydir && touch a b c
