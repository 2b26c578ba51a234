#!/bin/bash
# cmake with the generators that are named: a library, a shared library, a program, generated sources, tests, install; then ccache.
#   cmake_ninja.sh GENERATOR…
set -euo pipefail
mkdir -p project/src project/include && cd project
for i in $(seq 1 8); do
  printf '#include "all.h"\nint part%d(int x) { return x * %d; }\n' "$i" "$i" >"src/part$i.c"
  echo "int part$i(int x);" >>include/all.h
done
cat >src/main.c <<'C'
#include <stdio.h>
#include "all.h"
#include "generated.h"
int main(void) {
  printf("%d %s\n", part1(1) + part8(2), GENERATED);
  return part1(1) == 1 ? 0 : 1;
}
C
echo 'set(TEXT "made by a script")
file(WRITE "${OUT}.tmp" "#define GENERATED \"${TEXT}\"\n")
file(RENAME "${OUT}.tmp" "${OUT}")' >generate.cmake
cat >CMakeLists.txt <<'C'
cmake_minimum_required(VERSION 3.20)
project(Sample C)
enable_testing()
foreach(i RANGE 1 8)
  list(APPEND PARTS src/part${i}.c)
endforeach()
add_library(parts STATIC ${PARTS})
add_library(shared SHARED ${PARTS})
target_include_directories(parts PUBLIC include)
target_include_directories(shared PUBLIC include)
set_target_properties(shared PROPERTIES VERSION 1.2.3 SOVERSION 1)
add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/generated.h
  COMMAND ${CMAKE_COMMAND} -DOUT=${CMAKE_BINARY_DIR}/generated.h -P ${CMAKE_SOURCE_DIR}/generate.cmake
  DEPENDS generate.cmake)
# One target makes it: of two that make ran at the same time, one would take the other's file away.
add_custom_target(generated DEPENDS ${CMAKE_BINARY_DIR}/generated.h)
foreach(kind parts shared)
  add_executable(with_${kind} src/main.c)
  add_dependencies(with_${kind} generated)
  target_include_directories(with_${kind} PRIVATE ${CMAKE_BINARY_DIR})
  target_link_libraries(with_${kind} PRIVATE ${kind})
  add_test(NAME runs_${kind} COMMAND with_${kind})
endforeach()
install(TARGETS parts shared with_shared)
install(FILES include/all.h DESTINATION include)
C
find . -type f -exec touch -d '-1 hour' {} +
for generator in "${@:-Ninja}"; do
  build="../build-${generator%% *}"
  cmake -G "$generator" -S . -B "$build" -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_FLAGS='-frandom-seed=fixed' >/dev/null
  cmake --build "$build" -j2 >/dev/null
  (cd "$build" && ctest -j2 | grep 'tests passed')
  touch src/part3.c include/all.h
  cmake --build "$build" -j2 >/dev/null && "$build/with_parts"
  DESTDIR="$build/stage" cmake --install "$build" --prefix /usr | grep -c 'Installing'
  (cd "$build/stage" && find . -printf '%y %m %l %P\n' | sort)
  "$build/with_shared" && cmake --build "$build" --target clean && rm -rf "$build"
done
if command -v ccache >/dev/null; then
  export CCACHE_DIR="$PWD/../cache" CCACHE_TEMPDIR="$PWD/../cache/tmp"
  mkdir ../objects
  for run in cold warm; do
    for i in $(seq 1 8); do ccache gcc -Iinclude -MMD -c "src/part$i.c" -o "../objects/part$i.o"; done
    echo "$run $(ccache -s --format=json 2>/dev/null | grep -c direct || true)"
  done
  cat ../objects/part3.d && rm -rf "$CCACHE_DIR"
fi
