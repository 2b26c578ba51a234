#!/usr/bin/env bash
# Everything that depends on system calls and their numbers compiles for aarch64 as well: each source of sandbox, policy
# and supervisor, by the compiler's front end only. aarch64_compiles.sh SOURCE_DIRECTORY [FILE…]
set -uo pipefail
cd "$1" && shift
compiler=aarch64-linux-gnu-g++
command -v $compiler >/dev/null || { echo "needs $compiler (Debian: g++-aarch64-linux-gnu)"; exit 77; }
# The libraries' headers are the same for every architecture; behind everything else, so that libc's and the kernel's
# are aarch64's.
flags=(-std=c++20 -fsyntax-only -D_GNU_SOURCE -DTOML_HEADER_ONLY=0 -DTOML_SHARED_LIB=1 -I. -idirafter /usr/include
  -Wall -Wextra -Wno-missing-field-initializers)
[ $# -gt 0 ] && files=("$@") || mapfile -t files < <(grep -lE 'SYS_|kNr|__x86_64__|__aarch64__' \
  sandbox/*.cc sandbox/base/*.cc policy/syscall_groups.cc policy/wall_plans.cc supervisor/mediator/*.cc \
  supervisor/mediator/handlers/*.cc supervisor/broker_process.cc)
[ $# -gt 0 ] || files+=(policy/broker_filter.cc supervisor/broker_fence.cc supervisor/mediator/handler_calls.cc)
# Several at once: most of the time goes into the headers, which are the same.
batches=$(nproc)
running=()
for ((batch = 0; batch < batches; ++batch)); do
  for ((i = batch; i < ${#files[@]}; i += batches)); do printf '#include "%s"\n' "${files[i]}"; done |
    "$compiler" "${flags[@]}" -x c++ - &
  running+=($!)
done
failed=0
for process in "${running[@]}"; do wait "$process" || failed=1; done
echo "${#files[@]} files compiled for aarch64"
exit $failed
