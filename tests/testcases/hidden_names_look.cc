// Looking a name up, in every spelling.
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#include "tests/testcases/hidden_names.h"

namespace testcases {
namespace {

std::string Watched(const char* path, uint32_t mask) {
  const int fd = inotify_init1(IN_CLOEXEC);
  const std::string said = Said(inotify_add_watch(fd, path, mask));
  close(fd);
  return said;
}

struct XattrArgs {
  uint64_t value;
  uint32_t size, flags;
};

template <typename Call>
std::string Attribute(Call call) {
  char value[256];
  return Said(call(value, sizeof(value)));
}

}  // namespace

std::vector<Way> WaysToLook() {
  return {
      {"stat",
       [] {
         struct stat s;
         return Stated(stat(".env", &s), s);
       }},
      {"lstat",
       [] {
         struct stat s;
         return Stated(lstat(".env", &s), s);
       }},
      {"fstatat",
       [] {
         struct stat s;
         return Stated(fstatat(AT_FDCWD, ".env", &s, 0), s);
       }},
      {"stat-absolute",
       [] {
         struct stat s;
         return Stated(stat(Absolute(".env").c_str(), &s), s);
       }},
      {"stat-slashes",
       [] {
         struct stat s;
         return Stated(stat(".//.//.env", &s), s);
       }},
      {"stat-directory",
       [] {
         struct stat s;
         return Stated(stat("secrets", &s), s);
       }},
      {"stat-below",
       [] {
         struct stat s;
         return Stated(stat("secrets/key", &s), s);
       }},
      {"stat-missing-below",
       [] {
         struct stat s;
         return Stated(stat(".env/x", &s), s);
       }},
      {"stat-slash",
       [] {
         struct stat s;
         return Stated(stat(".env/", &s), s);
       }},
      {"stat-dot",
       [] {
         struct stat s;
         return Stated(stat("secrets/.", &s), s);
       }},
      {"stat-dotdot",
       [] {
         struct stat s;
         return Stated(stat("secrets/..", &s), s);
       }},
      {"stat-through",
       [] {
         struct stat s;
         return Stated(stat("secrets/../public/note", &s), s);
       }},
      {"stat-around",
       [] {
         struct stat s;
         return Stated(stat("public/../.env", &s), s);
       }},
      {"stat-by-link",
       [] {
         struct stat s;
         return Stated(stat("to-env", &s), s);
       }},
      {"stat-by-absolute-link",
       [] {
         struct stat s;
         return Stated(stat("to-absolute", &s), s);
       }},
      {"stat-by-directory-link",
       [] {
         struct stat s;
         return Stated(stat("to-secrets/key", &s), s);
       }},
      {"stat-link-through",
       [] {
         struct stat s;
         return Stated(stat("through", &s), s);
       }},
      {"stat-up-from-outside",
       [] {
         struct stat s;
         return Stated(stat(("/usr/.." + Absolute("secrets/../public/note")).c_str(), &s), s);
       }},
      {"lstat-link",
       [] {
         struct stat s;
         return Stated(lstat("secret.link", &s), s);
       }},
      {"fstatat-descriptor",
       [] {
         return FromDescriptor(Here(), [](int fd) {
           struct stat s;
           return Stated(fstatat(fd, ".env", &s, 0), s);
         });
       }},
      {"statx",
       [] {
         struct statx s;
         return Said(statx(AT_FDCWD, ".env", 0, STATX_ALL, &s));
       }},
      {"access", [] { return Said(access(".env", F_OK)); }},
      {"access-read", [] { return Said(access("secrets/key", R_OK)); }},
      {"faccessat", [] { return Said(syscall(SYS_faccessat, AT_FDCWD, ".env", F_OK)); }},
      {"faccessat2", [] { return Said(syscall(439, AT_FDCWD, ".env", F_OK, AT_EACCESS)); }},
      {"readlink",
       [] {
         char t[64];
         return Said(readlink("secret.link", t, sizeof(t)));
       }},
      {"readlinkat",
       [] {
         char t[64];
         return Said(readlinkat(AT_FDCWD, "secret.link", t, sizeof(t)));
       }},
      {"readlink-no-link",
       [] {
         char t[64];
         return Said(readlink(".env", t, sizeof(t)));
       }},
      {"statfs",
       [] {
         struct statfs s;
         return Said(statfs(".env", &s));
       }},
      {"realpath",
       [] {
         return std::string(realpath("to-env", nullptr) != nullptr ? "OK" : strerrorname_np(errno));
       }},
      {"getxattr",
       [] {
         return Attribute([](char* v, size_t n) { return getxattr(".env", "user.a", v, n); });
       }},
      {"lgetxattr",
       [] {
         return Attribute([](char* v, size_t n) { return lgetxattr(".env", "user.a", v, n); });
       }},
      {"listxattr",
       [] { return Attribute([](char* v, size_t n) { return listxattr(".env", v, n); }); }},
      {"llistxattr",
       [] { return Attribute([](char* v, size_t n) { return llistxattr(".env", v, n); }); }},
      {"getxattrat",
       [] {
         return Attribute([](char* v, size_t n) {
           XattrArgs args = {reinterpret_cast<uint64_t>(v), static_cast<uint32_t>(n), 0};
           return syscall(464, AT_FDCWD, ".env", 0, "user.a", &args, sizeof(args));
         });
       }},
      {"listxattrat",
       [] {
         return Attribute(
             [](char* v, size_t n) { return syscall(465, AT_FDCWD, ".env", 0, v, n); });
       }},
      {"file_getattr",
       [] {
         char room[24];
         return Said(syscall(468, AT_FDCWD, ".env", room, sizeof(room), 0));
       }},
      {"inotify", [] { return Watched(".env", IN_OPEN); }},
      {"inotify-directory", [] { return Watched("secrets", IN_OPEN | IN_ONLYDIR); }},
      {"inotify-link", [] { return Watched("secret.link", IN_OPEN | IN_DONT_FOLLOW); }},
#ifdef SYS_stat
      {"old-stat",
       [] {
         struct stat s;
         return Stated(syscall(SYS_stat, ".env", &s), s);
       }},
      {"old-lstat",
       [] {
         struct stat s;
         return Stated(syscall(SYS_lstat, ".env", &s), s);
       }},
      {"old-access", [] { return Said(syscall(SYS_access, ".env", F_OK)); }},
      {"old-readlink",
       [] {
         char t[64];
         return Said(syscall(SYS_readlink, "secret.link", t, sizeof(t)));
       }},
#endif
  };
}

}  // namespace testcases
