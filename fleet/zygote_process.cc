#include "fleet/zygote_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <utility>

#include "fleet/message_socket.h"
#include "fleet/spawn_spec.h"
#include "nlohmann/json.hpp"
#include "policy/identity.h"
#include "policy/policy_parser.h"
#include "sandbox/base/own_memory.h"
#include "sandbox/base/raw_log.h"
#include "sandbox/base/syscalls.h"
#include "sandbox/filter_cache.h"
#include "supervisor/broker.h"
#include "supervisor/mediator/syscall_table.h"
#include "supervisor/session_manager.h"

namespace sessionctl {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMaxSpec = size_t{32} << 20;
// A compiled policy stands for what the machine looked like: directories, names of hosts, users. It
// serves a burst of starts, no more.
constexpr std::chrono::seconds kCompiledFor(1);
constexpr char kPlacesDirectory[] = "deployments";

void SendReport(int pipe, int exit_code, const std::string& message) {
  MonitorReport report = {.exit_code = exit_code, .message = {}};
  snprintf(report.message, sizeof(report.message), "%s", message.c_str());
  if (!WriteAll(pipe, &report, sizeof(report)).ok()) RawLog("zygote: report");
}

// A policy, ready for monitors. Compiled here unless it differs from session to session.
struct PreparedPolicy {
  SessionPolicy policy;
  std::optional<CompiledPolicy> compiled;
  Clock::time_point made;
};

class ZygoteServer {
 public:
  explicit ZygoteServer(const SessionStore& store)
      : store_(store), features_(ProbeKernelFeatures()) {}

  // One message; false at the end of the stream.
  bool ServeOne();

 private:
  absl::StatusOr<const PreparedPolicy*> Prepare(const std::string& text);
  absl::Status Start(const std::string& id, int spec_file, OwnedFd& report);
  [[noreturn]] void BecomeMonitor(MonitorOptions options, OwnedFd report);

  const SessionStore& store_;
  const KernelFeatures features_;
  FilterCache filters_;
  FilledHoles holes_;
  std::string prepared_text_;
  std::unique_ptr<PreparedPolicy> prepared_;
};

absl::StatusOr<const PreparedPolicy*> ZygoteServer::Prepare(const std::string& text) {
  const Clock::time_point now = Clock::now();
  if (prepared_ != nullptr && prepared_text_ == text && now - prepared_->made < kCompiledFor) {
    return prepared_.get();
  }
  prepared_.reset();
  holes_.Release();
  absl::StatusOr<SessionPolicy> policy = ParsePolicy(text, "policy");
  if (!policy.ok()) return policy.status();
  if (policy->process.user.empty()) policy->process.user = DefaultUserOfSpawned();
  auto prepared = std::make_unique<PreparedPolicy>(PreparedPolicy{*std::move(policy), {}, now});
  if (!NamesSession(prepared->policy)) {
    absl::StatusOr<CompiledPolicy> compiled =
        CompilePolicy(prepared->policy, SessionVariables(""), features_, MediatedCalls());
    if (!compiled.ok()) return compiled.status();
    prepared->compiled = *std::move(compiled);
    // A plan that cannot be compiled is the session's failure to start, which says so.
    filters_.Get(prepared->compiled->filter).IgnoreError();
    filters_.Get(prepared->compiled->broker_filter).IgnoreError();
  }
  prepared_text_ = text;
  prepared_ = std::move(prepared);
  holes_.Fill();  // else each session pays for the pages that this has left torn
  return prepared_.get();
}

// Whoever holds this lock is the one session of its place.
absl::StatusOr<LockFile> LockPlace(const SessionStore& store, const SessionPlace& place) {
  const std::string file = place.session + "-" + std::to_string(place.replica) + ".lock";
  if (!MakeDirectoryBeneath(store.fd(), kPlacesDirectory, 0700).ok()) {
    // It is there already, or the next step says what is wrong.
  }
  const std::string directory = std::string(kPlacesDirectory) + "/" + place.deployment;
  if (!MakeDirectoryBeneath(store.fd(), directory, 0700).ok()) {
    // As above.
  }
  SysResult<LockFile> lock = LockFile::Acquire(store.fd(), directory + "/" + file, LockWait::kTry);
  if (lock.ok()) return std::move(*lock);
  const std::string name =
      place.deployment + "/" + place.session + "-" + std::to_string(place.replica);
  if (lock.error() == EWOULDBLOCK) return absl::AlreadyExistsError("a session lives in " + name);
  return absl::ErrnoToStatus(lock.error(), "place " + name);
}

void ZygoteServer::BecomeMonitor(MonitorOptions options, OwnedFd report) {
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  sigaction(SIGCHLD, &action, nullptr);  // without SA_NOCLDWAIT: a monitor awaits its broker
  if (!options.place.deployment.empty()) {
    absl::StatusOr<LockFile> lock = LockPlace(store_, options.place);
    if (!lock.ok()) {
      const bool taken = absl::IsAlreadyExists(lock.status());
      SendReport(report.get(), taken ? kPlaceTaken : kOwnFailure,
                 std::string(lock.status().message()));
      _exit(0);
    }
    // Held for the monitor's life, by the descriptor alone.
    const int held = fcntl(lock->fd(), F_DUPFD_CLOEXEC, 3);
    if (held < 0) _exit(1);
    options.keep_open.push_back(held);
    RunMonitor(store_, options, std::move(report));
  }
  RunMonitor(store_, options, std::move(report));
}

absl::Status ZygoteServer::Start(const std::string& id, int spec_file, OwnedFd& report) {
  SysResult<std::string> text = ReadMemoryFile(spec_file, kMaxSpec);
  if (!text.ok()) return absl::ErrnoToStatus(text.error(), "the session's spec");
  const auto json = nlohmann::ordered_json::parse(*text, nullptr, /*allow_exceptions=*/false);
  SpawnSpec spec;
  if (const auto wrong = SpecFromJson(json, /*internal=*/true, spec); wrong.has_value()) {
    return absl::InvalidArgumentError(wrong->field + ": " + wrong->message);
  }
  absl::StatusOr<const PreparedPolicy*> prepared = Prepare(spec.policy);
  if (!prepared.ok()) return prepared.status();
  MonitorOptions options = {.id = id,
                            .name = spec.name,
                            .argv = spec.command,
                            .environment = spec.environment,
                            .policy = &(*prepared)->policy,
                            .features = &features_,
                            .filters = &filters_,
                            .labels = spec.labels,
                            .place = spec.place,
                            .stop = spec.stop,
                            .terminal = spec.terminal,
                            .stdin_open = spec.stdin_open,
                            .log = spec.log,
                            .spec = *std::move(text),
                            .umask = spec.umask};
  if ((*prepared)->compiled.has_value()) options.compiled = &*(*prepared)->compiled;
  const pid_t child = fork();
  if (child < 0) return absl::ErrnoToStatus(errno, "fork");
  if (child == 0) BecomeMonitor(std::move(options), std::move(report));
  return absl::OkStatus();
}

// That it has been dealt with. Whoever does not hear it has gone, which the next look tells.
bool Acknowledge() {
  if (!SendSocketMessage(kZygoteSocket, kZygoteTook, {}).ok()) RawLog("zygote: acknowledgement");
  return true;
}

bool ZygoteServer::ServeOne() {
  SysResult<SocketMessage> message = ReceiveSocketMessage(kZygoteSocket, 64);
  if (!message.ok()) {
    return message.error() != EPIPE && message.error() != ECONNRESET && Acknowledge();
  }
  if (!IsSessionId(message->bytes) || message->descriptors.size() != 2) return Acknowledge();
  OwnedFd& report = message->descriptors[1];
  // Whoever asked has gone, with everybody who could know of this session.
  pollfd asker = {.fd = report.get(), .events = 0};
  if (poll(&asker, 1, 0) > 0 && (asker.revents & POLLERR) != 0) return Acknowledge();
  const absl::Status started = Start(message->bytes, message->descriptors[0].get(), report);
  if (!started.ok()) SendReport(report.get(), kOwnFailure, std::string(started.message()));
  return Acknowledge();
}

}  // namespace

int RunZygote() {
  prctl(PR_SET_NAME, "sessionctl-zyg");
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  action.sa_flags = SA_NOCLDWAIT;  // monitors are nobody's zombies
  sigaction(SIGCHLD, &action, nullptr);
  absl::StatusOr<SessionStore> store = SessionStore::OpenDefault();
  if (!store.ok()) {
    RawLog(std::string(store.status().message()).c_str());
    return kOwnFailure;
  }
  ZygoteServer zygote(*store);
  while (zygote.ServeOne()) {
  }
  return 0;
}

}  // namespace sessionctl
