// Reply: what a handler answers a mediated call with. There is no "continue" (trap 14).
#ifndef SUPERVISOR_MEDIATOR_REPLY_H_
#define SUPERVISOR_MEDIATOR_REPLY_H_

#include <cstdint>
#include <utility>

#include "sandbox/base/owned_fd.h"
#include "sandbox/base/sys_result.h"
#include "supervisor/mediator/mount_quota.h"

namespace sessionctl {

class Reply {
 public:
  enum class Kind { kError, kValue, kDescriptor, kSharedDescriptor, kCallerGone };

  static Reply Error(int error) { return Reply(Kind::kError, error); }
  static Reply Value(int64_t value) { return Reply(Kind::kValue, value); }
  // 0 or the errno of `status`.
  static Reply Of(const SysStatus& status) {
    return status.ok() ? Value(0) : Error(status.error());
  }
  // Installs `fd` in the caller.
  static Reply Descriptor(OwnedFd fd, bool close_on_exec) {
    Reply reply(Kind::kDescriptor, 0);
    reply.fd_ = std::move(fd);
    reply.close_on_exec_ = close_on_exec;
    return reply;
  }
  // The same, where it does no harm that we hold the open file for a moment longer than the call
  // lasts (Notifier::SendDescriptor).
  static Reply SharedDescriptor(OwnedFd fd, bool close_on_exec) {
    Reply reply = Descriptor(std::move(fd), close_on_exec);
    reply.kind_ = Kind::kSharedDescriptor;
    return reply;
  }
  // Nobody is left to answer; nothing was done.
  static Reply CallerGone() { return Reply(Kind::kCallerGone, 0); }

  // Holds `pin` until the caller has its answer.
  Reply Keeping(MountQuota::Pin pin) && {
    pin_ = std::move(pin);
    return std::move(*this);
  }

  Kind kind() const { return kind_; }
  int error() const { return kind_ == Kind::kError ? static_cast<int>(value_) : 0; }
  int64_t value() const { return value_; }
  int fd() const { return fd_.get(); }
  bool close_on_exec() const { return close_on_exec_; }

 private:
  Reply(Kind kind, int64_t value) : kind_(kind), value_(value) {}

  Kind kind_;
  int64_t value_;
  MountQuota::Pin pin_;
  OwnedFd fd_;
  bool close_on_exec_ = false;
};

}  // namespace sessionctl

#endif  // SUPERVISOR_MEDIATOR_REPLY_H_
