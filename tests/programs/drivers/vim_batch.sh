#!/bin/bash
# vim without a screen: backups, swap files, undo files, writing through a link, recovery, a filter.
set -euo pipefail
for i in $(seq 1 200); do echo "line $i"; done >text
cp text other && ln -s other link && chmod 640 text && mkdir backups swaps undo
cat >vimrc <<'V'
set nocompatible nomodeline viminfo=
set backup backupdir=./backups directory=./swaps
V
vi() { command vim.basic -N -u vimrc -i NONE -n "$@" </dev/null >/dev/null 2>&1 || command vim.tiny -N -u vimrc -i NONE -n "$@" </dev/null >/dev/null 2>&1; }
vi -es -c '%s/line/LINE/' -c 'w' -c 'q' text && head -1 text && ls backups && stat -c %a text
vi -es -c '1d' -c 'w' -c 'q' link && readlink link && wc -l <other
vi -es -c 'set backupcopy=no' -c '2d' -c 'w' -c 'q' text && wc -l <text && stat -c %a text
vi -es -c 'set backupcopy=yes' -c '2d' -c 'w' -c 'q' text && wc -l <text
vi -es -c 'r other' -c 'w new-file' -c 'q!' text && wc -l <new-file
vi -es -c '%!sort -r' -c 'wq' other && head -1 other
vi -es -c 'e! none/such' -c 'w' -c 'q!' text || echo "refused $?"
