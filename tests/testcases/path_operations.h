// The path operations that the attacked programs in this directory perform, each the way a careful
// program does it: one step that puts the scene right (ignored when it fails), then the one call
// that counts. Header only, so that a testcase stays one file. Not thread-safe: `cwd-write` changes
// the directory.
#ifndef TESTS_TESTCASES_PATH_OPERATIONS_H_
#define TESTS_TESTCASES_PATH_OPERATIONS_H_

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <string>
#include <string_view>

namespace testcases {

// What a watched tree's `target` contains; a reader that sees it has read outside.
inline constexpr std::string_view kCanary = "CANARY-OUTSIDE";

struct Scene {
  std::string directory;   // where the names live; attackers swap it, or what lies in it
  std::string scratch;     // a directory of the victim's own, not under attack
  std::string home;        // where cwd-write goes back to
  bool make_leaf = false;  // create the leaf first: for attackers that take it away
  bool canary_seen = false;

  std::string Name(const char* leaf) const { return directory + "/" + leaf; }
};

// Prepares and performs: 0, or the errno of the call that counts.
using Perform = int (*)(Scene&);

struct PathOperation {
  const char* name;
  const char* leaf;  // the name that the call is about
  // Does the call follow a link that stands at the leaf? One that acts on the link itself cannot be
  // led astray by exchanging the leaf.
  bool follows_leaf;
  bool leaf_must_exist;
  Perform perform;
};

inline int ErrnoOf(int result) { return result < 0 ? errno : 0; }

inline int WriteThrough(const std::string& path, int flags) {
  int fd = open(path.c_str(), flags | O_CLOEXEC, 0644);
  if (fd < 0) return errno;
  int error = write(fd, "written\n", 8) == 8 ? 0 : errno;
  close(fd);
  return error;
}

inline int OpenWrite(Scene& s) { return WriteThrough(s.Name("target"), O_WRONLY); }
inline int OpenTruncate(Scene& s) { return WriteThrough(s.Name("target"), O_WRONLY | O_TRUNC); }
inline int OpenCreate(Scene& s) { return WriteThrough(s.Name("created"), O_WRONLY | O_CREAT); }

inline int OpenRead(Scene& s) {
  int fd = open(s.Name("target").c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  char buffer[64] = {};
  ssize_t n = read(fd, buffer, sizeof(buffer) - 1);
  close(fd);
  if (n < 0) return EIO;
  s.canary_seen = std::string_view(buffer, static_cast<size_t>(n)).find(kCanary) == 0;
  return 0;
}

inline int CwdWrite(Scene& s) {
  if (chdir(s.directory.c_str()) < 0) return errno;
  int fd = openat(AT_FDCWD, "target", O_WRONLY | O_CLOEXEC);
  int error = ErrnoOf(fd);
  if (fd >= 0) {
    error = write(fd, "written\n", 8) == 8 ? 0 : errno;
    close(fd);
  }
  while (chdir(s.home.c_str()) < 0) usleep(10);  // it may just be away
  return error;
}

inline int Mkdir(Scene& s) { return ErrnoOf(mkdir(s.Name("made").c_str(), 0755)); }
inline int Rmdir(Scene& s) { return ErrnoOf(rmdir(s.Name("remove-me").c_str())); }
inline int Unlink(Scene& s) { return ErrnoOf(unlink(s.Name("unlink-me").c_str())); }
inline int Symlink(Scene& s) { return ErrnoOf(symlink("target", s.Name("pointer").c_str())); }
inline int Mkfifo(Scene& s) { return ErrnoOf(mknod(s.Name("fifo").c_str(), S_IFIFO | 0644, 0)); }

inline int Rename(Scene& s) {
  if (rename(s.Name("from").c_str(), s.Name("to").c_str()) == 0) return 0;
  if (errno != ENOENT) return errno;
  return ErrnoOf(rename(s.Name("to").c_str(), s.Name("from").c_str()));
}

inline int LinkInto(Scene& s) {
  return ErrnoOf(link((s.scratch + "/source").c_str(), s.Name("linked").c_str()));
}

inline int LinkFrom(Scene& s) {
  std::string copy = s.scratch + "/copy";
  unlink(copy.c_str());
  return ErrnoOf(
      linkat(AT_FDCWD, s.Name("target").c_str(), AT_FDCWD, copy.c_str(), AT_SYMLINK_FOLLOW));
}

inline int Chmod(Scene& s) {
  static unsigned calls = 0;
  return ErrnoOf(chmod(s.Name("target").c_str(), ++calls % 2 ? 0640 : 0604));
}

inline int Chown(Scene& s) { return ErrnoOf(chown(s.Name("target").c_str(), getuid(), getgid())); }
inline int Utimens(Scene& s) {
  return ErrnoOf(utimensat(AT_FDCWD, s.Name("target").c_str(), nullptr, 0));
}
inline int Truncate(Scene& s) { return ErrnoOf(truncate(s.Name("target").c_str(), 3)); }
inline int Setxattr(Scene& s) {
  return ErrnoOf(setxattr(s.Name("target").c_str(), "user.marker", "x", 1, 0));
}
inline int Removexattr(Scene& s) {
  return ErrnoOf(removexattr(s.Name("target").c_str(), "user.present"));
}

inline constexpr PathOperation kPathOperations[] = {
    {"open-write", "target", true, true, OpenWrite},
    {"open-truncate", "target", true, true, OpenTruncate},
    {"open-create", "created", true, false, OpenCreate},
    {"open-read", "target", true, true, OpenRead},
    {"cwd-write", "target", true, true, CwdWrite},
    {"mkdir", "made", false, false, Mkdir},
    {"rename", "from", false, false, Rename},
    {"unlink", "unlink-me", false, true, Unlink},
    {"rmdir", "remove-me", false, true, Rmdir},
    {"link-into", "linked", false, false, LinkInto},
    {"link-from", "target", true, true, LinkFrom},
    {"symlink", "pointer", false, false, Symlink},
    {"mkfifo", "fifo", false, false, Mkfifo},
    {"chmod", "target", true, true, Chmod},
    {"chown", "target", true, true, Chown},
    {"utimens", "target", true, true, Utimens},
    {"truncate", "target", true, true, Truncate},
    {"setxattr", "target", true, true, Setxattr},
    {"removexattr", "target", true, true, Removexattr},
};

inline const PathOperation* FindPathOperation(std::string_view name) {
  for (const PathOperation& operation : kPathOperations) {
    if (operation.name == name) return &operation;
  }
  return nullptr;
}

// Puts the scene right for the next attempt. All of it may fail: the attacker is at work here too.
inline void PrepareScene(const PathOperation& operation, Scene& s) {
  const std::string_view leaf = operation.leaf;
  const std::string path = s.Name(operation.leaf);
  if (leaf == "made") {
    rmdir(path.c_str());
  } else if (leaf == "linked" || leaf == "pointer" || leaf == "fifo") {
    unlink(path.c_str());
  } else if (leaf == "remove-me") {
    mkdir(path.c_str(), 0755);
  } else if (leaf == "unlink-me" || s.make_leaf) {
    int fd = open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
    if (fd >= 0) {
      if (write(fd, "own\n", 4) != 4) perror("write");
      close(fd);
    }
  }
  if (operation.perform == Removexattr) setxattr(path.c_str(), "user.present", "y", 1, 0);
}

}  // namespace testcases

#endif  // TESTS_TESTCASES_PATH_OPERATIONS_H_
