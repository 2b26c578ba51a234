#include "tests/conformance/conformance.h"

#include <dirent.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace conformance {
namespace {

constexpr unsigned kCaseSeconds = 120;  // then SIGALRM: the case hangs

std::vector<Case>& Cases() {
  static std::vector<Case> cases;
  return cases;
}

const Case* current = nullptr;
bool inside = false;

std::string Printable(const std::string& text) {
  std::string printable;
  for (const char c : text) printable += c == '\t' || c == '\n' ? ' ' : c;
  return printable.size() > 300 ? printable.substr(0, 300) + "..." : printable;
}

void Line(const std::string& name, int line, const std::string& expression,
          const std::string& expected, const std::string& answer) {
  const std::string text = name + "\t" + std::to_string(line) + "\t" + Printable(expression) +
                           "\t" + Printable(expected) + "\t" + Printable(answer) + "\n";
  if (write(1, text.data(), text.size()) < 0) _exit(9);
}

void MustBeOk(long result, const char* what, const std::string& path) {
  if (result >= 0) return;
  const std::string answer = Answer(result);
  Report(0, (what + (" " + path)).c_str(), "ok", answer);
}

// As a session is: no capability but those of the mask `kept`, and none to be had again.
void DropPrivileges(uint64_t kept) {
  for (int capability = 0; capability < 64; ++capability) {
    if ((kept >> capability & 1) == 0) prctl(PR_CAPBSET_DROP, capability);
  }
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  const auto low = static_cast<uint32_t>(kept);
  const auto high = static_cast<uint32_t>(kept >> 32);
  const __user_cap_data_struct data[2] = {{low, low, 0}, {high, high, 0}};
  if (syscall(SYS_capset, &header, data) != 0) {
    perror("capset");
    exit(9);
  }
}

int Prepare(const std::string& area, const std::string& directory, uid_t uid, gid_t gid) {
  umask(0);
  for (const Case& one : Cases()) {
    if (one.area != area) continue;
    current = &one;
    const std::string place = directory + "/" + one.name;
    if (mkdir(place.c_str(), 0755) != 0 || chown(place.c_str(), uid, gid) != 0 ||
        chdir(place.c_str()) != 0) {
      perror(place.c_str());
      return 9;
    }
    if (one.prepare != nullptr) one.prepare();
  }
  return 0;
}

int RunCase(const std::string& place) {
  if (chdir(place.c_str()) != 0) {
    Line(current->name, 0, "chdir " + place, "0", Answer(-1));
    return 1;
  }
  umask(022);
  alarm(kCaseSeconds);
  current->run();
  return 0;
}

int RunArea(const std::string& area, const std::string& directory) {
  for (const Case& one : Cases()) {
    if (one.area != area) continue;
    current = &one;
    const std::string end = InChild([&] { return RunCase(directory + "/" + one.name); });
    Line(one.name, 0, "the case's end", "exit 0", end);
  }
  return 0;
}

}  // namespace

bool Register(const Case& one) {
  Cases().push_back(one);
  return true;
}

bool Inside() { return inside; }
bool IsRoot() { return geteuid() == 0; }

bool HasCapability(int capability) {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) != 0) return false;
  return (data[capability / 32].effective >> (capability % 32) & 1) != 0;
}

std::string Answer(long value) {
  if (value != -1) return std::to_string(value);
  const char* name = strerrorname_np(errno);
  return name != nullptr ? name : "errno " + std::to_string(errno);
}

void Report(int line, const char* expression, const std::string& expected,
            const std::string& answer) {
  Line(current->name, line, expression, expected, answer);
}

void Touch(const std::string& path, mode_t mode, const std::string& content) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  MustBeOk(fd, "Touch", path);
  MustBeOk(write(fd, content.data(), content.size()), "Touch, write", path);
  MustBeOk(fchmod(fd, mode), "Touch, fchmod", path);
  close(fd);
}

void Dir(const std::string& path, mode_t mode) {
  MustBeOk(mkdir(path.c_str(), 0700), "Dir", path);
  MustBeOk(chmod(path.c_str(), mode), "Dir, chmod", path);
}

void Symlink(const std::string& target, const std::string& path) {
  MustBeOk(symlink(target.c_str(), path.c_str()), "Symlink", path);
}

void Give(const std::string& path, uid_t uid, gid_t gid) {
  struct stat info;  // the owner's change clears these bits, which the scene wants
  MustBeOk(lstat(path.c_str(), &info), "Give, lstat", path);
  MustBeOk(lchown(path.c_str(), uid, gid), "Give", path);
  if (!S_ISLNK(info.st_mode)) MustBeOk(chmod(path.c_str(), info.st_mode & 07777), "Give", path);
}

int Fd(const std::string& path, int flags, mode_t mode) {
  const int fd = open(path.c_str(), flags, mode);
  MustBeOk(fd, "Fd", path);
  return fd;
}

long OpenAt2(int dirfd, const char* path, const void* how, size_t size) {
  constexpr int kMostAttempts = 1000;
  long fd = -1;
  for (int i = 0; i < kMostAttempts; ++i) {
    fd = syscall(SYS_openat2, dirfd, path, how, size);
    if (fd >= 0 || errno != EAGAIN) break;
  }
  return fd;
}

std::string Open(const std::string& path, int flags, mode_t mode) {
  return OpenAt(AT_FDCWD, path, flags, mode);
}

std::string OpenAt(int dirfd, const std::string& path, int flags, mode_t mode) {
  const int fd = openat(dirfd, path.c_str(), flags, mode);
  if (fd < 0) return Answer(-1);
  close(fd);
  return "ok";
}

std::string What(const std::string& path) {
  struct stat info;
  if (lstat(path.c_str(), &info) != 0) return errno == ENOENT ? "nothing" : Answer(-1);
  char text[32];
  const char* type = S_ISREG(info.st_mode)    ? "file"
                     : S_ISDIR(info.st_mode)  ? "dir"
                     : S_ISFIFO(info.st_mode) ? "fifo"
                     : S_ISSOCK(info.st_mode) ? "socket"
                     : S_ISCHR(info.st_mode)  ? "char"
                                              : "block";
  if (S_ISLNK(info.st_mode)) return "link";
  snprintf(text, sizeof(text), "%s %04o", type, info.st_mode & 07777);
  return text;
}

std::string Owner(const std::string& path) {
  struct stat info;
  if (lstat(path.c_str(), &info) != 0) return Answer(-1);
  return std::to_string(info.st_uid) + ":" + std::to_string(info.st_gid);
}

long Links(const std::string& path) {
  struct stat info;
  return lstat(path.c_str(), &info) == 0 ? static_cast<long>(info.st_nlink) : -1;
}

long Size(const std::string& path) {
  struct stat info;
  return lstat(path.c_str(), &info) == 0 ? static_cast<long>(info.st_size) : -1;
}

std::string Read(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Answer(-1);
  char buffer[4096];
  const ssize_t size = read(fd, buffer, sizeof(buffer));
  close(fd);
  return size < 0 ? Answer(-1) : std::string(buffer, static_cast<size_t>(size));
}

std::string LinkText(const std::string& path) {
  char buffer[4096];
  const ssize_t size = readlink(path.c_str(), buffer, sizeof(buffer));
  return size < 0 ? Answer(-1) : std::string(buffer, static_cast<size_t>(size));
}

std::string Names(const std::string& directory) {
  DIR* stream = opendir(directory.c_str());
  if (stream == nullptr) return Answer(-1);
  std::vector<std::string> names;
  while (const dirent* entry = readdir(stream)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  closedir(stream);
  std::sort(names.begin(), names.end());
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : " ") + name;
  return text;
}

bool SameFile(const std::string& a, const std::string& b) {
  struct stat first;
  struct stat second;
  return lstat(a.c_str(), &first) == 0 && lstat(b.c_str(), &second) == 0 &&
         first.st_ino == second.st_ino && first.st_dev == second.st_dev;
}

std::string Changes(const std::string& path, const std::function<void()>& action) {
  const timespec old[2] = {{1000000, 0}, {1000000, 0}};
  MustBeOk(utimensat(AT_FDCWD, path.c_str(), old, AT_SYMLINK_NOFOLLOW), "Changes", path);
  struct stat before;
  struct stat after;
  MustBeOk(lstat(path.c_str(), &before), "Changes, lstat", path);
  timespec now;  // the clock of file times is a coarse one: let it move on
  do {
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
  } while (now.tv_sec < before.st_ctim.tv_sec ||
           (now.tv_sec == before.st_ctim.tv_sec && now.tv_nsec <= before.st_ctim.tv_nsec));
  action();
  MustBeOk(lstat(path.c_str(), &after), "Changes, lstat", path);
  const auto differs = [](const timespec& a, const timespec& b) {
    return a.tv_sec != b.tv_sec || a.tv_nsec != b.tv_nsec;
  };
  std::string changed;
  if (differs(before.st_atim, after.st_atim)) changed += 'a';
  if (differs(before.st_mtim, after.st_mtim)) changed += 'm';
  if (differs(before.st_ctim, after.st_ctim)) changed += 'c';
  return changed;
}

std::string InChild(const std::function<int()>& action) {
  const pid_t child = fork();
  if (child == 0) _exit(action());
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status)) return "exit " + std::to_string(WEXITSTATUS(status));
  return "signal " + std::to_string(WTERMSIG(status));
}

std::string Times(size_t count, const std::string& text) {
  std::string all;
  for (size_t i = 0; i < count; ++i) all += text;
  return all;
}

int Main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "list") {
    for (const Case& one : Cases()) printf("%s %s\n", one.area, one.name);
    return 0;
  }
  if (mode == "wait") {  // a program that runs until it is killed
    alarm(kCaseSeconds);
    if (write(1, "x", 1) == 1) pause();
    return 0;
  }
  if (mode == "prepare" && argc == 6) {
    return Prepare(argv[2], argv[3], static_cast<uid_t>(atoi(argv[4])),
                   static_cast<gid_t>(atoi(argv[5])));
  }
  if ((mode == "bare" || mode == "inside") && argc == 5) {
    inside = mode == "inside";
    if (!inside) DropPrivileges(strtoull(argv[4], nullptr, 16));
    return RunArea(argv[2], argv[3]);
  }
  fprintf(
      stderr,
      "usage: conformance_cases list | prepare AREA DIR UID GID | (bare|inside) AREA DIR KEPT\n");
  return 2;
}

}  // namespace conformance

int main(int argc, char** argv) {
  close_range(3, ~0U, 0);  // what the shell or ctest left open: cases count descriptors
  return conformance::Main(argc, argv);
}
