#include "tests/differential/step_runner.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <set>
#include <string>

#include "tests/differential/arguments.h"
#include "tests/differential/whereabouts.h"

namespace differential {
namespace {

constexpr int kMostAttempts = 64;

HostileMemory* memory;
std::atomic<unsigned> signals_seen;

void OnFileSizeSignal(int /*number*/) { ++signals_seen; }

// Has the walk left the mount? What lies around it is not the program's to play with.
bool IsOutside(const Scene& scene, const std::string& link) {
  char path[PATH_MAX];
  const ssize_t size = readlink(link.c_str(), path, sizeof(path));
  if (size <= 0 || path[0] != '/') return false;
  const std::string_view place(path, static_cast<size_t>(size));
  const std::string_view mount = scene.area->mount;
  return place.substr(0, mount.size()) != mount ||
         (place.size() > mount.size() && place[mount.size()] != '/');
}

// F_GETFL and F_GETFD of what a call opened, and what it is.
std::string DescribeDescriptor(int fd) {
  struct stat info = {};
  fstat(fd, &info);
  char text[128];
  snprintf(text, sizeof(text), "flags=%#o cloexec=%d mode=%o links=%u size=%lld",
           fcntl(fd, F_GETFL), fcntl(fd, F_GETFD), info.st_mode,
           static_cast<unsigned>(info.st_nlink), static_cast<long long>(info.st_size));
  return text;
}

bool OpensPathOnly(const Step& step) {
  return step.op == "openat2" && (ParseNumber(step.args[2]) & O_PATH) != 0;
}

// openat2 with O_PATH: a session has another descriptor for the same object, or none. So it is only
// looked at (what is it, and might it be opened for reading?) and closed again.
void LookAndClose(int fd, std::string* text) {
  struct stat info = {};
  fstat(fd, &info);
  const std::string path = "/proc/thread-self/fd/" + std::to_string(fd);
  const bool plain = S_ISREG(info.st_mode) || S_ISDIR(info.st_mode);
  if (plain && faccessat(AT_FDCWD, path.c_str(), R_OK, AT_EACCESS) == 0) *text += " readable";
  close(fd);
}

// All entries of a directory, sorted; their order is the file system's own business.
long ListDirectory(int fd, std::string* text) {
  struct Entry {
    uint64_t inode;
    int64_t offset;
    unsigned short size;
    unsigned char type;
    char name[1];
  };
  alignas(8) static char buffer[32768];
  std::set<std::string> names;
  long size;
  while ((size = syscall(SYS_getdents64, fd, buffer, sizeof(buffer))) > 0) {
    for (long at = 0; at < size;) {
      const auto* entry = reinterpret_cast<const Entry*>(buffer + at);
      names.insert(std::string(entry->name) + "/" + std::to_string(entry->type));
      at += entry->size;
    }
  }
  if (size < 0) return -errno;
  std::string all;
  for (const std::string& name : names) all += name + "\n";
  *text = DescribeBytes(all.data(), all.size());
  return static_cast<long>(names.size());
}

long Limit(const Step& step) {
  if (step.args.size() != 2) return -EINVAL;
  const auto resource = step.args[0] == "nofile" ? RLIMIT_NOFILE : RLIMIT_FSIZE;
  rlimit limit;
  getrlimit(resource, &limit);
  limit.rlim_cur = std::min(limit.rlim_max, static_cast<rlim_t>(ParseNumber(step.args[1])));
  return setrlimit(resource, &limit) == 0 ? 0 : -errno;
}

void Say(const std::string& text, StepResult* result) {
  result->text_size = static_cast<uint32_t>(std::min(text.size(), sizeof(result->text)));
  memcpy(result->text, text.data(), result->text_size);
}

Places PlacesOf(const Scene& scene) {
  Places places = {scene.root, scene.area->mount, {}};
  for (size_t i = 0; i < places.slots.size(); ++i) places.slots[i] = scene.area->slots[i];
  return places;
}

// Back to the program's own directory, or away, if the step led out of the mount.
void StayInside(const Scene& scene, const Op& op, StepResult* result) {
  if (op.nr == SYS_chdir || op.nr == SYS_fchdir) {
    if (!IsOutside(scene, "/proc/thread-self/cwd")) return;
    result->state = StepResult::kOutside;
    if (chdir(scene.root.c_str()) != 0) _exit(4);
  } else if (op.returns_fd) {
    const int fd = static_cast<int>(result->value);
    if (!IsOutside(scene, "/proc/thread-self/fd/" + std::to_string(fd))) return;
    result->state = StepResult::kOutside;
    close(fd);
  }
}

long MakeCall(const Op& op, const std::array<long, 6>& r) {
  const long value = syscall(op.nr, r[0], r[1], r[2], r[3], r[4], r[5]);
  return value < 0 ? -errno : value;
}

// openat2(2): EAGAIN when something on the machine was renamed meanwhile, ".." being in the path.
bool MayBeRaced(const Step& step) {
  constexpr int64_t kScoped = 8 | 16;  // RESOLVE_BENEATH, RESOLVE_IN_ROOT
  constexpr int64_t kCached = 32;
  if (step.op != "openat2") return false;
  const int64_t resolve = ParseNumber(step.args[4]);
  return (resolve & kScoped) != 0 && (resolve & kCached) == 0;
}

long Call(const Scene& scene, const Op& op, const Step& step, StepResult* result,
          std::string* text) {
  if (step.op == "limit") return Limit(step);
  const Places places = PlacesOf(scene);
  Registers registers;
  memory->Reset();
  if (!FillRegisters(op, step, places, memory, &registers)) {
    *text = "words do not fit";
    return -EINVAL;
  }
  result->whereabouts = WhereaboutsOf(scene, op, step, places, registers);
  if (step.op == "listdir") return ListDirectory(static_cast<int>(registers.values[0]), text);
  const std::array<long, 6>& r = registers.values;
  long value = MakeCall(op, r);
  for (int again = 0; value == -EAGAIN && MayBeRaced(step) && again < kMostAttempts; ++again) {
    value = MakeCall(op, r);
  }
  if (step.op == scene.lie && value == -EEXIST) return -EACCES;
  if (step.op.starts_with("readlink") && value > 0 && registers.out != nullptr) {
    value -= static_cast<long>(HideInodeNumber(registers.out, static_cast<size_t>(value)));
  }
  *text = DescribeResult(op, registers, value, scene.area->started);
  const bool duplicates = step.op == "fcntl" && (r[1] == F_DUPFD || r[1] == F_DUPFD_CLOEXEC);
  if (value >= 0 && (op.returns_fd || duplicates)) {
    *text = DescribeDescriptor(static_cast<int>(value));
    if (OpensPathOnly(step)) LookAndClose(static_cast<int>(value), text);
  }
  return value;
}

}  // namespace

void PrepareSteps() {
  memory = new HostileMemory;
  struct sigaction action = {};
  action.sa_handler = OnFileSizeSignal;
  sigaction(SIGXFSZ, &action, nullptr);
}

void RunStep(const Scene& scene, const Step& step, StepResult* result) {
  const Op* op = FindOp(step.op);
  if (op == nullptr) {
    result->state = StepResult::kNoActor;
    return;
  }
  const unsigned signals_before = signals_seen;
  std::string text;
  result->state = StepResult::kDone;
  result->value = Call(scene, *op, step, result, &text);
  result->signals = signals_seen - signals_before;
  Say(text, result);
  if (result->value >= 0) StayInside(scene, *op, result);
  if (step.slot < 0) return;
  const bool usable =
      result->state == StepResult::kDone && result->value >= 0 && !OpensPathOnly(step);
  scene.area->slots[static_cast<size_t>(step.slot)] = usable ? static_cast<int>(result->value) : -1;
}

}  // namespace differential
