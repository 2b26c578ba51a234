#!/usr/bin/env bash
# Sets the machine up, builds sessionctl and shows what it is for: 150 interpreters over one shared directory under
# attack, first without protection, then as sessions. Fresh Debian 12, as root or with sudo.
# Exit code 0: the unprotected half escaped, and the sessions did not.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

ensure_build_packages
build_preset release sessionctl swap_attacker

say "150 python3 interpreters, first without protection, then as sessions (about a minute)"
status=0
python=/usr/bin/python3
[ -x "$python" ] || python="$(command -v python3)"
"$python" "$PROJECT_ROOT/examples/shared-interpreters/run.py" \
  --sessionctl "$PROJECT_ROOT/build/release/sessionctl" \
  --attacker "$PROJECT_ROOT/build/release/testcases/swap_attacker" </dev/null || status=$?

cat <<'NEXT'

Next:
  build/release/sessionctl run --mount /tmp/shared -- python3 your_program.py     one program, its writes kept in /tmp/shared
  build/release/sessionctl spawn --mount /tmp/shared --cmd python3 --count 3 -- your_program.py ; build/release/sessionctl ps
  build/release/sessionctl policy explain examples/shared-interpreters/policy.toml
  build/release/sessionctl doctor
  scripts/test.sh                                                                 all tests
NEXT
exit "$status"
