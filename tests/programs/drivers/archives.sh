#!/bin/bash
# tar, cpio, rsync and zip-like tools over every kind of file that a user can make.
set -euo pipefail
mkdir -p tree/dir/empty tree/private && cd tree
echo content >regular && chmod 4750 regular && ln regular dir/hard && ln -s ../regular dir/link && ln -s /nowhere broken
mkfifo -m 620 fifo && truncate -s 3M sparse && printf middle | dd of=sparse bs=1 seek=1500000 conv=notrunc status=none
seq 1 20000 >dir/text && : >empty && touch -d '2001-02-03 04:05:06.789 UTC' dir/text && chmod 0500 private
touch "with space" $'new\nline' $'\x01bytes\xff' -- -dash "$(printf 'l%.0s' $(seq 1 240))"
deep=dir; for i in $(seq 1 25); do deep="$deep/component-number-$i"; done; mkdir -p "$deep" && echo deep >"$deep/file"
chmod 2775 dir && chmod 1777 dir/empty
setfattr -n user.note -v 'an attribute' regular && setfattr -n user.more -v 0x00ff dir
setfacl -m u:1:r,g:2:rw regular && setfacl -d -m u:1:rwx dir/empty
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")'
cd .. && find tree -exec touch -h -d '2010-11-12 13:14:15 UTC' {} +
describe() {
  (cd "$1" && find . -printf '%y %m %n %s %T@ %l %P\0' | LC_ALL=C sort -z | tr '\0' '\n' | sha256sum &&
    getfattr -R -h -d -m - . 2>/dev/null | LC_ALL=C sort | sha256sum && getfacl -R . 2>/dev/null | sha256sum)
}
describe tree
tar --xattrs --acls --sparse --format=pax --pax-option=delete=atime,delete=ctime --sort=name -cf tree.tar tree 2>/dev/null
mkdir untar && tar --xattrs --xattrs-include='*' --acls -xpf tree.tar -C untar && describe untar/tree
{ tar --compare -f tree.tar 2>&1 || true; } | { grep -v 'Mod time' || true; } | head -3
tar -czf tree.tgz tree 2>/dev/null && tar -xzf tree.tgz -C untar --overwrite --keep-directory-symlink
tar -xf tree.tar -C untar --unlink-first --recursive-unlink
tar --listed-incremental=snapshot -cf full.tar tree 2>/dev/null && echo changed >>tree/empty
tar --listed-incremental=snapshot -cf increment.tar tree 2>/dev/null && tar -tf increment.tar | grep -c 'tree/empty'
touch -d '2010-11-12 13:14:15 UTC' tree/empty; rm -f snapshot full.tar increment.tar tree.tgz tree.tar
(cd tree && find . -depth -print0 | cpio -0 -o -H newc --quiet) >tree.cpio
mkdir uncpio && (cd uncpio && cpio -idmu --quiet --no-absolute-filenames <../tree.cpio) && find uncpio | wc -l && rm tree.cpio
mkdir pass && (cd tree && find . -depth -print0 | cpio -0 -pdmu --quiet ../pass) && find pass -type l | wc -l
rsync -aHAXS --numeric-ids tree/ synced/ && describe synced
echo more >>tree/dir/text && rsync -aHAX --inplace --no-whole-file --delete tree/ synced/
rsync -a --delete --delay-updates --backup --backup-dir="$PWD/backup" --exclude=private tree/dir/ synced/dir/
rsync -a --link-dest="$PWD/synced" tree/ linked/ && stat -c %h linked/dir/text
rsync -an --itemize-changes tree/ linked/ | head -3
rsync -a --remove-source-files --temp-dir="$PWD" linked/ moved/ && find linked -type f | wc -l
gzip -kn tree/dir/text && xz -k tree/dir/text && bzip2 -k tree/dir/text && gzip -t tree/dir/text.gz && xz -t tree/dir/text.xz
gunzip -c tree/dir/text.gz | cmp - tree/dir/text && rm tree/dir/text.*
mkdir -p package/DEBIAN package/usr/share/made && echo file >package/usr/share/made/file
printf 'Package: made\nVersion: 1\nArchitecture: all\nMaintainer: T <t@example.invalid>\nDescription: made\n' >package/DEBIAN/control
SOURCE_DATE_EPOCH=1 dpkg-deb --root-owner-group -Znone -b package made.deb >/dev/null && dpkg-deb -c made.deb | awk '{print $1, $2, $6}'
dpkg-deb -x made.deb unpacked && ar t made.deb && dpkg-deb -f made.deb Package && rm -rf package
chmod 700 untar/tree/private uncpio/private pass/private synced/private moved/private tree/private
rm -rf untar uncpio pass moved linked backup
