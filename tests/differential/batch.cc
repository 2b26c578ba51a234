#include "tests/differential/batch.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <iterator>

namespace differential {
namespace {

// Deep enough that no ".." of a program leads to a directory that is not the stranger's.
constexpr int kLevelsAround = 16;

[[noreturn]] void Fail(const char* what) {
  perror(what);
  exit(2);
}

// As a session has it: no capability, none to be had, no way to gain any.
bool DropCapabilities() {
  for (int capability = 0; capability < 64; ++capability) {
    if (prctl(PR_CAPBSET_READ, capability) == 1) prctl(PR_CAPBSET_DROP, capability);
  }
  prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED);
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2] = {};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && syscall(SYS_capset, &header, none) == 0;
}

// Bare, nothing would hold the programs back: everything but the mount is made read-only for them,
// and the mount a mount, as sessionctl's mounts are islands. A read-only view of it, which keeps no
// access times, is left in kMountViewFd.
bool FenceIn(const char* mount_point) {
  if (unshare(CLONE_NEWNS) != 0) return false;
  mount_attr read_only = {};
  read_only.attr_set = MOUNT_ATTR_RDONLY;
  mount_attr writable = {};
  writable.attr_clr = MOUNT_ATTR_RDONLY;
  const int view = static_cast<int>(syscall(SYS_open_tree, AT_FDCWD, mount_point, OPEN_TREE_CLONE));
  return view >= 0 && dup2(view, kMountViewFd) >= 0 && close(view) == 0 &&
         syscall(SYS_mount_setattr, kMountViewFd, "", AT_EMPTY_PATH, &read_only,
                 sizeof(read_only)) == 0 &&
         mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         mount(mount_point, mount_point, nullptr, MS_BIND, nullptr) == 0 &&
         syscall(SYS_mount_setattr, AT_FDCWD, "/", AT_RECURSIVE, &read_only, sizeof(read_only)) ==
             0 &&
         syscall(SYS_mount_setattr, AT_FDCWD, mount_point, 0, &writable, sizeof(writable)) == 0;
}

bool WriteFile(int directory, const char* path, const char* text) {
  const int file = openat(directory, path, O_WRONLY | O_CLOEXEC);
  if (file < 0) return false;
  const auto size = static_cast<ssize_t>(strlen(text));
  const bool written = write(file, text, static_cast<size_t>(size)) == size;
  close(file);
  return written;
}

// An ordinary user's private view is in a user namespace that knows no ids but his own; so is what
// it is compared with. `map` is his line of uid_map and gid_map (user_namespaces(7)), `proc` a
// /proc outside the fence.
bool EnterUserNamespace(int proc, const char* map) {
  return unshare(CLONE_NEWUSER) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0 &&
         WriteFile(proc, "self/setgroups", "deny") && WriteFile(proc, "self/uid_map", map) &&
         WriteFile(proc, "self/gid_map", map);
}

// With a /tmp of its own in it, a private view lets no read be native.
std::vector<const char*> ViewAndScope(Way way, bool private_view) {
  const char* view = private_view ? "private" : "host";
  if (way == Way::kAll) return {"--view", view, "--scope", "all"};
  return {"--view", view, "--scope", "writes", "--tmp", "none"};
}

// Between fork and exec of a process with threads: system calls only.
[[noreturn]] void Become(const Setting& setting, bool bare, int shared_fd, int program_fd,
                         char* const* argv, const char* directory, const char* id_map) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int null = open("/dev/null", O_RDWR);
  dup2(null, 0);
  dup2(null, 1);
  // The descriptors of the executor are the same ones, bare and in a session.
  const int program = fcntl(program_fd, F_DUPFD_CLOEXEC, 100);
  dup2(fcntl(shared_fd, F_DUPFD_CLOEXEC, 100), kSharedFd);
  syscall(SYS_close_range, kSharedFd + 1, 99, 0);
  const bool as_in_private_view = bare && setting.private_view && setting.user != 0;
  const int proc =
      as_in_private_view
          ? static_cast<int>(syscall(SYS_open_tree, AT_FDCWD, "/proc",
                                     OPEN_TREE_CLONE | AT_RECURSIVE | OPEN_TREE_CLOEXEC))
          : -1;
  if (bare && !FenceIn(directory)) _exit(119);
  if (chdir(directory) != 0) _exit(120);
  // The raw calls: libc's would have all threads change their identity.
  const gid_t groups[] = {kSecondGroup};
  if (syscall(SYS_setgroups, 1, groups) != 0 ||
      syscall(SYS_setresgid, setting.user, setting.user, setting.user) != 0) {
    _exit(121);
  }
  if (setting.user != 0 && syscall(SYS_setresuid, setting.user, setting.user, setting.user) != 0) {
    _exit(121);
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  umask(022);
  if (as_in_private_view && !EnterUserNamespace(proc, id_map)) _exit(124);
  if (bare && !DropCapabilities()) _exit(122);
  char path[] = "PATH=/usr/bin:/bin";
  char* const environment[] = {path, nullptr};
  syscall(SYS_execveat, program, "", argv, environment, AT_EMPTY_PATH);
  _exit(123);
}

}  // namespace

const char* WayName(Way way) {
  switch (way) {
    case Way::kBare: return "bare";
    case Way::kWrites: return "scope=writes";
    case Way::kAll: return "scope=all";
  }
  return "";
}

Batch::Batch(const Setting& setting) : setting_(setting) {
  std::string base = setting.scratch;
  if (base.empty()) base = getenv("TMPDIR") != nullptr ? getenv("TMPDIR") : "/tmp";
  scratch_ = base + "/differential.XXXXXX";
  if (mkdtemp(scratch_.data()) == nullptr) Fail("mkdtemp");
  if (chmod(scratch_.c_str(), 0711) != 0) Fail("chmod");
  mount_ = scratch_;
  for (int level = 0; level < kLevelsAround; ++level) {
    mount_ += "/s";
    if (mkdir(mount_.c_str(), 0711) != 0 || chown(mount_.c_str(), kStranger, kStranger) != 0) {
      Fail("mkdir");
    }
    around_.push_back(mount_);
  }
  mount_ += "/mount";
  if (mkdir(mount_.c_str(), 0755) != 0 || chown(mount_.c_str(), kStranger, kStranger) != 0) {
    Fail("mkdir");
  }
  // In the mount, and not the program's to change.
  executor_ = mount_ + "/executor";
  std::error_code error;
  std::filesystem::copy_file(setting.executor, executor_, error);
  if (error || chmod(executor_.c_str(), 0755) != 0 ||
      chown(executor_.c_str(), kStranger, kStranger) != 0) {
    Fail("copying the executor");
  }
  shared_fd_ = memfd_create("shared", MFD_CLOEXEC);
  if (shared_fd_ < 0 || ftruncate(shared_fd_, sizeof(SharedArea)) != 0) Fail("memfd_create");
  void* memory =
      mmap(nullptr, sizeof(SharedArea), PROT_READ | PROT_WRITE, MAP_SHARED, shared_fd_, 0);
  if (memory == MAP_FAILED) Fail("mmap");
  area_ = static_cast<SharedArea*>(memory);
  sessionctl_fd_ = open(setting.sessionctl.c_str(), O_PATH | O_CLOEXEC);
  if (sessionctl_fd_ < 0) Fail(setting.sessionctl.c_str());
}

Batch::~Batch() {
  munmap(area_, sizeof(SharedArea));
  close(shared_fd_);
  close(sessionctl_fd_);
  RemoveTree(scratch_);
}

std::string Batch::ProgramRoot(size_t index) const { return mount_ + "/p" + std::to_string(index); }

std::vector<std::string> Batch::CommandLine(Way way) const {
  std::vector<std::string> argv;
  if (way != Way::kBare) {
    argv = {"sessionctl", "run", "--mount", mount_, "--keep-fd", "3"};
    const std::vector<const char*> words = ViewAndScope(way, setting_.private_view);
    argv.insert(argv.end(), words.begin(), words.end());
    argv.insert(argv.end(), setting_.session_args.begin(), setting_.session_args.end());
    argv.push_back("--");
  }
  argv.push_back(executor_);
  if (way != Way::kBare && !setting_.lie.empty()) {
    argv.push_back("--lie");
    argv.push_back(setting_.lie);
  }
  if (way == Way::kBare) argv.push_back("--mount-view");
  return argv;
}

bool Batch::Execute(Way way) {
  std::vector<std::string> words = CommandLine(way);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const bool bare = way == Way::kBare;
  const int executor = bare ? open(words[0].c_str(), O_PATH | O_CLOEXEC) : -1;
  const std::string user = std::to_string(setting_.user);
  const std::string id_map = user + " " + user + " 1";
  const pid_t child = fork();
  if (child < 0) Fail("fork");
  if (child == 0) {
    Become(setting_, bare, shared_fd_, bare ? executor : sessionctl_fd_, argv.data(),
           mount_.c_str(), id_map.c_str());
  }
  if (executor >= 0) close(executor);
  int status;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
  fprintf(stderr, "%s: the run ended with %s %d\n", WayName(way),
          WIFEXITED(status) ? "exit code" : "signal",
          WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
  return false;
}

// What a private view has around the mount is its own; the host's directories stay as they were.
bool Batch::NothingAroundMount() const {
  for (const std::string& directory : around_) {
    std::error_code error;
    const std::filesystem::directory_iterator entries(directory, error);
    if (!error && std::distance(begin(entries), end(entries)) == 1) continue;
    fprintf(stderr, "not as it was: %s\n", directory.c_str());
    return false;
  }
  return true;
}

bool Batch::RunAll(const std::vector<Program>& programs, Way way, std::vector<Run>* runs) {
  area_->program_count = static_cast<uint32_t>(programs.size());
  area_->started = time(nullptr);
  snprintf(area_->mount, sizeof(area_->mount), "%s", mount_.c_str());
  memset(area_->results.data(), 0, sizeof(area_->results));
  std::string text;
  bool built = true;
  for (size_t i = 0; i < programs.size(); ++i) {
    text += ToText(programs[i]);
    built = BuildTree(programs[i], Places{ProgramRoot(i), mount_, {}}, setting_.user) && built;
  }
  bool ran = built && text.size() <= kTextLimit;
  if (ran) {
    memcpy(area_->text, text.data(), text.size());
    area_->text_size = static_cast<uint32_t>(text.size());
    ran = Execute(way) && NothingAroundMount();
  }
  runs->assign(programs.size(), Run());
  for (size_t i = 0; i < programs.size(); ++i) {
    (*runs)[i].private_view = way != Way::kBare && setting_.private_view;
    (*runs)[i].native_reads = way == Way::kWrites;
    (*runs)[i].result = area_->results[i];
    (*runs)[i].tree = TakeSnapshot(ProgramRoot(i), area_->started);
    RemoveTree(ProgramRoot(i));
  }
  return ran;
}

}  // namespace differential
