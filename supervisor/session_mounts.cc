#include "supervisor/session_mounts.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "policy/late_mount.h"
#include "policy/path_text.h"
#include "policy/view_plan.h"
#include "sandbox/base/fd_channel.h"
#include "sandbox/base/syscalls.h"
#include "sandbox/view_mount.h"

namespace sessionctl {
namespace {

// A host's file system that does not answer holds up a helper, and nobody else.
constexpr std::chrono::seconds kHelperPatience(5);
constexpr std::chrono::seconds kBrokerPatience(5);
constexpr size_t kMostAsked = 16;
constexpr size_t kMostGiven = 64;

// What a helper sends: when it is done, or has failed; before it mounts, with the root of what it
// mounts.
struct HelperReport {
  bool done = true;
  int code = 0;  // of absl::StatusCode
  char message[1024] = {};
  char host[PATH_MAX] = {};
  char guest[PATH_MAX] = {};
  char alias[PATH_MAX] = {};
  char deny[2 * PATH_MAX] = {};
};

bool Fill(const std::string& text, char* to, size_t size) {
  if (text.size() >= size) return false;
  memcpy(to, text.c_str(), text.size() + 1);
  return true;
}

HelperReport ReportOf(const absl::Status& status) {
  HelperReport report;
  report.code = static_cast<int>(status.code());
  snprintf(report.message, sizeof(report.message), "%s", std::string(status.message()).c_str());
  return report;
}

HelperReport ReportOf(const Mount& mount) {
  HelperReport report;
  const std::string deny = mount.deny.empty() ? "" : mount.deny[0];
  const bool fits = Fill(mount.host, report.host, sizeof(report.host)) &&
                    Fill(mount.guest, report.guest, sizeof(report.guest)) &&
                    Fill(mount.alias, report.alias, sizeof(report.alias)) &&
                    Fill(deny, report.deny, sizeof(report.deny));
  return fits ? report : ReportOf(absl::InvalidArgumentError("a path is too long"));
}

void Tell(int socket, const HelperReport& report, int root) {
  if (!SendWithDescriptors(socket, &report, sizeof(report), &root, root >= 0 ? 1 : 0).ok()) {
    _exit(1);
  }
}

void MountAndTell(int socket, int view, const absl::StatusOr<Mount>& mount) {
  HelperReport report = mount.ok() ? ReportOf(*mount) : ReportOf(mount.status());
  if (report.code != 0) return Tell(socket, report, -1);
  report.done = false;
  const absl::Status mounted =
      MountInView(view, kReservedPath, PlanMountEntry(*mount),
                  [socket, &report](int root) { Tell(socket, report, root); });
  Tell(socket, ReportOf(mounted), -1);
}

absl::StatusOr<Mount> Written(const ControlRequest& request) {
  Mount mount;
  mount.where.source = "mount add";
  mount.host = request.host;
  mount.guest = request.guest;
  const std::array<MountMode, 3> modes = {MountMode::kReadOnly, MountMode::kReadWrite,
                                          MountMode::kOverlay};
  const auto mode = std::find_if(modes.begin(), modes.end(), [&request](MountMode each) {
    return request.mode == MountModeName(each);
  });
  if (mode == modes.end()) return absl::InvalidArgumentError("mode: \"ro\" or \"rw\" is needed");
  mount.mode = *mode;
  return mount;
}

}  // namespace

void SessionMounts::Take(const ControlRequest& request, OwnedFd client) {
  if (asked_.size() >= kMostAsked) {
    const std::string answer =
        ControlAnswer(absl::ResourceExhaustedError("too many changes of mounts wait already"));
    send(client.get(), answer.data(), answer.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    return;
  }
  asked_.push_back({.request = request, .client = std::move(client)});
  if (asked_.size() == 1) Begin();
}

void SessionMounts::Begin() {
  while (!asked_.empty() && step_ == Step::kNothing) {
    current_ = {};
    failure_ = absl::OkStatus();
    absl::Status reserved = CheckReserve(*policy_);
    if (reserved.ok() && (broker_->view() < 0 || record_->value.state != SessionState::kRunning)) {
      reserved = absl::FailedPreconditionError("the session has not started yet");
    }
    if (!reserved.ok()) {
      Finish(reserved);
      continue;
    }
    const ControlRequest& request = asked_.front().request;
    if (request.operation == ControlRequest::Operation::kAddMount) {
      BeginAdding(request);
    } else {
      BeginRemoving(NormalizeLexically(request.guest));
    }
  }
}

void SessionMounts::BeginAdding(const ControlRequest& request) {
  if (given_.size() >= kMostGiven) {
    return Finish(absl::ResourceExhaustedError(
        absl::StrCat("a session gets at most ", kMostGiven, " mounts while it runs")));
  }
  absl::StatusOr<Mount> written = Written(request);
  if (!written.ok()) return Finish(written.status());
  current_.mount = *written;
  StartHelper(Step::kHelperMounts, [this](int socket) {
    MountAndTell(socket, broker_->view(),
                 ResolveLateMount(*policy_, Mounts(), current_.mount, variables_));
  });
}

void SessionMounts::BeginRemoving(const std::string& guest) {
  const auto found = std::find_if(given_.begin(), given_.end(), [&guest](const Given& given) {
    return given.mount.guest == guest;
  });
  if (found == given_.end()) {
    return Finish(absl::FailedPreconditionError(
        absl::StrCat("no mount was added at ", guest, " while the session ran")));
  }
  for (const Given& other : given_) {
    if (&other == &*found || !IsAtOrBelow(other.mount.guest, guest)) continue;
    return Finish(absl::FailedPreconditionError(
        absl::StrCat("the mount at ", other.mount.guest, " lies below, and goes first")));
  }
  SysResult<OwnedFd> root = Duplicate(found->root.get());
  if (!root.ok()) return Finish(absl::ErrnoToStatus(root.error(), guest));
  current_ = {.mount = found->mount, .root = std::move(*root)};
  TellBroker(Step::kBrokerForgets, BrokerRequest::Kind::kRemoveMount);
}

std::vector<Mount> SessionMounts::Mounts() const {
  std::vector<Mount> mounts;
  for (const Given& each : given_) mounts.push_back(each.mount);
  return mounts;
}

void SessionMounts::StartHelper(Step step, const Work& work) {
  std::array<int, 2> ends;
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return Finish(absl::ErrnoToStatus(errno, "socketpair"));
  }
  helpers_socket_.Reset(ends[0]);
  const OwnedFd theirs(ends[1]);
  const pid_t monitor = getpid();
  helper_ = fork();
  if (helper_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != monitor) _exit(1);
    prctl(PR_SET_NAME, "session-mount");
    helpers_socket_.Reset();
    work(theirs.get());
    _exit(0);
  }
  if (helper_ < 0) return Finish(absl::ErrnoToStatus(errno, "fork"));
  step_ = step;
  deadline_ = Clock::now() + kHelperPatience;
}

void SessionMounts::EndHelper() {
  helpers_socket_.Reset();
  if (helper_ < 0) return;
  kill(helper_, SIGKILL);
  // One that cannot be killed yet falls to the end of the session.
  const bool hangs = Clock::now() >= deadline_;
  while (waitpid(helper_, nullptr, hangs ? WNOHANG : 0) < 0 && errno == EINTR) {
  }
  helper_ = -1;
}

void SessionMounts::HearHelper() {
  HelperReport report;
  SysResult<ReceivedMessage> message =
      ReceiveWithDescriptors(helpers_socket_.get(), &report, sizeof(report), MSG_DONTWAIT);
  if (message.error() == EAGAIN) return;
  if (message.ok() && message->size == sizeof(report) && !report.done) {
    current_.mount.host = report.host;
    current_.mount.guest = report.guest;
    current_.mount.alias = report.alias;
    current_.mount.deny.clear();
    if (report.deny[0] != '\0') current_.mount.deny.emplace_back(report.deny);
    current_.root = std::move(message->descriptors[0]);
    return;
  }
  EndHelper();
  if (!message.ok() || message->size != sizeof(report)) {
    return Continue(absl::InternalError("the process that mounts ended before it was done"));
  }
  if (report.code != 0) {
    report.message[sizeof(report.message) - 1] = '\0';
    return Continue(absl::Status(static_cast<absl::StatusCode>(report.code), report.message));
  }
  Continue(absl::OkStatus());
}

void SessionMounts::TellBroker(Step step, BrokerRequest::Kind kind) {
  const Mount& mount = current_.mount;
  BrokerRequest request = {};
  request.kind = kind;
  request.number = ++last_request_;
  request.read_only = !mount.is_writable();
  Fill(mount.guest, request.guest, sizeof(request.guest));
  if (!mount.deny.empty()) Fill(mount.deny[0], request.deny, sizeof(request.deny));
  step_ = step;
  deadline_ = Clock::now() + kBrokerPatience;
  SysStatus sent = broker_->Request(request, current_.root.get());
  if (!sent.ok()) Continue(absl::ErrnoToStatus(sent.error(), "the session's broker"));
}

void SessionMounts::HearBroker(const BrokerEvent& event) {
  const bool awaited = step_ == Step::kBrokerLearns || step_ == Step::kBrokerForgets;
  if (!awaited || event.request != last_request_) return;
  if (event.exit_code == EBUSY) {
    return Continue(absl::FailedPreconditionError(absl::StrCat(
        "a call in the mount at ", current_.mount.guest,
        " is still being carried out; it is granted no more: remove it again to take it off")));
  }
  Continue(event.exit_code == 0 ? absl::OkStatus() : absl::InternalError(event.message));
}

void SessionMounts::StartUnmounting() {
  StartHelper(Step::kHelperUnmounts, [this](int socket) {
    Tell(socket,
         ReportOf(UnmountInView(broker_->view(), kReservedPath, current_.mount.guest,
                                current_.root.get())),
         -1);
  });
}

// The step that was waited for is over.
void SessionMounts::Continue(const absl::Status& done) {
  switch (step_) {
    case Step::kNothing: return;
    case Step::kHelperMounts:
      if (!done.ok()) {
        if (!current_.root.valid()) return Finish(done);
        failure_ = done;  // it may be there all the same
        return StartUnmounting();
      }
      return TellBroker(Step::kBrokerLearns, BrokerRequest::Kind::kAddMount);
    case Step::kBrokerLearns:
      if (!done.ok()) {
        // Should it hear of it after all, it hears of this, too.
        failure_ = done;
        return TellBroker(Step::kBrokerForgets, BrokerRequest::Kind::kRemoveMount);
      }
      given_.push_back(std::move(current_));
      Record();
      return Finish(absl::OkStatus());
    case Step::kBrokerForgets:
      if (!done.ok() && failure_.ok()) return Finish(done);
      return StartUnmounting();
    case Step::kHelperUnmounts:
      if (!failure_.ok() || !done.ok()) return Finish(failure_.ok() ? done : failure_);
      std::erase_if(
          given_, [this](const Given& given) { return given.mount.guest == current_.mount.guest; });
      Record();
      return Finish(absl::OkStatus());
  }
}

void SessionMounts::Record() {
  std::vector<SessionMount>& mounts = record_->value.mounts;
  std::erase_if(mounts, [](const SessionMount& mount) { return mount.added; });
  for (const Given& each : given_) {
    mounts.push_back({.host = each.mount.host,
                      .mode = MountModeName(each.mount.mode),
                      .guest = each.mount.guest,
                      .added = true});
  }
  record_->Save();
}

// By the names that it has by now, else by those that were asked for.
void SessionMounts::Audit(const absl::Status& status) const {
  const ControlRequest& request = asked_.front().request;
  const bool adds = request.operation == ControlRequest::Operation::kAddMount;
  const Mount& mount = adds && status.ok() ? given_.back().mount : current_.mount;
  audit_->Record({.adds = adds,
                  .guest = mount.guest.empty() ? request.guest : mount.guest,
                  .host = mount.host.empty() ? request.host : mount.host,
                  .mode = request.mode,
                  .refused = std::string(status.message())});
}

void SessionMounts::Finish(const absl::Status& status) {
  Audit(status);
  step_ = Step::kNothing;
  EndHelper();
  current_ = {};
  // What is not there is the host's directory, not the session.
  const std::string answer = ControlAnswer(
      absl::IsNotFound(status) ? absl::InvalidArgumentError(status.message()) : status);
  send(asked_.front().client.get(), answer.data(), answer.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  asked_.pop_front();
}

void SessionMounts::Watch(PollLoop* loop) {
  if (step_ != Step::kNothing && Clock::now() >= deadline_) {
    EndHelper();
    const bool helper = step_ == Step::kHelperMounts || step_ == Step::kHelperUnmounts;
    Continue(absl::DeadlineExceededError(helper ? "the host's file system does not answer"
                                                : "the session's broker does not answer"));
  }
  Begin();
  if (helpers_socket_.valid()) {
    loop->Watch(helpers_socket_.get(), POLLIN, [this](short) { HearHelper(); });
  }
}

int SessionMounts::Timeout() const {
  if (step_ == Step::kNothing) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - Clock::now()).count();
  return static_cast<int>(std::max<int64_t>(left, 0));
}

void SessionMounts::End() {
  while (!asked_.empty()) {
    Finish(absl::FailedPreconditionError("the session has ended"));
  }
}

}  // namespace sessionctl
