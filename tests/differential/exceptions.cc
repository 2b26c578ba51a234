#include "tests/differential/exceptions.h"

#include <fcntl.h>
#include <linux/openat2.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <string>

#include "tests/differential/ops.h"

namespace differential {
namespace {

std::string TextOf(const StepResult& result) { return std::string(result.text, result.text_size); }

const Exception kExceptions[] = {
    // Making a device is refused before its name is looked at; the one that needs no capability is
    // the white-out (0, 0).
    {"whiteout-device",
     [](const Step& step, const StepResult& bare, const StepResult& inside) {
       return step.op.starts_with("mknod") && bare.value == 0 && inside.value == -EPERM &&
              step.args.back() == "0";
     },
     true},
    // Bare, only what lies outside the mount is on a read-only file system; what a session answers
    // there stands in docs/errors.md.
    {"outside-the-mount",
     [](const Step& /*step*/, const StepResult& bare, const StepResult& inside) {
       if (bare.state == StepResult::kOutside) return inside.value == -EACCES;
       return bare.value == -EROFS && (inside.value == -EACCES || inside.value == -EBUSY ||
                                       inside.value == -EXDEV || inside.value == -ENOENT);
     },
     false},
    // The mount's own root is nobody's to rename or remove, however that is tried.
    {"mount-root",
     [](const Step& step, const StepResult& bare, const StepResult& inside) {
       const bool may_name_it =
           std::any_of(step.args.begin(), step.args.end(), [](const auto& arg) {
             return arg.starts_with("\"{mount}") || arg.find("..") != std::string::npos;
           });
       return may_name_it && inside.value == -EBUSY &&
              (bare.value == -EXDEV || bare.value == -EACCES);
     },
     false},
    // openat2 with RESOLVE_ flags that begins outside every mount and leads into one or to /proc
    // (programs fall back to openat), or leaves a mount by "..".
    {"openat2-outside",
     [](const Step& step, const StepResult& bare, const StepResult& inside) {
       const bool leads_up = step.args.size() > 1 && step.args[1].find("..") != std::string::npos;
       return step.op == "openat2" && ParseNumber(step.args[4]) != 0 && bare.value < 0 &&
              (inside.value == -ENOSYS || (inside.value == -EXDEV && leads_up));
     },
     false},
    // Creating through an absolute symbolic link with RESOLVE_NO_XDEV.
    {"openat2-create-no-xdev",
     [](const Step& step, const StepResult& bare, const StepResult& inside) {
       constexpr int64_t kAnchored = RESOLVE_BENEATH | RESOLVE_IN_ROOT;
       const int64_t resolve = step.op == "openat2" ? ParseNumber(step.args[4]) : 0;
       return (resolve & RESOLVE_NO_XDEV) != 0 && (resolve & kAnchored) == 0 &&
              inside.value == -EXDEV && bare.value != inside.value &&
              (ParseNumber(step.args[2]) & O_CREAT) != 0;
     },
     true},
    // O_NOFOLLOW, which F_GETFL shows, cannot be given to a file that is opened through its pin,
    // nor
    // to a directory that may not be searched.
    {"nofollow-flag",
     [](const Step& step, const StepResult& bare, const StepResult& inside) {
       if (step.op == "fcntl" && step.args[1] == "F_GETFL") {
         return bare.value == (inside.value | O_NOFOLLOW);
       }
       const std::string flags = TextOf(bare);
       const std::string others = TextOf(inside);
       return bare.value == inside.value && flags.starts_with("flags=0") &&
              others.starts_with("flags=0") &&
              flags.substr(flags.find(' ')) == others.substr(others.find(' ')) &&
              strtol(flags.c_str() + 6, nullptr, 8) ==
                  (strtol(others.c_str() + 6, nullptr, 8) | O_NOFOLLOW);
     },
     false},
};

}  // namespace

const Exception* FindException(const Step& step, const StepResult& bare, const StepResult& inside) {
  for (const Exception& exception : kExceptions) {
    if (exception.covers(step, bare, inside)) return &exception;
  }
  return nullptr;
}

}  // namespace differential
