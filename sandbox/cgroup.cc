#include "sandbox/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <memory>
#include <set>
#include <sstream>
#include <utility>

#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

constexpr long kCgroup2Magic = 0x63677270;  // CGROUP2_SUPER_MAGIC
constexpr size_t kMaxFile = size_t{1} << 20;
constexpr char kNamePrefix[] = "sessionctl-";
// Where a caller that is alone in its cgroup goes: one with controllers below it holds no process.
constexpr char kOwnLeaf[] = "sessionctl-callers";

std::string ReadText(int directory, const char* file) {
  SysResult<std::string> text = ReadSmallFile(directory, file, kMaxFile);
  return text.ok() ? *text : "";
}

std::set<std::string> Words(const std::string& text) {
  std::istringstream stream(text);
  return {std::istream_iterator<std::string>(stream), std::istream_iterator<std::string>()};
}

// The hierarchy's mount point and, below it, the caller's cgroup ("" for its root).
struct OwnCgroup {
  std::string mount;
  std::string path;
};

// Where systemd mounts it, if that is the whole of it: its root is the first inode.
std::string UsualMount() {
  constexpr ino_t kRootInode = 1;
  for (const char* const path : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
    struct statfs mounted;
    struct stat root;
    if (statfs(path, &mounted) != 0 || mounted.f_type != kCgroup2Magic) continue;
    if (stat(path, &root) == 0 && root.st_ino == kRootInode) return path;
  }
  return "";
}

std::string MountInTheList() {
  std::string mount;
  std::istringstream mounts(ReadText(AT_FDCWD, "/proc/self/mountinfo"));
  for (std::string line; mount.empty() && std::getline(mounts, line);) {
    const size_t type = line.find(" - cgroup2 ");
    if (type == std::string::npos) continue;
    // Fields: id, parent, device, root, mount point (proc_pid_mountinfo(5)).
    std::istringstream fields(line);
    std::string skipped, root;
    fields >> skipped >> skipped >> skipped >> root >> mount;
    if (root != "/") mount.clear();  // somebody's part of the hierarchy, not ours to map
  }
  return mount;
}

OwnCgroup FindOwnCgroup() {
  OwnCgroup own;
  own.mount = UsualMount();
  if (own.mount.empty()) own.mount = MountInTheList();  // which costs more
  std::istringstream groups(ReadText(AT_FDCWD, "/proc/self/cgroup"));
  for (std::string line; std::getline(groups, line);) {
    if (line.compare(0, 3, "0::") == 0) own.path = line.substr(3);
  }
  if (own.path == "/") own.path.clear();
  const std::string leaf = std::string("/") + kOwnLeaf;
  if (own.path.ends_with(leaf)) own.path.resize(own.path.size() - leaf.size());
  return own;
}

bool IsAlone(int directory) {
  const std::set<std::string> inside = Words(ReadText(directory, "cgroup.procs"));
  return inside.empty() || (inside.size() == 1 && inside.contains(std::to_string(getpid())));
}

// What sessions' cgroups can have below `directory`. The root of the hierarchy and a cgroup that
// nobody but the caller is in can still turn controllers on.
void ProbeControllers(int directory, CgroupFeatures* features) {
  const bool is_root = faccessat(directory, "cgroup.type", F_OK, 0) != 0;
  const bool may_turn_on = faccessat(directory, "cgroup.subtree_control", W_OK, AT_EACCESS) == 0 &&
                           (is_root || IsAlone(directory));
  // Those that are on are among those that can be turned on.
  const std::set<std::string> usable =
      Words(ReadText(directory, may_turn_on ? "cgroup.controllers" : "cgroup.subtree_control"));
  features->memory = usable.contains("memory");
  features->pids = usable.contains("pids");
  features->cpu = usable.contains("cpu");
}

// "memory" of "memory.max"; "" for the files that every cgroup has.
std::string ControllerOf(const CgroupSetting& setting) {
  const std::string name = setting.file.substr(0, setting.file.find('.'));
  return name == "cgroup" ? "" : name;
}

SysStatus WriteText(int directory, const char* file, const std::string& text) {
  SysResult<OwnedFd> fd = OpenAt(directory, file, O_WRONLY);
  if (!fd.ok()) return Errno(fd.error());
  return WriteAll(fd->get(), text.data(), text.size());
}

// Moves the caller, if it is alone in `directory`, out of the way of what is to be turned on.
SysStatus StepAside(int directory) {
  if (Words(ReadText(directory, "cgroup.procs")) !=
      std::set<std::string>{std::to_string(getpid())}) {
    return Errno(EBUSY);
  }
  if (mkdirat(directory, kOwnLeaf, 0755) != 0 && errno != EEXIST) return LastErrno();
  return WriteText(directory, (std::string(kOwnLeaf) + "/cgroup.procs").c_str(), "0");
}

SysStatus TurnOnControllers(int directory, const std::vector<CgroupSetting>& settings) {
  const std::set<std::string> on = Words(ReadText(directory, "cgroup.subtree_control"));
  std::set<std::string> wanted;
  for (const CgroupSetting& setting : settings) wanted.insert(ControllerOf(setting));
  for (const std::string& controller : wanted) {
    if (controller.empty() || on.contains(controller)) continue;
    SysStatus turned = WriteText(directory, "cgroup.subtree_control", "+" + controller);
    if (!turned.ok() && turned.error() == EBUSY && StepAside(directory).ok()) {
      turned = WriteText(directory, "cgroup.subtree_control", "+" + controller);
    }
    if (!turned.ok()) return turned;
  }
  return Done{};
}

// The cgroups of makers that are gone. One that still holds a process cannot be removed.
void RemoveAbandoned(int directory) {
  SysResult<OwnedFd> fd = OpenAt(directory, ".", O_RDONLY | O_DIRECTORY);
  if (!fd.ok()) return;
  std::unique_ptr<DIR, int (*)(DIR*)> listing(fdopendir(fd->get()), closedir);
  if (listing == nullptr) return;
  fd->Release();
  const size_t prefix = strlen(kNamePrefix);
  while (const dirent* entry = readdir(listing.get())) {
    if (strncmp(entry->d_name, kNamePrefix, prefix) != 0) continue;
    const pid_t maker = static_cast<pid_t>(atoi(entry->d_name + prefix));
    if (maker > 0 && kill(maker, 0) != 0 && errno == ESRCH) {
      unlinkat(directory, entry->d_name, AT_REMOVEDIR);
    }
  }
}

SysStatus WriteTo(const OwnedFd& fd, const char* text) {
  if (!fd.valid()) return Errno(ENOENT);
  // A control file takes no notice of where in it is written.
  return write(fd.get(), text, strlen(text)) < 0 ? SysStatus(LastErrno()) : Done{};
}

SysResult<std::string> ReadFrom(const OwnedFd& fd) {
  std::string text;
  char buffer[4096];
  ssize_t size;
  if (lseek(fd.get(), 0, SEEK_SET) != 0) return LastErrno();
  while ((size = read(fd.get(), buffer, sizeof(buffer))) > 0) {
    text.append(buffer, static_cast<size_t>(size));
  }
  if (size < 0) return LastErrno();
  return text;
}

// The number behind `key` in a flat keyed file.
SysResult<uint64_t> ReadKey(const OwnedFd& fd, const std::string& key) {
  SysResult<std::string> text = ReadFrom(fd);
  if (!text.ok()) return Errno(text.error());
  std::istringstream stream(*text);
  std::string name;
  for (uint64_t value; stream >> name >> value;) {
    if (name == key) return value;
  }
  return Errno(ENOENT);
}

}  // namespace

CgroupFeatures ProbeCgroup() {
  CgroupFeatures features;
  const char* chosen = getenv("SESSIONCTL_CGROUP");
  const OwnCgroup own = FindOwnCgroup();
  const std::string path = chosen != nullptr ? chosen : own.mount + own.path;
  if (path.empty() || own.mount.empty()) {
    features.directory = "no cgroup file system (version 2) is mounted";
    return features;
  }
  SysResult<OwnedFd> directory = OpenAt(AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY);
  struct statfs info;
  if (!directory.ok() || fstatfs(directory->get(), &info) != 0 || info.f_type != kCgroup2Magic) {
    features.directory = path + ": no cgroup (version 2)";
    return features;
  }
  // Its processes' file must be ours too: nobody may be moved there without it.
  if (faccessat(directory->get(), ".", W_OK, AT_EACCESS) != 0 ||
      faccessat(directory->get(), "cgroup.procs", W_OK, AT_EACCESS) != 0) {
    features.directory = path + ": " + strerror(errno);
    return features;
  }
  features.usable = true;
  features.directory = path;
  ProbeControllers(directory->get(), &features);
  return features;
}

SysStatus SessionCgroup::Configure(int directory, const std::vector<CgroupSetting>& settings) {
  for (const CgroupSetting& setting : settings) {
    SysStatus written = WriteText(directory, setting.file.c_str(), setting.value);
    if (!written.ok() && !(setting.optional && written.error() == ENOENT)) return written;
  }
  return Done{};
}

SysResult<SessionCgroup> SessionCgroup::Create(const std::string& directory,
                                               const std::string& name,
                                               const std::vector<CgroupSetting>& settings) {
  SysResult<OwnedFd> parent = OpenAt(AT_FDCWD, directory.c_str(), O_RDONLY | O_DIRECTORY);
  if (!parent.ok()) return Errno(parent.error());
  RemoveAbandoned(parent->get());
  if (SysStatus on = TurnOnControllers(parent->get(), settings); !on.ok()) return Errno(on.error());
  SessionCgroup made;
  made.name_ = kNamePrefix + std::to_string(getpid()) + "-" + name;
  if (mkdirat(parent->get(), made.name_.c_str(), 0755) != 0) return LastErrno();
  made.maker_ = getpid();
  made.parent_ = std::move(*parent);
  const auto open = [&made](const char* file, int flags, OwnedFd* fd) {
    SysResult<OwnedFd> opened =
        OpenAt(made.directory_.valid() ? made.directory_.get() : made.parent_.get(), file, flags);
    if (opened.ok()) *fd = std::move(*opened);
    return opened.error();
  };
  if (int error = open(made.name_.c_str(), O_RDONLY | O_DIRECTORY, &made.directory_); error != 0) {
    return Errno(error);
  }
  if (SysStatus set = Configure(made.directory_.get(), settings); !set.ok()) {
    return Errno(set.error());
  }
  int error = open("cgroup.procs", O_RDWR, &made.procs_);
  if (error == 0) error = open("cgroup.freeze", O_WRONLY, &made.freeze_);
  if (error == 0) error = open("cpu.stat", O_RDONLY, &made.cpu_);
  if (error != 0) return Errno(error);
  open("cgroup.kill", O_WRONLY, &made.kill_);             // 5.14
  open("memory.events", O_RDONLY, &made.memory_events_);  // with the controller
  open("memory.peak", O_RDONLY, &made.memory_peak_);      // likewise, 5.19
  return made;
}

SessionCgroup::~SessionCgroup() { Remove(); }

SessionCgroup& SessionCgroup::operator=(SessionCgroup&& other) noexcept {
  if (this == &other) return *this;
  Remove();
  maker_ = other.maker_;
  name_ = std::move(other.name_);
  parent_ = std::move(other.parent_);
  directory_ = std::move(other.directory_);
  procs_ = std::move(other.procs_);
  kill_ = std::move(other.kill_);
  freeze_ = std::move(other.freeze_);
  cpu_ = std::move(other.cpu_);
  memory_events_ = std::move(other.memory_events_);
  memory_peak_ = std::move(other.memory_peak_);
  return *this;
}

void SessionCgroup::Remove() {
  if (!directory_.valid() || maker_ != getpid()) return;
  // Those that were killed may not have been taken out yet.
  for (int tries = 0; unlinkat(parent_.get(), name_.c_str(), AT_REMOVEDIR) != 0; ++tries) {
    if (errno != EBUSY || tries == 100) return;  // the next session's start tries again
    usleep(1000);
  }
}

std::vector<int> SessionCgroup::descriptors() const {
  return {directory_.get(), procs_.get(),         kill_.get(),       freeze_.get(),
          cpu_.get(),       memory_events_.get(), memory_peak_.get()};
}

SysStatus SessionCgroup::Kill() const { return WriteTo(kill_, "1"); }

SysStatus SessionCgroup::Freeze(bool frozen) const { return WriteTo(freeze_, frozen ? "1" : "0"); }

SysResult<uint64_t> SessionCgroup::CpuTime() const { return ReadKey(cpu_, "usage_usec"); }

SysResult<CgroupUse> SessionCgroup::Use() const {
  SysResult<uint64_t> user = ReadKey(cpu_, "user_usec");
  SysResult<uint64_t> system = ReadKey(cpu_, "system_usec");
  if (!user.ok() || !system.ok()) return Errno(ENOENT);
  CgroupUse use = {.cpu_user = *user, .cpu_system = *system};
  if (SysResult<std::string> peak = ReadFrom(memory_peak_); peak.ok()) {
    use.peak_memory = strtoull(peak->c_str(), nullptr, 10);
  }
  return use;
}

bool SessionCgroup::RanOutOfMemory() const {
  SysResult<uint64_t> kills = ReadKey(memory_events_, "oom_kill");
  return kills.ok() && *kills > 0;
}

SysResult<std::vector<pid_t>> SessionCgroup::Members() const {
  SysResult<std::string> text = ReadFrom(procs_);
  if (!text.ok()) return Errno(text.error());
  std::vector<pid_t> members;
  std::istringstream stream(*text);
  for (pid_t pid; stream >> pid;) members.push_back(pid);
  return members;
}

SysResult<pid_t> ForkIntoCgroup(int cgroup) {
  clone_args args = {};
  args.flags = CLONE_INTO_CGROUP;
  args.exit_signal = SIGCHLD;
  args.cgroup = static_cast<uint64_t>(cgroup);
  const long pid = syscall(SYS_clone3, &args, sizeof(args));
  if (pid < 0) return LastErrno();
  return static_cast<pid_t>(pid);
}

}  // namespace sessionctl
