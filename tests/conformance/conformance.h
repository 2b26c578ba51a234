// The conformance matrix: what POSIX and the Linux manual pages say that a call answers, one named
// case at a time. One program holds all cases; conformance_test.cc runs it bare and in sessions.
//
// A case runs in a process of its own, in a fresh directory of its own (mode 0755, its user's),
// with umask 022 and no descriptors but 0, 1 and 2. Every IS is reported as a line; nothing stops
// at a wrong answer. Expected values stand in the case, from the manual, not from a run.
#ifndef TESTS_CONFORMANCE_CONFORMANCE_H_
#define TESTS_CONFORMANCE_CONFORMANCE_H_

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <string>

namespace conformance {

// Somebody else's uid and gid, and a group that the user of a run is in besides its own.
inline constexpr uid_t kOther = 3000;
inline constexpr gid_t kSecondGroup = 2000;

// chown(2): stays as it is.
inline constexpr uid_t kSameUid = static_cast<uid_t>(-1);
inline constexpr gid_t kSameGid = static_cast<gid_t>(-1);

struct Case {
  const char* area;
  const char* name;
  void (*prepare)();  // nullptr, or run before by root with every capability, in the directory
  void (*run)();
};

bool Register(const Case& one);

// CASE(area, WhatIsSo) { … }
#define CASE(area, name) CONFORMANCE_CASE(area, name, nullptr)
// CASE_WITH(area, WhatIsSo) { what root prepares } THEN(area, WhatIsSo) { … }
#define CASE_WITH(area, name)                               \
  static void area##_##name##_prepare();                    \
  CONFORMANCE_REGISTER(area, name, area##_##name##_prepare) \
  static void area##_##name##_prepare()
#define THEN(area, name) static void area##_##name()

#define CONFORMANCE_REGISTER(area, name, prepare) \
  static void area##_##name();                    \
  static const bool area##_##name##_registered =  \
      ::conformance::Register({#area, #name, prepare, area##_##name});
#define CONFORMANCE_CASE(area, name, prepare) \
  CONFORMANCE_REGISTER(area, name, prepare)   \
  static void area##_##name()

// The answer of an expression, as text: "ENOENT" for -1 with that errno, else the value itself.
std::string Answer(long value);
inline std::string Answer(int value) { return Answer(static_cast<long>(value)); }
inline std::string Answer(size_t value) { return Answer(static_cast<long>(value)); }
inline std::string Answer(bool value) { return value ? "true" : "false"; }
inline std::string Answer(std::string value) { return value; }
inline std::string Answer(const char* value) { return value; }

void Report(int line, const char* expression, const std::string& expected,
            const std::string& answer);

// IS(expected, call): expected is 0, a value, or the name of an errno.
#define IS(expected, ...)                                                                      \
  do {                                                                                         \
    const std::string is_answer = ::conformance::Answer(__VA_ARGS__);                          \
    ::conformance::Report(__LINE__, #__VA_ARGS__, ::conformance::Answer(expected), is_answer); \
  } while (false)

// SAME(call): whatever the kernel answers bare is the standard. For sweeps over every combination,
// where no manual lists the answers one by one.
inline constexpr char kAsBare[] = "(as bare)";
#define SAME(...)                                                                     \
  do {                                                                                \
    const std::string is_answer = ::conformance::Answer(__VA_ARGS__);                 \
    ::conformance::Report(__LINE__, #__VA_ARGS__, ::conformance::kAsBare, is_answer); \
  } while (false)

// For what legitimately differs (docs/fidelity.md): the bare answer, and the one in a session.
bool Inside();
template <typename Bare, typename Session>
std::string BareOrInside(Bare bare, Session inside) {
  return Inside() ? Answer(inside) : Answer(bare);
}

bool IsRoot();  // uid 0; with capabilities in both runs, or in none
bool HasCapability(int capability);

// Scenes. These report a failure as a wrong answer.
void Touch(const std::string& path, mode_t mode = 0644, const std::string& content = "");
void Dir(const std::string& path, mode_t mode = 0755);
void Symlink(const std::string& target, const std::string& path);
void Give(const std::string& path, uid_t uid, gid_t gid);  // lchown
int Fd(const std::string& path, int flags, mode_t mode = 0);

// openat2(2), repeated as its manual asks for: with ".." in a path and RESOLVE_ flags it is EAGAIN
// when anything on the machine was renamed meanwhile.
long OpenAt2(int dirfd, const char* path, const void* how, size_t size);

// renameat2(2) in the working directory.
inline long Rename2(const char* from, const char* to, unsigned flags) {
  return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
}

// Opens and closes again: "ok" or the errno.
std::string Open(const std::string& path, int flags, mode_t mode = 0);
std::string OpenAt(int dirfd, const std::string& path, int flags, mode_t mode = 0);

// What stands there: "file 0644", "dir 0755", "link", "fifo 0600", "nothing".
std::string What(const std::string& path);
std::string Owner(const std::string& path);  // "0:0"
long Links(const std::string& path);
long Size(const std::string& path);
std::string Read(const std::string& path);
std::string LinkText(const std::string& path);
std::string Names(const std::string& directory);  // sorted, "a b c"
bool SameFile(const std::string& a, const std::string& b);

// Which of the times "a", "m" and "c" of `path` an action changes: "mc".
std::string Changes(const std::string& path, const std::function<void()>& action);

// "exit 3" or "signal 9" of a forked child that runs `action`; it exits with what that returns.
std::string InChild(const std::function<int()>& action);

std::string Times(size_t count, const std::string& text);  // repeated

}  // namespace conformance

#endif  // TESTS_CONFORMANCE_CONFORMANCE_H_
