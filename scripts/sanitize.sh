#!/usr/bin/env bash
# Builds a sanitizer preset and runs the tests under it. Exit code 0: all passed, nothing was found.
#
#   scripts/sanitize.sh asan|tsan [CTEST ARGUMENTS…]      e.g. scripts/sanitize.sh tsan -L unit
#
# asan finds bad memory accesses, leaks and undefined behaviour; tsan finds data races. Only the product and
# the tests are instrumented; the programs of tests/testcases stand for other people's and are not.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

preset="${1:-}"
case "$preset" in
  asan | tsan) shift ;;
  *) die "usage: scripts/sanitize.sh asan|tsan [CTEST ARGUMENTS…]" ;;
esac

ensure_build_packages
ensure_test_packages
build_preset "$preset"

# The runtime of gcc 12 knows fewer bits of address space randomization than newer kernels use and ends with
# "unexpected memory mapping": under setarch -R there is none.
run=()
[ "$preset" = tsan ] && run=(setarch -R)

say "running the tests under $preset"
"${run[@]}" ctest --test-dir "$PROJECT_ROOT/build/$preset" --output-on-failure --no-tests=error -j2 "$@" </dev/null
