#!/bin/bash
# busybox static: no libc of the system's, its own way of calling the kernel.
set -uo pipefail
cp /bin/busybox . && mkdir bin && ./busybox --install -s bin && ls bin | wc -l && rm -rf bin
exec ./busybox sh -eu <<'B'
bb() { ./busybox "$@"; }
bb mkdir -p a/b/c && bb seq 1 500 >a/list && bb ln -s list a/link && bb ln a/list a/hard && bb mkfifo a/pipe
bb cp -a a copy && bb mv copy/b copy/d && bb chmod 640 a/list && bb touch -d '2005-06-07 08:09:10' a/list
bb sed -i 's/^5$/five/' a/list && bb grep -n five a/list && bb awk '{s+=$1} END {print s}' copy/list
bb tar -cf t.tar a && bb mkdir x && bb tar -xf t.tar -C x && bb find x -type l -exec ./busybox readlink {} \; && bb rm t.tar
bb find a -name 'l*' | bb sort && bb find copy -type f -delete && bb find copy | bb sort
bb dd if=/dev/zero of=zeros bs=1k count=20 2>/dev/null && bb truncate -s 100 zeros && bb stat -c '%s %a' zeros
bb gzip -c a/list >list.gz && bb gunzip -c list.gz | bb cmp - a/list && bb rm list.gz
(cd a && bb find . -depth | bb cpio -o -H newc 2>/dev/null) >c.cpio && bb mkdir y && (cd y && ../busybox cpio -idmu <../c.cpio 2>/dev/null) && bb ls -A y | bb sort && bb rm c.cpio
bb install -m 750 a/list installed && bb stat -c %a installed && bb mktemp -p . t.XXXXXX >name && bb rm "$(bb cat name)" name
bb diff -r a x/a && echo same
printf -- '--- a/list\n+++ b/list\n@@ -1,2 +1,2 @@\n-1\n+one\n 2\n' | bb patch -p0 a/list >/dev/null && bb head -n 1 a/list
bb cat a/list | bb sort -r | bb head -n 2 && (bb cat a/pipe >through & echo fifo >a/pipe; wait) && bb cat through
bb sh -c 'trap "echo term; exit 3" TERM; kill $$; sleep 100' || echo "code $?"
bb mkdir d && bb chmod 1777 d && bb rmdir d && bb rm a/none || echo "code $?"
bb touch f && bb mv f f/x || echo "code $?"
bb vi -c ':s/one/three/' -c ':wq' a/list </dev/null >/dev/null 2>&1 || true
bb rm -rf x y
B
