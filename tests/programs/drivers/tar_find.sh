#!/bin/bash
# tar and find: modes, times, links, hard links, sparse files, deep trees.
set -euo pipefail
mkdir -p tree/{a,b}/{1,2,3}/deep
for d in tree/*/*/deep; do for i in 1 2 3; do echo "$d $i" >"$d/$i"; done; done
ln -s ../a/1/deep/1 tree/b/link && ln tree/a/1/deep/2 tree/hard && mkfifo tree/fifo
truncate -s 1M tree/sparse && chmod 600 tree/a/1/deep/3 && chmod 1777 tree/b
find tree -exec touch -h -d '2021-05-06 07:08:09 UTC' {} +
tar --sort=name --mtime='2021-05-06 UTC' --owner=0 --group=0 --numeric-owner -czf out.tgz tree
gzip -dc out.tgz | sha256sum
mkdir x && tar -xpzf out.tgz -C x && find x -printf '%y %m %P %l\n' | sort
tar -cf - tree | (mkdir y && cd y && tar -xpf - --keep-old-files)
tar -xf out.tgz -C x --overwrite && diff -r --no-dereference x/tree/a y/tree/a && echo "trees are the same"
find tree -type f -name 1 -delete -print | sort
find . -path './y/*' -name 3 -exec rm {} + && find y -type f | wc -l
find x -depth -type d -empty -print | wc -l
find tree -samefile tree/hard | sort
rm -rf y out.tgz
