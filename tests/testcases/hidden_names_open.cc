// Opening a name, and listing the directory that it is in.
#include <dirent.h>
#include <sys/mman.h>

#include "tests/testcases/hidden_names.h"

namespace testcases {
namespace {

std::string Joined(std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : " ") + name;
  return text;
}

// By readdir(3); `again`: once more after rewinddir(3); `seek`: back to each place by seekdir(3).
std::string ListedBy(long call, size_t room, size_t name_at) {
  const int fd = Here();
  std::vector<char> buffer(room);
  std::vector<std::string> names;
  long size = 0;
  while ((size = syscall(call, fd, buffer.data(), buffer.size())) > 0) {
    for (long at = 0; at < size;) {
      uint16_t length = 0;
      memcpy(&length, buffer.data() + at + 16, sizeof(length));
      names.emplace_back(buffer.data() + at + name_at);
      at += length;
    }
  }
  if (size < 0) names.emplace_back(strerrorname_np(errno));
  close(fd);
  return Joined(names);
}

}  // namespace

std::string Listed(const char* path, bool seek) {
  DIR* directory = opendir(path);
  if (directory == nullptr) return strerrorname_np(errno);
  std::vector<std::string> names;
  std::vector<long> places;
  for (;;) {
    places.push_back(telldir(directory));
    const dirent* entry = readdir(directory);
    if (entry == nullptr) break;
    names.push_back(entry->d_name);
  }
  for (size_t i = 0; seek && i < names.size(); ++i) {
    seekdir(directory, places[i]);
    const dirent* entry = readdir(directory);
    if (entry == nullptr || names[i] != entry->d_name) names.push_back("WRONG-SEEK");
  }
  closedir(directory);
  return Joined(names);
}

// By the system call itself, with `room` bytes a time.
std::vector<Way> WaysToOpen() {
  return {
      {"open", [] { return Opened(open(".env", O_RDONLY)); }},
      {"open-write", [] { return Closed(open(".env", O_WRONLY)); }},
      {"open-truncate", [] { return Closed(open(".env", O_RDWR | O_TRUNC)); }, true},
      {"open-path", [] { return Closed(open(".env", O_PATH)); }},
      {"open-path-nofollow", [] { return Closed(open(".env", O_PATH | O_NOFOLLOW)); }},
      {"open-path-directory", [] { return Closed(open("secrets", O_PATH | O_DIRECTORY)); }},
      {"open-directory", [] { return Closed(open("secrets", O_RDONLY | O_DIRECTORY)); }},
      {"open-not-directory", [] { return Closed(open(".env", O_RDONLY | O_DIRECTORY)); }},
      {"open-below", [] { return Opened(open("secrets/key", O_RDONLY)); }},
      {"open-dotdot", [] { return Closed(open("secrets/..", O_RDONLY)); }},
      {"open-through", [] { return Opened(open("secrets/../public/note", O_RDONLY)); }},
      {"open-around", [] { return Opened(open("public/../.env", O_RDONLY)); }},
      {"open-by-link", [] { return Opened(open("to-env", O_RDONLY)); }},
      {"open-by-absolute-link", [] { return Opened(open("to-absolute", O_RDONLY)); }},
      {"open-by-directory-link", [] { return Opened(open("to-secrets/key", O_RDONLY)); }},
      {"open-link-through", [] { return Opened(open("through", O_RDONLY)); }},
      {"open-fresh-link",
       [] {
         (void)!symlink(".env", "fresh");
         return Opened(open("fresh", O_RDONLY));
       },
       true},
      {"openat",
       [] {
         return FromDescriptor(Here(), [](int fd) { return Opened(openat(fd, ".env", O_RDONLY)); });
       }},
      {"openat-up",
       [] {
         return FromDescriptor(open("public", O_RDONLY),
                               [](int fd) { return Opened(openat(fd, "../.env", O_RDONLY)); });
       }},
      {"openat2", [] { return Opened(OpenAt2(AT_FDCWD, ".env", O_RDONLY)); }},
      {"openat2-beneath", [] { return Opened(OpenAt2(AT_FDCWD, ".env", O_RDONLY, 0x08)); }},
      {"openat2-beneath-link", [] { return Opened(OpenAt2(AT_FDCWD, "to-env", O_RDONLY, 0x08)); }},
      {"openat2-beneath-not-directory",
       [] { return Closed(OpenAt2(AT_FDCWD, "to-env", O_RDONLY | O_DIRECTORY, 0x08)); }},
      {"openat2-beneath-below-link",
       [] { return Opened(OpenAt2(AT_FDCWD, "to-secrets/key", O_RDONLY, 0x08)); }},
      {"openat2-beneath-through",
       [] { return Opened(OpenAt2(AT_FDCWD, "secrets/../public/note", O_RDONLY, 0x08)); }},
      {"openat2-beneath-link-through",
       [] { return Opened(OpenAt2(AT_FDCWD, "through", O_RDONLY, 0x08)); }},
      {"openat2-beneath-around",
       [] { return Opened(OpenAt2(AT_FDCWD, "public/../.env", O_RDONLY, 0x08)); }},
      {"openat2-in-root", [] { return Opened(OpenAt2(AT_FDCWD, "/.env", O_RDONLY, 0x10)); }},
      {"openat2-no-links", [] { return Opened(OpenAt2(AT_FDCWD, ".env", O_RDONLY, 0x04)); }},
      {"openat2-path", [] { return Closed(OpenAt2(AT_FDCWD, ".env", O_PATH)); }},
      {"open-cwd-link", [] { return Opened(open("/proc/self/cwd/.env", O_RDONLY)); }},
      {"open-root-link",
       [] { return Opened(open(("/proc/self/root" + Absolute(".env")).c_str(), O_RDONLY)); }},
      {"open-thread-cwd",
       [] { return Opened(open("/proc/thread-self/cwd/secrets/key", O_RDONLY)); }},
      {"open-descriptor-link", [] { return ByMagicLink(".env"); }},
      {"open-below-cwd",
       [] {
         return InDirectory("public", [] { return Opened(open("../secrets/key", O_RDONLY)); });
       }},
      {"map",
       [] {
         const int fd = open(".env", O_RDONLY);
         if (fd < 0) return Said(fd);
         return Said(mmap(nullptr, 4, PROT_READ, MAP_PRIVATE, fd, 0) != MAP_FAILED ? 0 : -1);
       }},
      {"connect", [] { return OnSocket(connect, "secret.sock"); }},
      {"connect-no-socket", [] { return OnSocket(connect, ".env"); }},
  };
}

std::vector<Way> WaysToList() {
  return {
      {"readdir", [] { return Listed("."); }},
      {"readdir-seek", [] { return Listed(".", true); }},
      {"readdir-hidden", [] { return Listed("secrets"); }},
      {"readdir-up", [] { return Listed("public/.."); }},
      {"readdir-cwd-link", [] { return Listed("/proc/self/cwd/"); }},
      {"readdir-below-cwd", [] { return InDirectory("public", [] { return Listed(".."); }); }},
      {"readdir-descriptor-link",
       [] {
         return FromDescriptor(Here(O_PATH), [](int fd) {
           return Listed(("/proc/self/fd/" + std::to_string(fd)).c_str());
         });
       }},
      {"getdents64", [] { return ListedBy(SYS_getdents64, 65536, 19); }},
      {"getdents64-small", [] { return ListedBy(SYS_getdents64, 32, 19); }},
      {"getdents64-smaller", [] { return ListedBy(SYS_getdents64, 48, 19); }},
#ifdef SYS_getdents
      {"getdents", [] { return ListedBy(SYS_getdents, 65536, 18); }},
      {"getdents-small", [] { return ListedBy(SYS_getdents, 32, 18); }},
#endif
  };
}

// Those that make the name: what is asked for is refused, whether or not the name is there.
}  // namespace testcases
