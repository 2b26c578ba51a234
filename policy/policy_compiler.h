// policy + kernel → the walls: what is mediated, two Landlock rulesets, one seccomp filter, all as
// values. Makes missing mount directories only when the policy says `create`; otherwise it reads
// the file system (canonical paths, existence of system grants) and changes nothing.
#ifndef POLICY_POLICY_COMPILER_H_
#define POLICY_POLICY_COMPILER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "policy/glob_set.h"
#include "policy/identity.h"
#include "policy/limit_plan.h"
#include "policy/mediated_call.h"
#include "policy/network_plan.h"
#include "policy/policy.h"
#include "policy/walked_directories.h"
#include "sandbox/kernel_features.h"
#include "sandbox/overlay_mount.h"
#include "sandbox/seccomp_filter.h"

namespace sessionctl {

struct CompiledMount {
  Mount mount;
  GlobSet deny;
  GlobSet read_only;
  GlobSet hide;
  // The session's own /dev/shm, made by the broker's parent, who must be able to remove it.
  bool is_shared_memory = false;
  // The /tmp of a private view: in memory, and no directory of the host's.
  bool is_private_tmp = false;
  // Of an overlay, from when the broker's parent has made its layers.
  OverlayDirectories overlay;
};

// Has any mount names that are not there for the session?
bool HidesNames(const std::vector<CompiledMount>& mounts);

// A path outside every mount: read-only tree, or a device.
struct SystemGrant {
  std::string path;  // canonical
  bool exec = false;
  bool device = false;  // read and write
};

struct LandlockGrant {
  std::string path;
  uint64_t access;
  std::string reason;  // "mount rw", "filesystem.exec", "broker: caller's umask" …
};

struct LandlockPortGrant {
  uint16_t port;
  uint64_t access;
};

struct LandlockPlan {
  uint64_t handled_fs = 0;
  uint64_t handled_net = 0;
  uint64_t scoped = 0;
  std::vector<LandlockGrant> grants;
  std::vector<LandlockPortGrant> ports;
};

// Where shm_open(3) and sem_open(3) look.
inline constexpr char kSharedMemoryPath[] = "/dev/shm";

// Below which mounts may be given while a session runs, under filesystem.reserve: no Landlock
// domain can be widened, so the rules for them are made at the start, for this directory.
inline constexpr char kReservedPath[] = "/mnt";

// Where System V IPC lives.
enum class IpcPlan {
  kRefused,        // nowhere: the calls answer ENOSYS
  kShared,         // with the user's other processes: the policy allows the group `ipc`
  kNamespace,      // in an IPC namespace of the session's own
  kUserNamespace,  // the same, with a user namespace, because an ordinary user needs one for it
};

// What of the machine the session sees.
struct ViewPlan {
  bool is_private = false;
  std::string reason;                // why, in a sentence
  bool as_user = false;              // an ordinary user needs a user namespace for it
  bool moves_mounts = false;         // a host's directory is seen at another path
  std::string terminal;              // the session's, by the host's path; "": none is given it
  std::vector<std::string> spelled;  // system paths as the policy writes them
  std::vector<WalkedLink> links;     // that lead to what is granted
};

struct CompiledPolicy {
  SessionPolicy policy;  // as resolved: extends and variables expanded, paths canonical
  std::vector<CompiledMount> mounts;  // longest guest path first
  std::vector<SystemGrant> system;    // longest path first
  std::string working_directory;      // absolute
  SessionIdentity identity;
  bool reads_mediated = false;
  std::string reads_reason;  // why, in a sentence, either way
  NetworkPlan network;
  // The broker makes a /dev/shm of the session's own.
  bool private_shared_memory = false;
  ViewPlan view;
  IpcPlan ipc = IpcPlan::kRefused;
  std::string ipc_reason;       // why, in a sentence
  LandlockPlan broker_domain;   // the outer one
  LandlockPlan session_domain;  // the inner one: no write right on anything mediated
  FilterPlan filter;
  FilterPlan broker_filter;  // what the broker itself may call
  LimitPlan limits;
  std::string cgroup_directory;            // where limits.has_cgroup makes one
  std::vector<std::string> missing_walls;  // only under best_effort
  std::vector<std::string> warnings;       // what whoever starts it should know
};

// The variables that expand in mount hosts, as {session} and {user}.
struct PolicyVariables {
  std::string session;
  std::string user;
  // The directory that holds the records of sessions: whatever is granted, no session may reach it.
  // "": none.
  std::string state_directory = {};
  NetworkSources network = {};
};

// Errors: kInvalidArgument (which key, where), kFailedPrecondition (this kernel lacks what the
// policy needs: names the feature, the ABI and `best_effort`), kNotFound / kPermissionDenied (a
// mount's directory).
absl::StatusOr<CompiledPolicy> CompilePolicy(const SessionPolicy& policy,
                                             const PolicyVariables& variables,
                                             const KernelFeatures& features,
                                             const std::vector<MediatedCall>& mediated_calls);

// The text of `policy explain`: grants, limits and who holds them, which calls are mediated, native
// or denied and why, the Landlock rights of both domains, the filter in pseudo-code.
std::string ExplainPolicy(const CompiledPolicy& compiled,
                          const std::vector<MediatedCall>& mediated_calls);

}  // namespace sessionctl

#endif  // POLICY_POLICY_COMPILER_H_
