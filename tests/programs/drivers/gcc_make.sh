#!/bin/bash
# gcc and make: objects, dependency files, a static library, a shared one, parallel make, a run of what was built.
set -euo pipefail
export TMPDIR="$PWD/tmp"
mkdir -p src tmp
for i in $(seq 1 12); do echo "int f$i(int x){return x+$i;}" >"src/f$i.c"; done
{
  for i in $(seq 1 12); do echo "int f$i(int);"; done
  echo '#include <stdio.h>'
  echo 'int main(void){int x=0;'
  for i in $(seq 1 12); do echo "x=f$i(x);"; done
  echo 'printf("%d\n",x);return 0;}'
} >src/main.c
cat >Makefile <<'M'
OBJECTS := $(patsubst src/%.c,obj/%.o,$(wildcard src/f*.c))
CFLAGS := -O1 -g0 -frandom-seed=fixed -fPIC -MMD
all: program linked
program: obj/main.o libf.a
	gcc -o $@ obj/main.o -L. -l:libf.a
linked: obj/main.o libf.so
	gcc -o $@ obj/main.o -L. -l:libf.so -Wl,-rpath,'$$ORIGIN'
libf.a: $(OBJECTS)
	ar rcsD $@ $(sort $^)
libf.so: $(OBJECTS)
	gcc -shared -o $@ $(sort $^)
obj/%.o: src/%.c | obj
	gcc $(CFLAGS) -c -o $@ $<
obj:
	mkdir -p $@
M
make -s -j2
./program
./linked
find . -type f -exec touch -d '-1 minute' {} + && touch src/f3.c && make -s -j2 && ./program
make -s && rm -rf tmp
