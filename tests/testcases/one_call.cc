// Performs the steps that its arguments name, one after the other, and prints for each one JSON
// line
// {"step":…,"errno":"OK"|"EXDEV"|…,"text":…}. The deterministic attacks are written with it.
//
//   one_call STEP ARGS… [, STEP ARGS…]…
//
// Descriptors live in slots, named by a number: `open 0 rdonly PATH`, then `fchmod 0`. In a word,
// %0 to %9 stand for the number of the descriptor in that slot, %p for the parent's process id, %s
// for its own.
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <functional>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

namespace {

using Words = std::vector<std::string>;

int slots[16] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
std::string text;  // what the step has to say besides its errno

int Slot(const std::string& word) { return slots[atoi(word.c_str()) % 16]; }
const char* C(const std::string& word) { return word.c_str(); }

// A UNIX socket file; the socket itself is closed again.
int BindSocket(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, C(path), sizeof(address.sun_path) - 1);
  const int socket_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int result = bind(socket_fd, reinterpret_cast<sockaddr*>(&address), sizeof(address));
  const int error = errno;
  close(socket_fd);
  errno = error;
  return result;
}

int OpenFlags(const std::string& words) {
  static const std::map<std::string, int> kFlags = {
      {"rdonly", O_RDONLY},     {"wronly", O_WRONLY},   {"rdwr", O_RDWR},
      {"creat", O_CREAT},       {"excl", O_EXCL},       {"trunc", O_TRUNC},
      {"append", O_APPEND},     {"path", O_PATH},       {"directory", O_DIRECTORY},
      {"nofollow", O_NOFOLLOW}, {"tmpfile", O_TMPFILE}, {"cloexec", O_CLOEXEC},
      {"nonblock", O_NONBLOCK}, {"noctty", O_NOCTTY},
  };
  int flags = 0;
  std::istringstream stream(words);
  for (std::string word; std::getline(stream, word, '+');) {
    const auto it = kFlags.find(word);
    if (it == kFlags.end()) {
      fprintf(stderr, "one_call: unknown open flag %s\n", word.c_str());
      exit(2);
    }
    flags |= it->second;
  }
  return flags;
}

int Keep(const std::string& slot, int fd) { return slots[atoi(slot.c_str()) % 16] = fd; }

int OpenNoMagic(int flags, const std::string& path) {
  open_how how = {};
  how.flags = static_cast<unsigned>(flags);
  how.mode = (flags & O_CREAT) != 0 ? 0644 : 0;
  how.resolve = RESOLVE_NO_MAGICLINKS;
  return static_cast<int>(syscall(SYS_openat2, AT_FDCWD, C(path), &how, sizeof(how)));
}

int ReadAll(int fd) {
  char buffer[4096];
  ssize_t n;
  while ((n = read(fd, buffer, sizeof(buffer))) > 0) text.append(buffer, static_cast<size_t>(n));
  return n < 0 ? -1 : 0;
}

// Opens, reads or writes, and closes.
int ReadPath(const Words& w) {
  int fd = open(C(w[1]), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  int result = ReadAll(fd);
  close(fd);
  return result;
}

int WritePath(const Words& w) {
  int fd = open(C(w[2]), OpenFlags(w[1]) | O_CLOEXEC, 0644);
  if (fd < 0) return -1;
  int result = write(fd, "written\n", 8) == 8 ? 0 : -1;
  int saved = errno;
  close(fd);
  errno = saved;
  return result;
}

int ReadLink(const Words& w) {
  char buffer[4096];
  ssize_t n = readlink(C(w[1]), buffer, sizeof(buffer));
  if (n < 0) return -1;
  text.assign(buffer, static_cast<size_t>(n));
  return 0;
}

int Await(const Words& w) {
  struct stat status;
  for (int i = 0; i < 20000; ++i) {
    if (lstat(C(w[1]), &status) == 0) return 0;
    usleep(1000);
  }
  errno = ETIMEDOUT;
  return -1;
}

// Writes until an error, which is the step's.
int Fill(const Words& w) {
  int fd = open(C(w[1]), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return -1;
  static const char kBlock[4096] = {};
  for (int i = 0; i < 100000; ++i) {
    if (write(fd, kBlock, sizeof(kBlock)) < 0) {
      int saved = errno;
      close(fd);
      errno = saved;
      return -1;
    }
  }
  close(fd);
  return 0;
}

int Say(const Words& w) {
  text = w[1];
  return 0;
}

struct Step {
  size_t words;  // with the step's own name
  std::function<int(const Words&)> run;
};

const std::map<std::string, Step>& Steps() {
  static const std::map<std::string, Step> kSteps = {
      {"open",
       {4, [](const Words& w) { return Keep(w[1], open(C(w[3]), OpenFlags(w[2]), 0644)); }}},
      {"open-no-magic",
       {4, [](const Words& w) { return Keep(w[1], OpenNoMagic(OpenFlags(w[2]), w[3])); }}},
      {"openat",
       {5,
        [](const Words& w) {
          return Keep(w[1], openat(Slot(w[2]), C(w[4]), OpenFlags(w[3]), 0644));
        }}},
      {"read-slot", {2, [](const Words& w) { return ReadAll(Slot(w[1])); }}},
      {"write-slot",
       {2, [](const Words& w) { return write(Slot(w[1]), "written\n", 8) == 8 ? 0 : -1; }}},
      {"read", {2, ReadPath}},
      {"write", {3, WritePath}},
      {"readlink", {2, ReadLink}},
      {"await", {2, Await}},
      {"say", {2, Say}},
      {"fill", {2, Fill}},
      {"chdir", {2, [](const Words& w) { return chdir(C(w[1])); }}},
      {"fchdir", {2, [](const Words& w) { return fchdir(Slot(w[1])); }}},
      {"mkdir", {2, [](const Words& w) { return mkdir(C(w[1]), 0755); }}},
      {"bind", {2, [](const Words& w) { return BindSocket(w[1]); }}},
      {"mkdirat", {3, [](const Words& w) { return mkdirat(Slot(w[1]), C(w[2]), 0755); }}},
      {"rmdir", {2, [](const Words& w) { return rmdir(C(w[1])); }}},
      {"unlink", {2, [](const Words& w) { return unlink(C(w[1])); }}},
      {"unlinkat", {3, [](const Words& w) { return unlinkat(Slot(w[1]), C(w[2]), 0); }}},
      {"rename", {3, [](const Words& w) { return rename(C(w[1]), C(w[2])); }}},
      {"exchange",
       {3,
        [](const Words& w) {
          return renameat2(AT_FDCWD, C(w[1]), AT_FDCWD, C(w[2]), RENAME_EXCHANGE);
        }}},
      {"link", {3, [](const Words& w) { return link(C(w[1]), C(w[2])); }}},
      {"link-follow",
       {3,
        [](const Words& w) {
          return linkat(AT_FDCWD, C(w[1]), AT_FDCWD, C(w[2]), AT_SYMLINK_FOLLOW);
        }}},
      {"link-slot",
       {3,
        [](const Words& w) {
          const std::string from = "/proc/self/fd/" + std::to_string(Slot(w[1]));
          return linkat(AT_FDCWD, C(from), AT_FDCWD, C(w[2]), AT_SYMLINK_FOLLOW);
        }}},
      {"symlink", {3, [](const Words& w) { return symlink(C(w[1]), C(w[2])); }}},
      {"mkfifo", {2, [](const Words& w) { return mknod(C(w[1]), S_IFIFO | 0644, 0); }}},
      {"chmod", {2, [](const Words& w) { return chmod(C(w[1]), 0600); }}},
      {"chown", {2, [](const Words& w) { return chown(C(w[1]), getuid(), getgid()); }}},
      {"lchown", {2, [](const Words& w) { return lchown(C(w[1]), getuid(), getgid()); }}},
      {"utimens", {2, [](const Words& w) { return utimensat(AT_FDCWD, C(w[1]), nullptr, 0); }}},
      {"truncate", {2, [](const Words& w) { return truncate(C(w[1]), 1); }}},
      {"setxattr", {2, [](const Words& w) { return setxattr(C(w[1]), "user.marker", "x", 1, 0); }}},
      {"lsetxattr",
       {2, [](const Words& w) { return lsetxattr(C(w[1]), "user.marker", "x", 1, 0); }}},
      {"removexattr", {2, [](const Words& w) { return removexattr(C(w[1]), "user.present"); }}},
      {"fchmod", {2, [](const Words& w) { return fchmod(Slot(w[1]), 0600); }}},
      {"fchmodat2",
       {2,
        [](const Words& w) {
          return static_cast<int>(syscall(SYS_fchmodat2, Slot(w[1]), "", 0600, AT_EMPTY_PATH));
        }}},
      {"fchown", {2, [](const Words& w) { return fchown(Slot(w[1]), getuid(), getgid()); }}},
      {"fchownat",
       {2,
        [](const Words& w) {
          return fchownat(Slot(w[1]), "", getuid(), getgid(), AT_EMPTY_PATH);
        }}},
      {"futimens", {2, [](const Words& w) { return futimens(Slot(w[1]), nullptr); }}},
      {"fsetxattr",
       {2, [](const Words& w) { return fsetxattr(Slot(w[1]), "user.marker", "x", 1, 0); }}},
      {"fremovexattr",
       {2, [](const Words& w) { return fremovexattr(Slot(w[1]), "user.present"); }}},
      {"ftruncate", {2, [](const Words& w) { return ftruncate(Slot(w[1]), 1); }}},
  };
  return kSteps;
}

std::string Escaped(const std::string& raw) {
  std::string escaped;
  for (const unsigned char c : raw) {
    char buffer[8];
    if (c == '"' || c == '\\' || c < 0x20 || c > 0x7e) {
      snprintf(buffer, sizeof(buffer), "\\u%04x", c);
      escaped += buffer;
    } else {
      escaped += static_cast<char>(c);
    }
  }
  return escaped;
}

std::string Substituted(const std::string& word) {
  std::string result;
  for (size_t i = 0; i < word.size(); ++i) {
    if (word[i] != '%' || i + 1 == word.size()) {
      result += word[i];
      continue;
    }
    const char what = word[++i];
    result += std::to_string(what == 'p'   ? getppid()
                             : what == 's' ? getpid()
                                           : slots[(what - '0') & 15]);
  }
  return result;
}

void RunStep(Words words) {
  for (std::string& word : words) word = Substituted(word);
  const auto it = Steps().find(words[0]);
  if (it == Steps().end() || words.size() != it->second.words) {
    fprintf(stderr, "one_call: no such step, or a wrong number of words: %s\n", words[0].c_str());
    exit(2);
  }
  text.clear();
  errno = 0;
  const int error = it->second.run(words) < 0 ? errno : 0;
  printf("{\"step\":\"%s\",\"errno\":\"%s\",\"text\":\"%s\"}\n", words[0].c_str(),
         error == 0 ? "OK" : strerrorname_np(error), Escaped(text).c_str());
  fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  Words words;
  for (int i = 1; i < argc; ++i) {
    if (strcmp(argv[i], ",") != 0) {
      words.push_back(argv[i]);
      continue;
    }
    if (!words.empty()) RunStep(words);
    words.clear();
  }
  if (!words.empty()) RunStep(words);
  return 0;
}
