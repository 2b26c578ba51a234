#include "sandbox/private_view.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sandbox/base/syscalls.h"
#include "sandbox/view_parts.h"
#include "sandbox/view_places.h"

namespace sessionctl {
namespace {

// Directories that every machine has; the new root is mounted on one for a moment, in a namespace
// where nobody else sees it.
constexpr std::array<const char*, 4> kStagingPlaces = {"/tmp", "/run", "/var", "/usr"};
// Of a file that is replaced all the time: some 50 ms.
constexpr int kMostCopies = 1000;

SysStatus Attach(int mount, int directory, const char* path) {
  if (move_mount(mount, "", directory, path, MOVE_MOUNT_F_EMPTY_PATH) != 0) return LastErrno();
  return Done{};
}

SysResult<OwnedFd> NewFileSystemOf(const ViewEntry& entry) {
  const uint64_t attributes = MountAttributes(entry);
  switch (entry.kind) {
    case ViewEntry::Kind::kMemory: return NewFileSystem("tmpfs", {"mode", "1777"}, attributes);
    case ViewEntry::Kind::kReserved:  // read-only when the mounts of the start have their places
      return NewFileSystem("tmpfs", {"mode", "0755", "size", "4m"},
                           attributes & ~uint64_t{MOUNT_ATTR_RDONLY});
    default: return NewFileSystem("devpts", {"ptmxmode", "0666", "mode", "0620"}, attributes);
  }
}

SysStatus MakeReadOnly(int mount) {
  mount_attr attributes = {};
  attributes.attr_set = MOUNT_ATTR_RDONLY;
  if (mount_setattr(mount, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) != 0) {
    return LastErrno();
  }
  return Done{};
}

class Builder {
 public:
  absl::Status Prepare(const std::vector<ViewEntry>& entries);
  absl::Status Fill(const std::vector<ViewEntry>& entries);
  absl::Status Become();
  int root() const { return root_.get(); }

 private:
  struct Tree {
    OwnedFd mount;
    bool is_directory = true;
  };

  SysStatus AttachRoot();
  absl::Status Place(const ViewEntry& entry, Tree& tree);
  SysStatus Mount(const ViewEntry& entry, Tree& tree, const ViewPlaces::Place& place);
  SysResult<OwnedFd> CopyAgain(const ViewEntry& entry) const;
  absl::Status PlaceLink(const ViewEntry& entry);

  OwnedFd root_;
  std::string covered_;  // the host's directory that the root lies on until it is one
  OwnedFd below_root_;   // the same, where what is in it is found still
  ViewPlaces places_;
  std::vector<Tree> trees_;    // as the entries
  std::vector<int> reserved_;  // of them, those that are read-only at last
};

// The host's trees are copied before anything is mounted: what is mounted may hide them.
absl::Status Builder::Prepare(const std::vector<ViewEntry>& entries) {
  if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return ViewError("/", "making mounts private", errno);
  }
  trees_.resize(entries.size());
  for (size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].kind == ViewEntry::Kind::kOverlay) {
      absl::StatusOr<OwnedFd> made = MountOverlay(entries[i].overlay, MountAttributes(entries[i]));
      if (!made.ok()) return made.status();
      trees_[i].mount = *std::move(made);
    }
    if (entries[i].kind != ViewEntry::Kind::kTree) continue;
    SysResult<OwnedFd> tree = CloneTree(entries[i], &trees_[i].is_directory);
    if (!tree.ok()) return ViewError(entries[i].source, "bind mount", tree.error());
    trees_[i].mount = std::move(*tree);
  }
  SysResult<OwnedFd> root =
      NewFileSystem("tmpfs", {"mode", "0755", "size", "4m"}, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
  if (!root.ok()) return ViewError("/", "tmpfs", root.error());
  root_ = std::move(*root);
  if (SysStatus attached = AttachRoot(); !attached.ok()) {
    return ViewError("/", "a place for the new root", attached.error());
  }
  if (SysStatus begun = places_.Begin(root_.get()); !begun.ok()) {
    return ViewError("/", "fstat", begun.error());
  }
  return absl::OkStatus();
}

SysStatus Builder::AttachRoot() {
  int error = ENOENT;
  for (const char* place : kStagingPlaces) {
    SysResult<OwnedFd> below = OpenAt(AT_FDCWD, place, O_PATH | O_DIRECTORY);
    SysStatus attached = Attach(root_.get(), AT_FDCWD, place);
    error = attached.error();
    if (!attached.ok()) continue;
    covered_ = place;
    if (below.ok()) below_root_ = std::move(*below);
    return Done{};
  }
  return Errno(error);
}

// Of the host's tree, which the new root may cover by now.
SysResult<OwnedFd> Builder::CopyAgain(const ViewEntry& entry) const {
  bool is_directory = false;
  if (!entry.source.starts_with(covered_ + "/")) return CloneTree(entry, &is_directory);
  const char* below = entry.source.c_str() + covered_.size() + 1;
  return CloneTreeFrom(below_root_.get(), below, entry, &is_directory);
}

// A file of the host's that was replaced by rename since it was copied (/etc/resolv.conf) is not
// mounted any more: ENOENT. Then its successor is. No link decides where it goes: the root of the
// view would be left by one. In a directory of our own the name is none.
SysStatus Builder::Mount(const ViewEntry& entry, Tree& tree, const ViewPlaces::Place& place) {
  OwnedFd hosts;
  if (!place.ours) {
    SysResult<OwnedFd> found =
        OpenAt2(root_.get(), entry.path.c_str() + 1,
                {.flags = O_PATH | O_CLOEXEC, .resolve = kResolveNoSymlinks | kResolveBeneath});
    if (!found.ok()) return Errno(found.error());
    hosts = std::move(*found);
  }
  const int at = place.ours ? place.directory : hosts.get();
  const char* const name = place.ours ? place.leaf.c_str() : "";
  const unsigned flags = MOVE_MOUNT_F_EMPTY_PATH | (place.ours ? 0 : MOVE_MOUNT_T_EMPTY_PATH);
  for (int copies = 1;; ++copies) {
    if (move_mount(tree.mount.get(), "", at, name, flags) == 0) return Done{};
    if (errno != ENOENT || entry.kind != ViewEntry::Kind::kTree || copies == kMostCopies) {
      return LastErrno();
    }
    SysResult<OwnedFd> copy = CopyAgain(entry);
    if (!copy.ok()) return Errno(copy.error());
    tree.mount = std::move(*copy);
  }
}

absl::Status Builder::Place(const ViewEntry& entry, Tree& tree) {
  SysResult<ViewPlaces::Place> place = places_.Make(entry.path, tree.is_directory);
  if (!place.ok()) return ViewError(entry.path, "no place to mount it", place.error());
  if (entry.kind == ViewEntry::Kind::kProcesses) return absl::OkStatus();  // the reaper's
  if (!tree.mount.valid()) {
    SysResult<OwnedFd> made = NewFileSystemOf(entry);
    if (!made.ok()) return ViewError(entry.path, "new file system", made.error());
    tree.mount = std::move(*made);
    if (entry.kind != ViewEntry::Kind::kTerminals) {
      if (SysStatus added = places_.AddOwn(tree.mount.get()); !added.ok()) {
        return ViewError(entry.path, "fstat", added.error());
      }
    }
    if (entry.kind == ViewEntry::Kind::kReserved) reserved_.push_back(tree.mount.get());
  }
  if (SysStatus mounted = Mount(entry, tree, *place); !mounted.ok()) {
    return ViewError(entry.path, "mounting", mounted.error());
  }
  places_.Forget(entry.path);
  return absl::OkStatus();
}

absl::Status Builder::PlaceLink(const ViewEntry& entry) {
  SysResult<ViewPlaces::Place> place = places_.Find(entry.path);
  // Behind a link, or in a tree of the host's: it is there already.
  if (!place.ok() || !place->ours) return absl::OkStatus();
  if (symlinkat(entry.source.c_str(), place->directory, place->leaf.c_str()) != 0 &&
      errno != EEXIST) {
    return ViewError(entry.path, "symlink", errno);
  }
  return absl::OkStatus();
}

absl::Status Builder::Fill(const std::vector<ViewEntry>& entries) {
  for (size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].kind == ViewEntry::Kind::kLink) continue;
    if (absl::Status placed = Place(entries[i], trees_[i]); !placed.ok()) return placed;
  }
  for (const ViewEntry& entry : entries) {
    if (entry.kind != ViewEntry::Kind::kLink) continue;
    if (absl::Status placed = PlaceLink(entry); !placed.ok()) return placed;
  }
  return absl::OkStatus();
}

// pivot_root(2), "pivot_root(".", ".")": the old root lies over the new one until it is taken off.
absl::Status Builder::Become() {
  reserved_.push_back(root_.get());
  for (const int mount : reserved_) {
    if (SysStatus made = MakeReadOnly(mount); !made.ok()) {
      return ViewError("/", "making it read-only", made.error());
    }
  }
  if (fchdir(root_.get()) != 0) return ViewError("/", "fchdir", errno);
  if (syscall(SYS_pivot_root, ".", ".") != 0) return ViewError("/", "pivot_root", errno);
  if (umount2(".", MNT_DETACH) != 0) return ViewError("/", "leaving the host's root", errno);
  if (chdir("/") != 0) return ViewError("/", "chdir", errno);
  return absl::OkStatus();
}

// The first process of the namespace. The kernel reaps its children itself (SIGCHLD is ignored),
// and lets no signal from inside end it. Async-signal-safe: the calling process may be large.
[[noreturn]] void Reap(int root, int report, int lifeline, const ViewEntry* processes,
                       const OwnMemory& memory) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_NAME, "session-reaper");
  ForgetWords(memory);
  struct sigaction ignore = {};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGCHLD, &ignore, nullptr);
  int error = 0;
  if (processes != nullptr) {
    SysResult<OwnedFd> procfs = NewFileSystem("proc", {}, MountAttributes(*processes));
    error = procfs.ok() ? Attach(procfs->get(), root, processes->path.c_str() + 1).error()
                        : procfs.error();
  }
  if (write(report, &error, sizeof(error)) != sizeof(error) || error != 0) _exit(1);
  ForgetHeap(memory);  // by what is left of this process only the stack is used
  if (lifeline > 0) syscall(SYS_close_range, 0, lifeline - 1, 0);
  syscall(SYS_close_range, lifeline + 1, ~0U, 0);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  // read, write, _exit and sigreturn: nothing else, for good.
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0) _exit(1);
  char byte;
  while (read(lifeline, &byte, 1) < 0 && errno == EINTR) {
  }
  for (;;) syscall(SYS_exit, 0);
}

}  // namespace

SysStatus ViewReaper::EnterForChildren() const {
  if (setns(namespace_.get(), CLONE_NEWPID) != 0) return LastErrno();
  return Done{};
}

void ViewReaper::End() { lifeline_.Reset(); }

SysStatus ViewReaper::Start(int root, const ViewEntry* processes, const OwnMemory& memory) {
  std::array<int, 2> report;
  std::array<int, 2> lifeline;
  if (pipe2(report.data(), O_CLOEXEC) != 0) return LastErrno();
  OwnedFd report_end(report[0]);
  OwnedFd their_report(report[1]);
  if (pipe2(lifeline.data(), O_CLOEXEC) != 0) return LastErrno();
  OwnedFd their_lifeline(lifeline[0]);
  lifeline_.Reset(lifeline[1]);
  const auto pid =
      static_cast<pid_t>(syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, nullptr, nullptr, nullptr, 0));
  if (pid < 0) return LastErrno();
  if (pid == 0) {
    close(lifeline[1]);
    Reap(root, report[1], lifeline[0], processes, memory);
  }
  pid_ = pid;
  their_report.Reset();
  int error = EPIPE;
  ssize_t size;
  while ((size = read(report_end.get(), &error, sizeof(error))) < 0 && errno == EINTR) {
  }
  if (size != static_cast<ssize_t>(sizeof(error))) error = EPIPE;
  if (error != 0) return Errno(error);
  const std::string name = absl::StrCat("/proc/", pid, "/ns/pid");
  SysResult<OwnedFd> opened = OpenAt(AT_FDCWD, name.c_str(), O_RDONLY);
  if (!opened.ok()) return Errno(opened.error());
  namespace_ = std::move(*opened);
  return Done{};
}

absl::Status EnterPrivateView(std::vector<ViewEntry> entries, const OwnMemory& memory,
                              ViewReaper* reaper) {
  // What lies around something comes before it.
  std::stable_sort(entries.begin(), entries.end(),
                   [](const ViewEntry& a, const ViewEntry& b) { return a.path < b.path; });
  Builder builder;
  absl::Status built = builder.Prepare(entries);
  const mode_t callers = umask(0);  // the modes of what is made are those that are said here
  if (built.ok()) built = builder.Fill(entries);
  umask(callers);
  if (!built.ok()) return built;
  const auto processes = std::find_if(entries.begin(), entries.end(), [](const ViewEntry& entry) {
    return entry.kind == ViewEntry::Kind::kProcesses;
  });
  // While /proc of the host is still there: the kernel shows a new one only to who sees all of that
  // one (mount_too_revealing, fs/namespace.c).
  if (SysStatus started =
          reaper->Start(builder.root(), processes != entries.end() ? &*processes : nullptr, memory);
      !started.ok()) {
    return ViewError("/proc",
                     "a procfs of the session's own (is a part of the host's /proc covered?)",
                     started.error());
  }
  return builder.Become();
}

}  // namespace sessionctl
