// What a file system as a whole refuses: read-only, full, out of inodes.
#include <sys/statvfs.h>

#include "tests/conformance/conformance.h"

namespace conformance {

CASE_WITH(ReadOnlyMount, ChangesAreErofs) {
  Touch("f", 0666, "x");
  Dir("d", 0777);
  Symlink("f", "l");
  Symlink("new", "dangling");
  IS(0, mkfifo("p", 0666));
  Give("f", getuid(), getgid());
}
THEN(ReadOnlyMount, ChangesAreErofs) {
  IS("EROFS", Open("f", O_WRONLY));
  IS("EROFS", Open("f", O_RDWR | O_CREAT, 0600));
  IS("EROFS", Open("f", O_RDONLY | O_TRUNC));
  IS("EROFS", Open("new", O_WRONLY | O_CREAT, 0600));
  IS("EROFS", Open("new", O_RDONLY | O_CREAT, 0600));
  IS("EROFS", Open("dangling", O_RDONLY | O_CREAT, 0600));
  IS("EROFS", Open("d", O_RDWR | O_TMPFILE, 0600));
  IS("ok", Open("f", O_RDONLY | O_CREAT, 0600));
  IS("ok", Open("f", O_RDONLY));
  IS("ok", Open("p", O_RDWR));  // a FIFO's data is not on the file system
  IS("EEXIST", Open("f", O_WRONLY | O_CREAT | O_EXCL, 0600));
  IS("EROFS", mkdir("new", 0755));
  IS("EEXIST", mkdir("d", 0755));
  IS("EROFS", rmdir("d"));
  IS("EROFS", unlink("f"));
  IS("EROFS", unlink("missing"));
  IS("EROFS", rename("f", "g"));
  IS("EROFS", rename("missing", "g"));
  IS("EROFS", rmdir("missing"));
  IS("EROFS", link("f", "g"));
  IS("EEXIST", link("f", "d"));
  IS("EROFS", symlink("x", "new"));
  IS("EEXIST", symlink("x", "l"));
  IS("EROFS", mkfifo("new", 0600));
  IS("EROFS", chmod("f", 0600));
  IS("EROFS", chown("f", -1, -1));
  IS("EROFS", truncate("f", 0));
  IS("EROFS", utimensat(AT_FDCWD, "f", nullptr, 0));
  IS("EROFS", access("f", W_OK));
  IS("EROFS", fchmod(Fd("f", O_RDONLY), 0600));
  IS("ENOENT", chmod("missing", 0600));
  IS("ENOENT", Open("missing", O_WRONLY));
  IS("EISDIR", Open("d", O_WRONLY));
}

CASE(FullDisk, WritingAndCreatingIsEnospc) {
  const int fd = Fd("f", O_RDWR | O_CREAT, 0644);
  const std::string block = Times(4096, "x");
  long written = 0;
  ssize_t size;
  while ((size = write(fd, block.data(), block.size())) > 0) written += size;
  IS("ENOSPC", size);
  IS(true, written > 0 && written <= 65536);
  IS("ENOSPC", fallocate(fd, 0, 1 << 20, 1 << 20));
  IS(0, truncate("f", 1 << 20));  // a hole
  IS(0, truncate("f", 0));
  IS(4096, write(fd, block.data(), block.size()));
}

CASE(FewInodes, CreatingIsEnospc) {
  int made = 0;
  while (made < 100 && Open("f" + std::to_string(made), O_WRONLY | O_CREAT, 0600) == "ok") ++made;
  IS(true, made > 0 && made < 24);
  IS("ENOSPC", Open("new", O_WRONLY | O_CREAT, 0600));
  IS("ENOSPC", Open("new", O_WRONLY | O_CREAT | O_EXCL, 0600));
  IS("ENOSPC", Open(".", O_RDWR | O_TMPFILE, 0600));
  IS("ENOSPC", mkdir("new", 0755));
  IS("ENOSPC", symlink("x", "new"));
  IS("ENOSPC", mkfifo("new", 0600));
  IS("ENOSPC", mknod("new", S_IFREG | 0600, 0));
  IS("ok", Open("f0", O_WRONLY | O_CREAT, 0600));
  IS("EEXIST", mkdir("f0", 0755));
  IS(0, rename("f0", "new"));
  IS(0, unlink("new"));
  IS("ok", Open("new", O_WRONLY | O_CREAT, 0600));
}

}  // namespace conformance
