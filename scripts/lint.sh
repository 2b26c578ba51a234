#!/usr/bin/env bash
# Checks the layout of all C and C++ sources (clang-format) and lints the product's (clang-tidy, with clang's own
# warnings as errors). Exit code 0: nothing was found.
#
#   scripts/lint.sh [FILE…]      only these sources
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

ensure_build_packages
ensure_packages clang clang-tidy clang-format
cd "$PROJECT_ROOT"

if [ $# -gt 0 ]; then
  sources=("$@")
else
  mapfile -t sources < <(find sandbox policy supervisor cli tests bench -name '*.cc' -o -name '*.h' -o -name '*.c' | sort)
fi

say "clang-format: ${#sources[@]} files"
clang-format --dry-run -Werror "${sources[@]}"

# A database of clang's own commands: what gcc precompiled is of no use to it.
log="$(mktemp)"
trap 'rm -f "$log"' EXIT
cmake --preset clang -B build/lint -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON >"$log" 2>&1 </dev/null || {
  cat "$log" >&2
  exit 1
}

product=()
for source in "${sources[@]}"; do
  case "$source" in
    *tests/* | *bench/* | *.h) ;;  # headers are checked with the sources that include them
    *) product+=("$source") ;;
  esac
done
say "clang-tidy: ${#product[@]} files"
printf '%s\0' "${product[@]}" | xargs -0 -r -n 1 -P "$(nproc)" clang-tidy -p build/lint --quiet
say "no findings"
