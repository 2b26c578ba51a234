// What the ways of hidden_names.cc share: each tells what came of it in a word.
#ifndef TESTS_TESTCASES_HIDDEN_NAMES_H_
#define TESTS_TESTCASES_HIDDEN_NAMES_H_

#include <fcntl.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

namespace testcases {

struct Way {
  const char* name;
  std::function<std::string()> attempt;
  bool changes = false;  // so it gets a directory of its own
};

// "OK" or the errno's name.
inline std::string Said(long result) { return result >= 0 ? "OK" : strerrorname_np(errno); }

inline std::string Opened(int fd) {
  const std::string said = Said(fd);
  if (fd < 0) return said;
  char text[64] = {};
  const ssize_t size = read(fd, text, sizeof(text) - 1);
  close(fd);
  return size > 0 ? "read " + std::string(text, std::min<size_t>(size, 2)) : said;
}

inline std::string Closed(int fd) {
  const std::string said = Said(fd);
  if (fd >= 0) close(fd);
  return said;
}

struct OpenHow {
  uint64_t flags = 0, mode = 0, resolve = 0;
};

inline int OpenAt2(int dirfd, const char* path, uint64_t flags, uint64_t resolve = 0,
                   uint64_t mode = 0) {
  OpenHow how = {flags, mode, resolve};
  return static_cast<int>(syscall(437, dirfd, path, &how, sizeof(how)));
}

inline std::string Absolute(const std::string& name) {
  char here[PATH_MAX];
  return getcwd(here, sizeof(here)) == nullptr ? name : here + ("/" + name);
}

inline int Here(int flags = O_RDONLY | O_DIRECTORY) { return open(".", flags); }

inline sockaddr_un SocketName(const char* path) {
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  strncpy(name.sun_path, path, sizeof(name.sun_path) - 1);
  return name;
}

inline std::string OnSocket(int (*call)(int, const sockaddr*, socklen_t), const char* path) {
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  const sockaddr_un name = SocketName(path);
  const std::string said = Said(call(fd, reinterpret_cast<const sockaddr*>(&name), sizeof(name)));
  close(fd);
  return said;
}

inline std::string InDirectory(const char* directory, const std::function<std::string()>& then) {
  return chdir(directory) == 0 ? then() : std::string(strerrorname_np(errno));
}

inline std::string FromDescriptor(int fd, const std::function<std::string(int)>& then) {
  const std::string text = then(fd);
  close(fd);
  return text;
}

inline std::string ByMagicLink(const char* name) {
  return FromDescriptor(Here(O_PATH | O_DIRECTORY), [&](int fd) {
    return Opened(open(("/proc/self/fd/" + std::to_string(fd) + "/" + name).c_str(), O_RDONLY));
  });
}

inline std::string Stated(long result, const struct stat& info) {
  return result < 0 ? Said(result) : "size " + std::to_string(info.st_size > 0);
}

// Names by readdir(3), sorted. `seek`: each is looked for again by seekdir(3).
std::string Listed(const char* path, bool seek = false);

std::vector<Way> WaysToLook();  // stat and its kind
std::vector<Way> WaysToOpen();
std::vector<Way> WaysToList();

}  // namespace testcases

#endif  // TESTS_TESTCASES_HIDDEN_NAMES_H_
