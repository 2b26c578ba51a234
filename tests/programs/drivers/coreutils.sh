#!/bin/bash
# coreutils, findutils, sed, patch, flock and make: the odd options, their messages and their exit codes.
set -uo pipefail
say() { "$@"; echo "[$?] ${*//$PWD/.}"; }
mkdir work && cd work && seq 1 3000 >numbers && mkdir -p a/b/c d
say install -d -m 2750 installed/deep && say install -D -m 600 -p numbers installed/deep/er/file && say install -b -S .old numbers installed/deep/er/file
say mv -T a moved && say mv -n numbers moved && say mv moved/numbers numbers && say mv -t d moved && say mv numbers numbers 2>&1
say ln -sr d/moved/b link && readlink link && say ln -sfn d link && readlink link && say ln -P link hard-link && say ln numbers d 2>&1
say truncate -s 100K big && say truncate -s %4096 big && say truncate -r numbers big && stat -c '%s %b' big | cut -d' ' -f1
temporary=$(mktemp -d) && [ -d "$temporary" ] && stat -c %a "$temporary" && rmdir "$temporary" && mktemp -u -p . x.XXXX | wc -c
say split -n 4 -d numbers part. && cat part.* | cmp - numbers && say csplit -s numbers 100 '/^2000$/' && ls xx*
say shred -n 1 -u part.00 && say dd if=numbers of=copied bs=512 seek=2 count=3 conv=notrunc,fsync status=none && stat -c %s copied
say cp --reflink=auto -a numbers c1 && say cp -al d d2 && say cp --sparse=always big sparse && say cp -s "$PWD/numbers" symbolic
say cp -n c1 numbers && say cp -b c1 numbers && say cp --attributes-only -p c1 attributes && say cp -rL link resolved && say cp c1 c1 2>&1
say cp --parents d/moved/b/../b/c . 2>&1 | head -1
say rm d 2>&1 && say rm -d d2/moved/b/c && say rmdir -p d2/moved/b && say rm -rf nothing && say rm nothing 2>&1
say chmod u=rw,g+s,o-rwx c1 && say chmod -R a+X d && say chmod --reference=numbers c1 && say chmod 7777 c1 && stat -c %a c1
say chown "$(id -u):$(id -g)" c1 && say chown -h "$(id -u)" symbolic && say chgrp "$(id -g)" c1
say touch -c none && say touch -r numbers c1 && say touch -d @5 -a c1 && say touch -h -d @9 symbolic && stat -c '%Y' symbolic
say sed -i.bak -e 's/^1/one/' numbers && say sed -i -n '1,10p' c1 && say sed --follow-symlinks -i 's/2/two/' symbolic && wc -l c1
cp numbers.bak left && sed 's/^5$/five/' left >right && diff -u --label left --label right left right >change.patch
say patch -p0 left change.patch && say patch -R -p0 -i change.patch left && say patch -p0 --dry-run nothing-here change.patch 2>&1
say patch -f right change.patch; ls right*
find . -name 'part.*' -print -delete | sort && find . -type f -size -1k -newer change.patch -exec rm -- {} + && find . -empty | sort | head -5
say tee one two <left >/dev/null && say sort -o left -r left && say sort -S 1M -T . --parallel=1 left -o sorted && say shuf --random-source=sorted -n 3 left >/dev/null
say mkfifo p && (cat p >out & echo through >p; wait) && cat out && say mknod q p && say mknod device c 1 3 2>&1
say flock lockfile echo locked && (flock 9; echo "held"; flock -n lockfile true || echo busy) 9>lockfile
say stat -f -c %T . >/dev/null && say df . >/dev/null && say du -sb --apparent-size left && say sync -d left && say realpath --relative-to=d link/../numbers
umask 027 && mkdir masked && touch masked/f && stat -c %a masked masked/f && mkdir -m 1733 sticky && stat -c %a sticky
printf 'all: $(addprefix t,1 2 3 4 5 6 7 8)\nt%%:\n\t@mkdir -p made && echo $@ >made/$@ && mv made/$@ $@\n' >Makefile && say make -j4 && cat t?
say test -w numbers && say test -w /usr/none; cat /nowhere 2>&1; echo x 2>&1 >/dev/full; mkdir numbers/x 2>&1; cd numbers 2>&1
yes | head -c 3000000 | sha256sum && seq 1 100000 | xargs -P 4 -n 1000 sh -c 'echo $#' | sort | uniq -c
rm -f lockfile
