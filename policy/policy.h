// Plain values of a session's policy: what the file or the flags say, before any kernel is asked.
// No behaviour, no I/O; copyable. policy_parser makes them, policy_compiler turns them into walls.
#ifndef POLICY_POLICY_H_
#define POLICY_POLICY_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sessionctl {

// Where a value came from, for messages: "policy.toml:12:3" or "--mount".
struct SourceLocation {
  std::string source;
  int line = 0;
  int column = 0;
};

// An amount that no limit is set for.
inline constexpr int64_t kUnlimited = -1;

// kOverlay: writable, and the host's directory stays as it is.
enum class MountMode { kReadOnly, kReadWrite, kOverlay };
// What becomes of an overlay's changes when the session ends.
enum class OnExit { kKeep, kDiscard, kCommit };
enum class SymlinkRule { kBeneath, kNone };  // kNone: every link is refused (ELOOP)
enum class HardlinkRule { kAny, kSingle };   // kSingle: a file with two names is refused
enum class MediationScope { kAuto, kWrites, kAll };
enum class SharedMemoryRule { kNone, kPrivate };
// kAuto: private where it can be had, else the host's.
enum class ViewRule { kAuto, kPrivate, kHost };
enum class TmpRule { kNone, kPrivate };
// kAuto: private where that costs nothing (a caller with CAP_SYS_ADMIN), else none.
enum class IpcRule { kAuto, kNone, kPrivate };
enum class NetworkMode { kNone, kHost, kAllow };
enum class AuditLevel { kOff, kDenials, kChanges, kAll };

struct Mount {
  std::string host;   // absolute; canonical (no links, no "..") once resolved
  std::string guest;  // where the session sees it; the host's path in the host's view
  std::string
      alias;  // the absolute path as the user spelled it, lexically normalized; may equal host
  MountMode mode = MountMode::kReadWrite;
  OnExit on_exit = OnExit::kKeep;       // kOverlay only, like the next two
  int64_t overlay_size = kUnlimited;    // bytes that the changes take on disk
  int64_t overlay_inodes = kUnlimited;  // files, directories and links among them
  bool exec = true;
  bool create = false;                 // make the directory (mode 0700) when it is missing
  std::vector<std::string> deny;       // globs relative to the mount; `**` spans directories
  std::vector<std::string> read_only;  // likewise
  std::vector<std::string> hide;       // likewise: names that are not there for the session
  SymlinkRule symlinks = SymlinkRule::kBeneath;
  HardlinkRule hardlinks = HardlinkRule::kAny;
  int64_t max_bytes = kUnlimited;  // that the session adds to the mount
  int64_t max_files = kUnlimited;  // names that the session adds to the mount
  bool cross_device = false;  // may a resolution cross onto another file system inside the tree?
  SourceLocation where;

  bool is_writable() const { return mode != MountMode::kReadOnly; }
};

// "ro", "rw" or "overlay".
const char* MountModeName(MountMode mode);

// A path outside every mount that the session may use. A missing system path is skipped.
struct FilesystemPolicy {
  std::vector<std::string> read;     // files or directories, content and listing
  std::vector<std::string> exec;     // the same and execution
  std::vector<std::string> devices;  // device nodes, read and write
  // kPrivate: POSIX shared memory and semaphores work, in a /dev/shm of the session's own.
  SharedMemoryRule shared_memory = SharedMemoryRule::kNone;
  ViewRule view = ViewRule::kAuto;
  TmpRule tmp = TmpRule::kPrivate;  // /tmp in a private view
  // Mounts may be given while the session runs, below kReservedPath (policy_compiler.h).
  bool reserve = false;
};

struct ProcessPolicy {
  std::optional<std::string> working_directory;
  std::vector<std::string> allow_groups;  // names of policy/syscall_groups
  std::vector<std::string> deny_groups;
  IpcRule ipc = IpcRule::kAuto;           // System V IPC
  std::vector<int> keep_fds;              // descriptors beyond 0, 1, 2 that the session inherits
  std::string user;                       // name or number; "": the caller
  std::string group;                      // name or number; "": the user's own
  std::vector<std::string> groups;        // supplementary; empty: those of the user database
  std::vector<std::string> capabilities;  // kept, by their names (sandbox/capabilities.h)
  std::string umask;                      // octal; "": the caller's
  int nice = 0;                           // added to the caller's
  int oom_score_adj = 0;                  // at least
};

// What the session may reach beyond itself, as written; the compiler reads and resolves it.
struct NetworkPolicy {
  NetworkMode mode = NetworkMode::kNone;
  std::vector<std::string> allow;         // kAllow: destinations, HOST[:PORTS][/udp]
  std::vector<std::string> listen;        // kAllow: local addresses, [HOST]:PORTS[/udp]
  bool dns = false;                       // kAllow: the machine's name servers
  std::vector<std::string> unix_sockets;  // socket files outside the writable mounts
  bool unix_datagrams = false;            // AF_UNIX datagram sockets may be made
  std::vector<std::string> families;      // further address families, by name
};

struct EnvironmentPolicy {
  std::vector<std::string>
      pass;  // names taken from the caller's environment; a trailing * is a prefix
  std::map<std::string, std::string> set;  // wins over pass
};

// What a session may use up, as a whole unless said.
struct LimitsPolicy {
  int64_t memory = kUnlimited;      // bytes
  int64_t pids = kUnlimited;        // tasks: processes and threads
  double cpu = 0;                   // processors; 0: no limit
  int64_t cpu_time = kUnlimited;    // milliseconds, like all times here
  int64_t wall_time = kUnlimited;   // since the command started
  int64_t idle_time = kUnlimited;   // without anything done
  int64_t output = kUnlimited;      // bytes, of standard output and error
  int64_t open_files = kUnlimited;  // of one process
  int64_t file_size = kUnlimited;   // bytes, of one file
  int64_t core = kUnlimited;        // bytes
  int64_t stack = kUnlimited;       // bytes, of a main thread
  int64_t grace = 10'000;           // from the signal at a time limit to the end
};

struct KernelPolicy {
  int min_landlock_abi = 0;
  bool best_effort =
      false;  // go on without a missing wall; the session's record names what is missing
};

struct SessionPolicy {
  int version = 1;
  std::string name;
  std::vector<std::string> extends;
  std::vector<Mount> mounts;
  FilesystemPolicy filesystem;
  MediationScope scope = MediationScope::kAuto;
  ProcessPolicy process;
  NetworkPolicy network;
  EnvironmentPolicy environment;
  AuditLevel audit = AuditLevel::kDenials;
  LimitsPolicy limits;
  KernelPolicy kernel;
};

}  // namespace sessionctl

#endif  // POLICY_POLICY_H_
