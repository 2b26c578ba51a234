#!/usr/bin/env bash
# Long races: every operation against every attacker, in sessions, for a total of about N seconds. Prints a table; exit
# code 0 only if nothing escaped.
#
#   bench/soak.sh --seconds N [--filter GTEST_FILTER]
#
# Builds the release preset's tests if they are missing. SESSIONCTL and SESSIONCTL_ESCAPE_TESTS name other builds.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"

seconds=600
filter='*StaysInMount'
while [ $# -gt 0 ]; do
  case "$1" in
    --seconds) seconds="${2:?--seconds needs a number}"; shift 2 ;;
    --filter) filter="${2:?--filter needs a pattern}"; shift 2 ;;
    *) die "usage: bench/soak.sh --seconds N [--filter GTEST_FILTER]" ;;
  esac
done

tests="${SESSIONCTL_ESCAPE_TESTS:-$PROJECT_ROOT/build/release/escape_tests}"
[ -x "$tests" ] || build_preset release

races="$("$tests" --gtest_list_tests --gtest_filter="$filter" | grep -c '^  ')"
[ "$races" -gt 0 ] || die "no race matches $filter"
each="$(awk -v s="$seconds" -v n="$races" 'BEGIN { e = s / n; print (e < 0.5 ? 0.5 : e) }')"
say "$races races, $each seconds each in a session"

report="$(mktemp)"
log="$(mktemp)"
trap 'rm -f "$report" "$log"' EXIT
status=0
SESSIONCTL_RACE_SECONDS="$each" SESSIONCTL_RACE_REPORT="$report" \
  "$tests" --gtest_filter="$filter" >"$log" 2>&1 </dev/null || status=$?

/usr/bin/python3 - "$report" "$races" <<'TABLE' || status=1
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
print(f"{'attacker':<34}{'operation':<16}{'bare':>16}{'attempts':>12}{'ok':>12}{'swaps':>14}{'escapes':>9}")
for row in rows:
    bare = f"{row['bare_escapes']}/{row['bare_attempts']}"
    print(f"{row['attacker']:<34}{row['operation']:<16}{bare:>16}{row['attempts']:>12,}{row['ok']:>12,}"
          f"{row['swaps']:>14,}{row['escapes']:>9,}")
escapes = sum(row["escapes"] for row in rows)
print(f"\n{len(rows)} of {sys.argv[2]} races, {sum(r['attempts'] for r in rows):,} attempts in sessions, {escapes} escapes")
sys.exit(0 if escapes == 0 and len(rows) == int(sys.argv[2]) else 1)
TABLE
if [ "$status" -ne 0 ]; then
  grep -E -B8 '^\[  FAILED' "$log" >&2 || tail -50 "$log" >&2
fi
exit "$status"
