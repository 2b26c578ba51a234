// Every way to find, reach or list a name, a table row each: what a program tries that wants to
// know whether ".env" or "secrets" is there.
//
//   hidden_names make DIR present|absent   directories to try them in, with those names or without
//   hidden_names try DIR                   a line for each way: NAME, a tab, and what came of it
//   hidden_names race DIR SECONDS          looks through DIR/door, which somebody exchanges with a
//   link
//                                          to DIR/secrets meanwhile; says "ATTEMPTS REACHED"
//
// What came of it is "OK", an errno's name, or what was read or listed. A way that changes
// something has a directory of its own, so none spoils another's.
#include "tests/testcases/hidden_names.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace testcases {
namespace {

constexpr char kContent[] = "#!/bin/sh\nexit 0\n";

std::string Executed(const char* path) {
  const pid_t child = fork();
  if (child == 0) {
    execl(path, path, nullptr);
    _exit(errno == ENOENT ? 101 : errno == EACCES ? 102 : 103);
  }
  int status = 0;
  waitpid(child, &status, 0);
  switch (WEXITSTATUS(status)) {
    case 0: return "OK";
    case 101: return "ENOENT";
    case 102: return "EACCES";
  }
  return "other";
}

std::string Handled(const char* path) {
  alignas(file_handle) char room[sizeof(file_handle) + MAX_HANDLE_SZ];
  auto* handle = reinterpret_cast<file_handle*>(room);
  handle->handle_bytes = MAX_HANDLE_SZ;
  int mount = 0;
  return Said(name_to_handle_at(AT_FDCWD, path, handle, &mount, 0));
}

std::vector<Way> ChangingWays() {
  return {
      {"truncate", [] { return Said(truncate(".env", 0)); }},
      {"chmod", [] { return Said(chmod(".env", 0600)); }},
      {"fchmodat2", [] { return Said(syscall(452, AT_FDCWD, ".env", 0600, 0)); }},
      {"chown", [] { return Said(chown(".env", getuid(), static_cast<gid_t>(-1))); }},
      {"lchown", [] { return Said(lchown(".env", getuid(), static_cast<gid_t>(-1))); }},
      {"utimensat", [] { return Said(utimensat(AT_FDCWD, ".env", nullptr, 0)); }},
      {"utimes", [] { return Said(utimes(".env", nullptr)); }},
      {"setxattr", [] { return Said(setxattr(".env", "user.b", "x", 1, 0)); }},
      {"removexattr", [] { return Said(removexattr(".env", "user.a")); }},
      {"unlink", [] { return Said(unlink(".env")); }},
      {"unlinkat",
       [] { return FromDescriptor(Here(), [](int fd) { return Said(unlinkat(fd, ".env", 0)); }); }},
      {"unlink-below", [] { return Said(unlink("secrets/key")); }},
      {"rmdir", [] { return Said(rmdir("secrets")); }},
      {"rmdir-no-directory", [] { return Said(rmdir(".env")); }},
      {"rename-from", [] { return Said(rename(".env", "plain")); }},
      {"rename-directory-from", [] { return Said(rename("secrets", "moved")); }},
      {"rename-below-from", [] { return Said(rename("secrets/key", "moved")); }},
      {"rename-below-to", [] { return Said(rename("plain", "secrets/new")); }},
      {"exchange",
       [] { return Said(renameat2(AT_FDCWD, "plain", AT_FDCWD, ".env", RENAME_EXCHANGE)); }},
      {"exchange-from",
       [] { return Said(renameat2(AT_FDCWD, ".env", AT_FDCWD, "plain", RENAME_EXCHANGE)); }},
      {"link-from", [] { return Said(link(".env", "second")); }},
      {"link-by-link",
       [] { return Said(linkat(AT_FDCWD, "to-env", AT_FDCWD, "second", AT_SYMLINK_FOLLOW)); }},
      {"create-below", [] { return Closed(open("secrets/new", O_CREAT | O_WRONLY, 0600)); }},
      {"mkdir-below", [] { return Said(mkdir("secrets/new", 0700)); }},
      {"symlink-below", [] { return Said(symlink("x", "secrets/new")); }},
      {"bind-below", [] { return OnSocket(bind, "secrets/new"); }},
      {"temporary-below", [] { return Closed(open("secrets", O_TMPFILE | O_WRONLY, 0600)); }},
  };
}

std::vector<Way> MakingWays() {
  return {
      {"create", [] { return Closed(open(".env", O_CREAT | O_RDWR, 0600)); }},
      {"create-truncate", [] { return Closed(creat(".env", 0600)); }},
      {"create-exclusive", [] { return Closed(open(".env", O_CREAT | O_EXCL | O_WRONLY, 0600)); }},
      {"create-openat2",
       [] { return Closed(OpenAt2(AT_FDCWD, ".env", O_CREAT | O_WRONLY, 0, 0600)); }},
      {"create-by-link", [] { return Closed(open("to-env", O_CREAT | O_WRONLY, 0600)); }},
      {"create-absolute",
       [] { return Closed(open(Absolute(".env").c_str(), O_CREAT | O_WRONLY, 0600)); }},
      {"mkdir", [] { return Said(mkdir("secrets", 0700)); }},
      {"mkdir-over-file", [] { return Said(mkdir(".env", 0700)); }},
      {"mknod", [] { return Said(mknod(".env", S_IFREG | 0600, 0)); }},
      {"mkfifo", [] { return Said(mkfifo("secret.fifo", 0600)); }},
      {"symlink", [] { return Said(symlink("plain", ".env")); }},
      {"link-to", [] { return Said(link("plain", ".env")); }},
      {"rename-to", [] { return Said(rename("plain", ".env")); }},
      {"rename-no-replace",
       [] { return Said(renameat2(AT_FDCWD, "plain", AT_FDCWD, ".env", RENAME_NOREPLACE)); }},
      {"rename-directory-to", [] { return Said(rename("public", "secrets")); }},
      {"bind", [] { return OnSocket(bind, "secret.sock"); }},
  };
}

// Those in which only the kernel itself has a part, and what is refused outright.
std::vector<Way> KernelsWays() {
  return {
      {"chdir", [] { return Said(chdir("secrets")); }},
      {"chdir-stat",
       [] {
         return InDirectory("secrets", [] {
           struct stat s;
           return Stated(stat(".", &s), s);
         });
       }},
      {"chdir-open",
       [] { return InDirectory("secrets", [] { return Opened(open("key", O_RDONLY)); }); }},
      {"chdir-list", [] { return InDirectory("secrets", [] { return Listed("."); }); }},
      {"chdir-magic",
       [] {
         return InDirectory("secrets", [] { return Opened(open("/proc/self/cwd/key", O_RDONLY)); });
       }},
      {"chdir-statx",
       [] {
         return InDirectory("secrets", [] {
           struct statx s;
           return Said(statx(AT_FDCWD, "", AT_EMPTY_PATH, STATX_ALL, &s));
         });
       }},
      {"execute", [] { return Executed("./.env"); }},
      {"handle", [] { return Handled(".env"); }},
      {"rmdir-around", [] { return Said(rmdir("holder")); }},
  };
}

std::vector<Way> AllWays() {
  std::vector<Way> all;
  for (auto ways : {WaysToLook, WaysToOpen, WaysToList}) {
    for (Way& way : ways()) all.push_back(std::move(way));
  }
  for (auto ways : {ChangingWays, MakingWays, KernelsWays}) {
    for (Way& way : ways()) all.push_back({way.name, std::move(way.attempt), true});
  }
  return all;
}

const char* DirectoryOf(const Way& way) { return way.changes ? way.name : "shared"; }

void Write(const std::string& path, mode_t mode = 0755) {
  const int fd = open(path.c_str(), O_CREAT | O_WRONLY, mode);
  if (fd < 0 || write(fd, kContent, strlen(kContent)) < 0) {
    perror(path.c_str());
    exit(2);
  }
  close(fd);
  chmod(path.c_str(), mode);
}

void MakeHiddenNames() {
  Write(".env");
  setxattr(".env", "user.a", "1", 1, 0);
  mkdir("secrets", 0755);
  Write("secrets/key");
  Write("holder/.env");
  (void)!symlink("plain", "secret.link");
  mkfifo("secret.fifo", 0600);
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  const sockaddr_un name = SocketName("secret.sock");
  (void)!bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof(name));
  close(fd);
}

timespec Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now;
}

double SecondsSince(const timespec& begin) {
  const timespec now = Now();
  return static_cast<double>(now.tv_sec - begin.tv_sec) +
         static_cast<double>(now.tv_nsec - begin.tv_nsec) / 1e9;
}

void MakeDirectory(const char* name, bool present) {
  if (mkdir(name, 0755) != 0 || chdir(name) != 0) {
    perror(name);
    exit(2);
  }
  Write("plain");
  mkdir("public", 0755);
  Write("public/note");
  mkdir("holder", 0755);
  (void)!symlink(".env", "to-env");
  (void)!symlink(Absolute(".env").c_str(), "to-absolute");
  (void)!symlink("secrets", "to-secrets");
  (void)!symlink("secrets/../public/note", "through");
  if (present) MakeHiddenNames();
  if (present) Write("secret." + std::string(200, 'x'));  // too long for a small buffer
  (void)!chdir("..");
}

void Enter(const char* directory) {
  if (chdir(directory) == 0) return;
  perror(directory);
  exit(2);
}
// How often was what lies in `secrets` opened, looked at or listed by way of `door`?
void Race(double seconds) {
  const timespec begin = Now();
  long attempts = 0;
  long reached = 0;
  while (SecondsSince(begin) < seconds) {
    ++attempts;
    struct stat info;
    if (Opened(open("door/key", O_RDONLY)) == "read #!") ++reached;
    if (stat("door/only-secret", &info) == 0) ++reached;
    if (access("door/../door/only-secret", F_OK) == 0) ++reached;
    if (Listed("door").find("only-secret") != std::string::npos) ++reached;
  }
  printf("%ld %ld\n", attempts, reached);
}

}  // namespace
}  // namespace testcases

int main(int argc, char** argv) {
  using namespace testcases;  // NOLINT(google-build-using-namespace)
  const std::string verb = argc > 2 ? argv[1] : "";
  if (verb == "make" && argc == 4) {
    umask(0);
    Enter(argv[2]);
    const bool present = strcmp(argv[3], "present") == 0;
    MakeDirectory("shared", present);
    for (const Way& way : AllWays()) {
      if (way.changes) MakeDirectory(way.name, present);
    }
    return 0;
  }
  if (verb == "race" && argc == 4) {
    Enter(argv[2]);
    Race(atof(argv[3]));
    return 0;
  }
  if (verb != "try") {
    fprintf(stderr, "hidden_names make DIR present|absent | try DIR | race DIR SECONDS\n");
    return 2;
  }
  Enter(argv[2]);
  for (const Way& way : AllWays()) {
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
      Enter(DirectoryOf(way));
      printf("%s\t%s\n", way.name, way.attempt().c_str());
      fflush(stdout);
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (status != 0) printf("%s\tdied %d\n", way.name, status);
  }
  return 0;
}
