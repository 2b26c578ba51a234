#include "tests/differential/exceptions.h"

#include <fcntl.h>
#include <linux/openat2.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <iterator>
#include <map>
#include <string>

#include "tests/differential/ops.h"
#include "tests/differential/whereabouts.h"

namespace differential {
namespace {

std::string TextOf(const StepResult& result) { return std::string(result.text, result.text_size); }

bool Went(const Case& c, uint32_t marks) { return (c.bare.whereabouts & marks) != 0; }

bool IsOneOf(int64_t value, std::initializer_list<int> errors) {
  return std::any_of(errors.begin(), errors.end(), [&](int error) { return value == -error; });
}

// open_how's words.
int64_t HowFlags(const Case& c) { return ParseNumber(c.step().args[2]); }
int64_t HowResolve(const Case& c) { return ParseNumber(c.step().args[4]); }

// Making a device is refused before its name is looked at; the one that needs no capability is the
// white-out (0, 0).
bool WhiteoutDevice(const Case& c) {
  if (c.inside.value != -EPERM) return false;
  if (c.step().op.starts_with("mknod")) return c.bare.value == 0 && c.step().args.back() == "0";
  // The places and the old name have been looked at; what else is wrong, only the rename would say.
  return c.step().op == "renameat2" && c.step().args[4].find("RENAME_WHITEOUT") == 0 &&
         !IsOneOf(c.bare.value, {ENOENT, EXDEV, EBUSY, ELOOP, ENAMETOOLONG, EFAULT, EBADF, EROFS});
}

// Bare, only what lies outside the mount is on a read-only file system; what a session answers
// there stands in docs/errors.md.
bool OutsideTheMount(const Case& c) {
  if (!Went(c, kEndsOutside)) return false;
  if (c.bare.state == StepResult::kOutside) return c.inside.value == -EACCES;
  return c.bare.value < 0 && IsOneOf(c.inside.value, {EACCES, EPERM, EBUSY, EXDEV, ENOENT});
}

// The kernel carries it out alone, wherever it leads.
bool IsNative(const Case& c) {
  const std::string& op = c.step().op;
  if (op == "open" || op == "openat") {
    const std::string& flags = c.step().args[op == "open" ? 1 : 2];
    const auto has = [&flags](const char* flag) { return flags.find(flag) != std::string::npos; };
    return has("O_PATH") ||
           (c.native_reads && !has("O_WRONLY") && !has("O_RDWR") && !has("O_CREAT"));
  }
  constexpr const char* kLooks[] = {"newfstatat", "statx",      "stat",       "lstat",
                                    "access",     "faccessat",  "faccessat2", "readlink",
                                    "readlinkat", "getxattr",   "lgetxattr",  "listxattr",
                                    "chdir",      "getxattrat", "listxattrat"};
  return std::find(std::begin(kLooks), std::end(kLooks), op) != std::end(kLooks);
}

// In a private view other directories lie around the mount: those on the way to it, and the
// session's own /tmp. A link in the mount leads there only what the kernel carries out alone.
bool OwnSurroundings(const Case& c) {
  if (!c.private_view || !Went(c, kEndsOutside)) return false;
  const bool failed = c.inside.state == StepResult::kDone && c.inside.value < 0;
  return failed || !Went(c, kLinkLedOut) || IsNative(c);
}

// The island rule: a link in the mount leads out of it.
bool LinkLeadsOut(const Case& c) { return Went(c, kLinkLedOut) && c.inside.value == -EACCES; }

// The tester's own fence: the kernel says EROFS to access(2) for writing there.
bool FencedAccess(const Case& c) {
  return c.step().op.find("access") != std::string::npos && Went(c, kEndsOutside) &&
         c.bare.value == -EROFS && (c.inside.value == 0 || c.inside.value == -EACCES);
}

// The mount's own root is nobody's to rename or remove, however that is tried.
bool MountRoot(const Case& c) {
  return Went(c, kNamesMount) && c.inside.value == -EBUSY &&
         IsOneOf(c.bare.value, {EXDEV, EACCES, EROFS});
}

// openat2 with RESOLVE_ flags that begins outside every mount (programs fall back to openat), or
// leads there by "..".
bool Openat2Outside(const Case& c) {
  if (c.step().op != "openat2" || HowResolve(c) == 0 || c.bare.value >= 0) return false;
  return (Went(c, kEndsOutside | kThroughProc) && c.inside.value == -ENOSYS) ||
         (Went(c, kPassedOutside) && c.inside.value == -EXDEV);
}

// Creating through an absolute symbolic link with RESOLVE_NO_XDEV.
bool Openat2CreateNoXdev(const Case& c) {
  constexpr int64_t kAnchored = RESOLVE_BENEATH | RESOLVE_IN_ROOT;
  return c.step().op == "openat2" && c.inside.value == -EXDEV &&
         (HowResolve(c) & RESOLVE_NO_XDEV) != 0 && (HowResolve(c) & kAnchored) == 0 &&
         (HowFlags(c) & O_CREAT) != 0;
}

// openat2 with O_PATH: a readable descriptor of the same object, or ENOSYS where there is none.
bool Openat2Path(const Case& c) {
  if (c.step().op != "openat2" || (HowFlags(c) & O_PATH) == 0 || c.bare.value < 0) return false;
  const std::string bare = TextOf(c.bare);
  const std::string inside = TextOf(c.inside);
  if (c.inside.value == -ENOSYS) return !bare.ends_with(" readable");
  return c.inside.value == c.bare.value &&
         bare.substr(bare.find(' ')) == inside.substr(inside.find(' '));
}

// O_NOFOLLOW, which F_GETFL shows, cannot be given to a file that is opened through its pin.
bool NofollowFlag(const Case& c) {
  if (c.step().op == "fcntl" && c.step().args[1] == "F_GETFL") {
    return c.bare.value == (c.inside.value | O_NOFOLLOW);
  }
  const std::string flags = TextOf(c.bare);
  const std::string others = TextOf(c.inside);
  return c.bare.value == c.inside.value && flags.starts_with("flags=0") &&
         others.starts_with("flags=0") &&
         flags.substr(flags.find(' ')) == others.substr(others.find(' ')) &&
         strtol(flags.c_str() + 6, nullptr, 8) ==
             (strtol(others.c_str() + 6, nullptr, 8) | O_NOFOLLOW);
}

// Who is a thread of whom: actors by the one that their process began with.
int ProcessOf(const Program& program, int actor) {
  std::map<int, int> process = {{0, 0}};
  for (const Step& step : program.steps) {
    if (step.op != "spawn") continue;
    const int made = atoi(step.args[1].c_str() + 1);
    process.emplace(made, step.args[0] == "thread" ? process[step.actor] : made);
  }
  return process[actor];
}

// The process that opened what is in a slot before step `at`; a duplicate is the same open file.
int OpenerOf(const Program& program, size_t at, const std::string& word) {
  if (word[0] != 'f') return -1;
  const int slot = atoi(word.c_str() + 1);
  while (at-- > 0) {
    const Step& step = program.steps[at];
    if (step.slot != slot) continue;
    const bool duplicate = step.op.starts_with("dup") || step.op == "fcntl";
    if (duplicate) return OpenerOf(program, at, step.args[0]);
    return ProcessOf(program, step.actor);
  }
  return -1;
}

// AT_EMPTY_PATH: the kernel refuses a descriptor that other credentials opened, and each process
// has credentials of its own, a child of its parent's too (path_init, fs/namei.c).
bool OpenedByAnother(const Case& c) {
  if (c.step().op != "linkat" || c.bare.value != -ENOENT) return false;
  if (c.step().args[4].find("AT_EMPTY_PATH") == std::string::npos) return false;
  const int opener = OpenerOf(c.program, c.at, c.step().args[0]);
  return opener >= 0 && opener != ProcessOf(c.program, c.step().actor);
}

const Exception kExceptions[] = {
    {"whiteout-device", WhiteoutDevice},
    {"link-leads-out", LinkLeadsOut},
    {"fenced-access", FencedAccess},
    {"outside-the-mount", OutsideTheMount},
    {"surroundings-of-a-view", OwnSurroundings},
    {"mount-root", MountRoot},
    {"openat2-outside", Openat2Outside},
    {"openat2-create-no-xdev", Openat2CreateNoXdev},
    {"openat2-path", Openat2Path},
    {"nofollow-flag", NofollowFlag},
    {"linkat-opened-by-another", OpenedByAnother},
};

}  // namespace

const Exception* FindException(const Case& difference) {
  for (const Exception& exception : kExceptions) {
    if (exception.covers(difference)) return &exception;
  }
  return nullptr;
}

bool SkipsSecondPath(const Case& difference) {
  const std::string& op = difference.step().op;
  return (op.starts_with("link") || op.starts_with("rename")) && difference.bare.value < 0 &&
         LinkLeadsOut(difference);
}

bool MayTakeBackWhiteout(const Case& difference) {
  return difference.step().op == "renameat2" && difference.bare.value < 0 &&
         WhiteoutDevice(difference);
}

bool Diverges(const Case& difference) {
  const Step& step = difference.step();
  if (difference.bare.state == StepResult::kOutside) return false;  // taken back by the executor
  if (step.op.find("access") != std::string::npos) return false;    // changes nothing
  if (step.op == "openat2" && (HowFlags(difference) & O_PATH) != 0) return false;  // closed again
  return (difference.bare.value < 0) != (difference.inside.value < 0);
}

}  // namespace differential
