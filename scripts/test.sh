#!/usr/bin/env bash
# Sets the machine up, builds the release preset and runs all tests by ctest. Exit code 0: all passed.
#
#   scripts/test.sh [CTEST ARGUMENTS…]      e.g. scripts/test.sh -R escape.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

ensure_build_packages
ensure_test_packages
build_preset release
bash "$PROJECT_ROOT/tests/programs/install_npm_victims.sh" "$PROJECT_ROOT/build/release/npm-victims" </dev/null

# For two processors: many tests wait more than they compute.
say "running the tests"
log="$(mktemp)"
trap 'rm -f "$log"' EXIT
status=0
ctest --test-dir "$PROJECT_ROOT/build/release" --output-on-failure --no-tests=error -j4 "$@" \
  </dev/null 2>&1 | tee "$log" || status=${PIPESTATUS[0]}

# What was skipped is said aloud; ctest's own closing line comes last.
skipped="$(grep -cE '\*\*\*Skipped' "$log" || true)"
printf '\n%s tests skipped\n' "$skipped"
grep -E '\*\*\*Skipped' "$log" || true
grep -E '^[0-9]+% tests passed' "$log" || true
exit "$status"
