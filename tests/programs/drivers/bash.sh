#!/bin/bash
# bash and coreutils: redirections, here-documents, process substitution, jobs, globs, traps.
set -euo pipefail
mkdir -p a/b/c && cd a
for i in $(seq 1 40); do echo "line $i" >>list; done
sort -r list >sorted && head -3 sorted
cat <<DOC >document
here: $((6 * 7))
DOC
diff <(sort list) <(sort sorted) && echo same
exec 5>descriptor && echo five >&5 && exec 5>&-
set -o noclobber
(echo again >list) 2>/dev/null || echo "noclobber holds"
set +o noclobber
touch -d '2020-01-02 03:04:05 UTC' dated && stat -c '%Y' dated
umask 077 && echo private >private && stat -c '%a' private && umask 022
ln -s list link && ln -sf sorted link && readlink link && ln list hard && stat -c '%h' hard
mkfifo pipe && (echo through >pipe &) && cat pipe
cp -a list b/copy && mv b/copy b/c/moved && rm -r b/c && ls -A b | wc -l
chmod u=rwx,go=r list && stat -c '%a' list
tmp=$(mktemp -p . tmp.XXXXXX) && echo content >"$tmp" && mv "$tmp" from-mktemp
for i in 1 2 3; do (echo "job $i" >"job-$i") & done && wait && cat job-*
trap 'echo trapped >trap-ran' EXIT
printf '%s\n' ./* | sort
dd if=/dev/zero of=zeros bs=1024 count=64 status=none && truncate -s 100 zeros && wc -c <zeros
install -m 640 list installed && split -l 10 list part- && cat part-* | cmp - list && rm part-*
cd .. && cp -r a copy && rm -rf copy/b && find copy -type f | sort | head -5
false || echo "exit $?"
