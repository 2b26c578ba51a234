// rename(2), renameat2(2).
#include <stdio.h>

#include "tests/conformance/conformance.h"

namespace conformance {
namespace {

void Make(const std::string& kind, const std::string& path) {
  if (kind == "file") Touch(path, 0644, "file");
  if (kind == "dir") Dir(path);
  if (kind == "full") {
    Dir(path);
    Touch(path + "/f");
  }
  if (kind == "link") Symlink("nowhere", path);
  if (kind == "dirlink") Symlink(".", path);
  if (kind == "fifo") IS(0, mkfifo(path.c_str(), 0600));
  if (kind == "socket") IS(0, mknod(path.c_str(), S_IFSOCK | 0600, 0));
}

bool IsDir(const std::string& kind) { return kind == "dir" || kind == "full"; }

constexpr const char* kKinds[] = {"none", "file",    "dir",  "full",
                                  "link", "dirlink", "fifo", "socket"};

}  // namespace

CASE(Rename, EveryKindOntoEveryKind) {
  for (const std::string from : kKinds) {
    for (const std::string to : kKinds) {
      const std::string place = from + "-" + to;
      Dir(place);
      const std::string a = place + "/a";
      const std::string b = place + "/b";
      Make(from, a);
      Make(to, b);
      const std::string what = What(a);
      std::string want = "0";
      if (from == "none") {
        want = "ENOENT";
      } else if (IsDir(from) && to != "none") {
        want = to == "full" ? "ENOTEMPTY" : to == "dir" ? "0" : "ENOTDIR";
      } else if (!IsDir(from) && IsDir(to)) {
        want = "EISDIR";
      }
      IS(place + " " + want, place + " " + Answer(rename(a.c_str(), b.c_str())));
      if (want == "0") {
        IS("nothing", What(a));
        IS(what, What(b));
      }
    }
  }
}

CASE(Rename, NoReplaceOntoEveryKind) {
  for (const std::string from : kKinds) {
    for (const std::string to : kKinds) {
      const std::string place = from + "-" + to;
      Dir(place);
      Make(from, place + "/a");
      Make(to, place + "/b");
      const std::string want = from == "none" ? "ENOENT" : to == "none" ? "0" : "EEXIST";
      IS(place + " " + want,
         place + " " +
             Answer(Rename2((place + "/a").c_str(), (place + "/b").c_str(), RENAME_NOREPLACE)));
    }
  }
}

CASE(Rename, ExchangeOfEveryKind) {
  for (const std::string from : kKinds) {
    for (const std::string to : kKinds) {
      const std::string place = from + "-" + to;
      Dir(place);
      const std::string a = place + "/a";
      const std::string b = place + "/b";
      Make(from, a);
      Make(to, b);
      const std::string before = What(a) + "," + What(b);
      const std::string want = from == "none" || to == "none" ? "ENOENT" : "0";
      IS(place + " " + want, place + " " + Answer(Rename2(a.c_str(), b.c_str(), RENAME_EXCHANGE)));
      IS(before, want == "0" ? What(b) + "," + What(a) : What(a) + "," + What(b));
    }
  }
}

CASE(Rename, IntoItselfIsEinval) {
  Dir("d");
  Dir("d/e");
  IS("EINVAL", rename("d", "d/x"));
  IS("EINVAL", rename("d", "d/e/x"));
  IS("EINVAL", rename("d", "d/e"));
  IS("ENOTEMPTY", rename("d/e", "d"));
  IS("EINVAL", Rename2("d", "d/e", RENAME_EXCHANGE));
  IS("EINVAL", Rename2("d/e", "d", RENAME_EXCHANGE));
  IS("EEXIST", Rename2("d", "d/e", RENAME_NOREPLACE));
  IS(0, rename("d", "d"));
  IS("EEXIST", Rename2("d", "d", RENAME_NOREPLACE));
  IS(0, Rename2("d", "d", RENAME_EXCHANGE));
}

CASE(Rename, DotsAreEbusy) {
  Dir("d");
  Dir("d/e");
  Touch("f");
  IS("EBUSY", rename(".", "x"));
  IS("EBUSY", rename("..", "x"));
  IS("EBUSY", rename("d/.", "x"));
  IS("EBUSY", rename("d/..", "x"));
  IS("EBUSY", rename("d/./", "x"));
  IS("EBUSY", rename("d", "."));
  IS("EBUSY", rename("f", ".."));
  IS("EBUSY", rename("f", "d/."));
  IS("EBUSY", rename("f", "d/e/.."));
  IS("EBUSY", rename("missing", "d/."));
  IS("EEXIST", Rename2("f", "d/.", RENAME_NOREPLACE));
  IS("EEXIST", Rename2("f", "d/e/..", RENAME_NOREPLACE));
  IS("EBUSY", Rename2("f", ".", RENAME_EXCHANGE));
}

CASE(Rename, TrailingSlashes) {
  Touch("f");
  Dir("d");
  Dir("empty");
  Symlink("d", "link");
  Symlink("nowhere", "dangling");
  IS("ENOTDIR", rename("f/", "x"));
  IS("ENOTDIR", rename("f", "x/"));
  IS("ENOTDIR", rename("f", "d/"));
  IS("ENOTDIR", rename("link/", "x"));
  IS("ENOTDIR", rename("dangling/", "x"));
  IS("ENOTDIR", rename("d", "link/"));
  IS("ENOTDIR", rename("link", "x/"));
  IS("ENOENT", rename("missing/", "x"));
  IS("ENOENT", rename("missing", "x/"));
  IS(0, rename("d/", "moved"));
  IS(0, rename("moved", "new/"));
  IS(0, rename("new//", "empty///"));
  IS("dir 0755", What("empty"));
  IS("dangling empty f link", Names("."));
}

CASE(Rename, SameInodeDoesNothing) {
  Touch("a", 0644, "x");
  IS(0, link("a", "b"));
  IS(0, rename("a", "b"));
  IS("a b", Names("."));
  IS(2, Links("a"));
  IS(0, rename("a", "a"));
  IS("EEXIST", Rename2("a", "b", RENAME_NOREPLACE));
  IS(0, Rename2("a", "b", RENAME_EXCHANGE));
  IS("a b", Names("."));
}

CASE(Rename, EmptyAndBadPaths) {
  Touch("f");
  Dir("d");
  IS("ENOENT", rename("", "x"));
  IS("ENOENT", rename("f", ""));
  IS("ENOENT", rename("f", "missing/x"));
  IS("ENOENT", rename("missing/x", "f"));
  IS("ENOTDIR", rename("f/x", "y"));
  IS("ENOTDIR", rename("d", "f/y"));
  IS("EFAULT", syscall(SYS_rename, nullptr, "x"));
  IS("EFAULT", syscall(SYS_rename, "f", nullptr));
  IS("EBADF", renameat(77, "f", AT_FDCWD, "g"));
  IS("EBADF", renameat(AT_FDCWD, "f", 77, "g"));
  const int file = Fd("f", O_RDONLY);
  IS("ENOTDIR", renameat(file, "f", AT_FDCWD, "g"));
  IS("ENOTDIR", renameat(AT_FDCWD, "f", file, "g"));
  char cwd[4096];
  IS(true, getcwd(cwd, sizeof(cwd)) != nullptr);
  IS(0, renameat(77, (std::string(cwd) + "/f").c_str(), AT_FDCWD, "g"));
}

CASE(Rename, LinksThemselvesAreRenamed) {
  Touch("target");
  Symlink("target", "a");
  Symlink("loop", "loop");
  Dir("d");
  IS(0, rename("a", "d/a"));
  IS("target", LinkText("d/a"));
  IS(0, rename("loop", "d/loop"));
  IS(0, rename("target", "d/loop"));
  IS("file 0644", What("d/loop"));
}

CASE(Rename, NeedsWritableDirectories) {
  Dir("ro");
  Dir("rw");
  Touch("ro/f");
  Dir("ro/d");
  Touch("rw/g");
  Dir("rw/d");
  IS(0, chmod("ro", 0555));
  IS("EACCES", rename("ro/f", "rw/f"));
  IS("EACCES", rename("ro/f", "ro/x"));
  IS("EACCES", rename("rw/g", "ro/g"));
  IS("EACCES", rename("rw/g", "ro/f"));
  IS("EACCES", rename("ro/d", "rw/x"));
  IS("EACCES", Rename2("ro/f", "rw/g", RENAME_EXCHANGE));
  IS("ENOENT", rename("ro/missing", "rw/x"));
  IS("ENOENT", rename("rw/missing", "ro/x"));
  IS("EEXIST", Rename2("rw/g", "ro/f", RENAME_NOREPLACE));
  IS(0, chmod("ro", 0));
  IS("EACCES", rename("ro/f", "rw/f"));
  IS("EACCES", rename("rw/missing", "ro/x"));
  IS(0, chmod("ro", 0755));
}

CASE(Rename, DirectoryWithoutWriteKeepsItsParent) {
  Dir("a");
  Dir("b");
  Dir("a/d", 0555);
  // ".." of a moved directory is written: rename(2), EACCES
  IS("EACCES", rename("a/d", "b/d"));
  IS(0, rename("a/d", "a/e"));
  IS(0, chmod("a/e", 0755));
  IS(0, rename("a/e", "b/d"));
}

CASE(Rename, LinkCountsOfParentsFollowADirectory) {
  Dir("a");
  Dir("b");
  Dir("a/d");
  IS(3, Links("a"));
  IS(2, Links("b"));
  IS(0, rename("a/d", "b/d"));
  IS(2, Links("a"));
  IS(3, Links("b"));
  Touch("a/f");
  IS(0, Rename2("a/f", "b/d", RENAME_EXCHANGE));
  IS(3, Links("a"));
  IS(2, Links("b"));
}

CASE(Rename, OpenFileFollowsItsName) {
  const int fd = Fd("a", O_RDWR | O_CREAT, 0644);
  Touch("b", 0644, "old");
  const int old = Fd("b", O_RDONLY);
  IS(0, rename("a", "b"));
  IS(3, write(fd, "new", 3));
  IS("new", Read("b"));
  struct stat info;
  IS(0, fstat(old, &info));
  IS(0, static_cast<long>(info.st_nlink));
}

CASE(RenameFlags, UnknownAndContraryFlagsAreEinval) {
  Touch("a");
  Touch("b");
  IS("EINVAL", Rename2("a", "b", 8));
  IS("EINVAL", Rename2("a", "b", ~0U));
  IS("EINVAL", Rename2("a", "b", RENAME_NOREPLACE | RENAME_EXCHANGE));
  IS("EINVAL", Rename2("a", "b", RENAME_WHITEOUT | RENAME_EXCHANGE));
  IS("EINVAL", Rename2("missing", "b", RENAME_NOREPLACE | RENAME_EXCHANGE));
  IS("a b", Names("."));
}

// A whiteout is a character device, which no session makes (docs/errors.md).
CASE(RenameFlags, WhiteoutIsRefusedInASession) {
  Touch("a");
  IS(BareOrInside(0, "EPERM"), Rename2("a", "b", RENAME_WHITEOUT));
  IS(BareOrInside("char 0000", "file 0644"), What("a"));
}

CASE(RenameFlags, FlagsInTheHighHalfAreNotSeen) {
  Touch("a");
  IS(0, syscall(SYS_renameat2, AT_FDCWD, "a", AT_FDCWD, "b", 1UL << 32));
  IS("b", Names("."));
}

CASE(RenameFlags, ExchangeAcrossDirectoriesMovesBoth) {
  Dir("d");
  Dir("e");
  Touch("d/x", 0644, "1");
  Touch("e/y", 0644, "2");
  IS(0, Rename2("d/x", "e/y", RENAME_EXCHANGE));
  IS("2", Read("d/x"));
  IS("1", Read("e/y"));
  IS("ENOTDIR", Rename2("d/x/", "e", RENAME_EXCHANGE));
  IS("ENOTDIR", Rename2("e", "d/x/", RENAME_EXCHANGE));
  IS("EINVAL", Rename2("d", "d/x", RENAME_EXCHANGE));
}

CASE_WITH(RenameFlags, StickyDirectoryProtectsNamesOfOthers) {
  Dir("sticky", 01777);
  Dir("open", 0777);
  Touch("sticky/theirs", 0666);
  Touch("open/theirs", 0666);
  Dir("sticky/their-dir", 0777);
  for (const char* name : {"sticky/theirs", "open/theirs", "sticky/their-dir", "sticky", "open"}) {
    Give(name, kOther, kOther);
  }
}
THEN(RenameFlags, StickyDirectoryProtectsNamesOfOthers) {
  Touch("sticky/mine");
  Touch("mine2");
  IS("EPERM", rename("sticky/theirs", "sticky/x"));
  IS("EPERM", rename("sticky/theirs", "x"));
  IS("EPERM", rename("sticky/mine", "sticky/theirs"));
  IS("EPERM", rename("mine2", "sticky/theirs"));
  IS("EPERM", rename("sticky/their-dir", "sticky/x"));
  IS("EPERM", Rename2("sticky/mine", "sticky/theirs", RENAME_EXCHANGE));
  IS(0, rename("sticky/mine", "sticky/mine3"));
  IS(0, rename("open/theirs", "open/x"));
  IS("EPERM", unlink("sticky/theirs"));
  IS("EPERM", rmdir("sticky/their-dir"));
  IS(0, unlink("sticky/mine3"));
  IS(0, unlink("open/x"));
}

CASE_WITH(RenameFlags, DirectoryOfAnotherCannotMoveBetweenParents) {
  Dir("a", 0777);
  Dir("b", 0777);
  Dir("a/d", 0755);
  Give("a/d", kOther, kOther);
}
THEN(RenameFlags, DirectoryOfAnotherCannotMoveBetweenParents) {
  IS("EACCES", rename("a/d", "b/d"));
  IS(0, rename("a/d", "a/e"));
}

}  // namespace conformance
