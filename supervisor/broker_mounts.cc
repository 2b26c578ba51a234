// Mounts that come and go while the session runs: its parent mounts them, the broker learns of it.
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "sandbox/base/fd_channel.h"
#include "supervisor/broker_process_state.h"

namespace sessionctl {
namespace {

// With calls that know a mount which is about to go, and again with those that may not act any
// more.
constexpr std::chrono::milliseconds kPatienceWithCalls(500);

absl::StatusOr<CompiledMount> MountOf(const BrokerRequest& request) {
  CompiledMount compiled;
  Mount& mount = compiled.mount;
  mount.host = mount.guest = mount.alias = request.guest;
  mount.mode = request.read_only ? MountMode::kReadOnly : MountMode::kReadWrite;
  if (request.deny[0] == '\0') return compiled;
  mount.deny.push_back(request.deny);
  absl::StatusOr<GlobSet> deny = GlobSet::Compile(mount.deny);
  if (!deny.ok()) return deny.status();
  compiled.deny = *std::move(deny);
  return compiled;
}

}  // namespace

absl::Status BrokerProcess::ChangeMounts(const BrokerRequest& request, OwnedFd root) {
  const bool adds = request.kind == BrokerRequest::Kind::kAddMount;
  absl::StatusOr<SessionView> next =
      mediator_->view().Get()->session->Without(request.guest, root.get());
  if (next.ok() && adds) {
    absl::StatusOr<CompiledMount> mount = MountOf(request);
    if (!mount.ok()) return mount.status();
    next = next->With(*std::move(mount), std::move(root));
  }
  if (!next.ok()) return next.status();
  mediator_->view().Replace(std::make_shared<const SessionView>(*std::move(next)));
  if (adds || mediator_->view().SeeOff(request.guest, kPatienceWithCalls)) return absl::OkStatus();
  return absl::UnavailableError("a call in the mount is still being carried out");
}

// The parent alone decides which mounts there are. It is gone when nothing more comes, and then the
// session ends (DieWithParent).
void BrokerProcess::HearParent() {
  BrokerRequest request;
  SysResult<ReceivedMessage> message =
      ReceiveWithDescriptors(events_.get(), &request, sizeof(request));
  if (!message.ok()) return;
  hears_parent_ = message->size != 0;
  if (message->size != sizeof(request)) return;
  request.guest[sizeof(request.guest) - 1] = '\0';
  request.deny[sizeof(request.deny) - 1] = '\0';
  const absl::Status changed = ChangeMounts(request, std::move(message->descriptors[0]));
  BrokerEvent event = MakeEvent(BrokerEvent::Kind::kMountsChanged);
  event.request = request.number;
  event.exit_code = changed.ok() ? 0 : absl::IsUnavailable(changed) ? EBUSY : EIO;
  snprintf(event.message, sizeof(event.message), "%s", std::string(changed.message()).c_str());
  Send(event);
}

}  // namespace sessionctl
