#include "supervisor/mediator/handlers/message.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

namespace sessionctl {
namespace {

constexpr uint64_t kMaxPieces = 1024;       // UIO_MAXIOV
constexpr uint64_t kMaxControl = 64 << 10;  // the kernel's own bound is optmem_max, 128 KiB
constexpr size_t kMaxDescriptors = 253;     // SCM_MAX_FD

// struct user_msghdr, as the kernel reads it.
struct RemoteHeader {
  uint64_t name;
  int32_t name_size;
  uint32_t padding;
  uint64_t pieces;
  uint64_t piece_count;
  uint64_t control;
  uint64_t control_size;
  uint32_t flags;
  uint32_t end;
};
static_assert(sizeof(RemoteHeader) == kMessageLengthOffset);

SysResult<std::string> ReadBytes(const RemoteTask& task, uint64_t address, uint64_t size) {
  std::string bytes(size, '\0');
  SysStatus read = task.ReadMemory(address, bytes.data(), size);
  if (!read.ok()) return Errno(read.error());
  return bytes;
}

SysStatus ReadName(const RemoteTask& task, const RemoteHeader& header, CallerMessage* message) {
  if (header.name != 0 && header.name_size < 0) return Errno(EINVAL);
  message->has_name = header.name != 0 && header.name_size > 0;
  if (!message->has_name) return Done{};
  const auto size = std::min(static_cast<size_t>(header.name_size), sizeof(sockaddr_storage));
  SysResult<std::string> name = ReadBytes(task, header.name, size);
  if (!name.ok()) return Errno(name.error());
  message->name = std::move(*name);
  return Done{};
}

// Source routes (and whatever else may come) lead to another address than the one decided on.
bool MayAccompany(int level, int type) {
  constexpr int kIp[] = {IP_TOS, IP_TTL, IP_PKTINFO};
  constexpr int kIpv6[] = {IPV6_PKTINFO, IPV6_HOPLIMIT, IPV6_TCLASS, IPV6_DONTFRAG};
  if (level == IPPROTO_IP) return std::find(std::begin(kIp), std::end(kIp), type) != std::end(kIp);
  if (level == IPPROTO_IPV6) {
    return std::find(std::begin(kIpv6), std::end(kIpv6), type) != std::end(kIpv6);
  }
  return true;
}

class Carrier {
 public:
  Carrier(CallContext& context, bool rules) : context_(context), rules_(rules) {}

  // One control message; `data` is its payload, in place.
  SysStatus Carry(const cmsghdr& header, char* data, size_t size) {
    if (rules_ && !MayAccompany(header.cmsg_level, header.cmsg_type)) {
      return Errno(context_.Take({EPERM, "control data that leads past the address"}));
    }
    if (header.cmsg_level != SOL_SOCKET) return Done{};
    if (header.cmsg_type == SCM_RIGHTS) return CarryDescriptors(data, size);
    if (header.cmsg_type == SCM_CREDENTIALS) return CarryCredentials(data, size);
    return Done{};
  }

  std::vector<OwnedFd> fds;

 private:
  SysStatus CarryDescriptors(char* data, size_t size) {
    const size_t count = size / sizeof(int);
    if (count + fds.size() > kMaxDescriptors) return Errno(EINVAL);
    for (size_t i = 0; i < count; ++i) {
      int number;
      memcpy(&number, data + i * sizeof(int), sizeof(int));
      SysResult<OwnedFd> same = context_.task().Descriptor(number);
      if (!same.ok()) return Errno(same.error());
      number = same->get();
      memcpy(data + i * sizeof(int), &number, sizeof(int));
      fds.push_back(std::move(*same));
    }
    return Done{};
  }

  SysStatus CarryCredentials(char* data, size_t size) const {
    ucred credentials;
    if (size != sizeof(credentials)) return Errno(EINVAL);
    memcpy(&credentials, data, sizeof(credentials));
    SysResult<RemoteTask::Status> status = context_.task().ReadStatus();
    if (!status.ok()) return Errno(ESRCH);
    if (credentials.pid != status->own_thread_group) return Errno(EPERM);
    credentials.pid = getpid();
    memcpy(data, &credentials, sizeof(credentials));
    return Done{};
  }

  CallContext& context_;
  const bool rules_;
};

}  // namespace

RemotePayload::RemotePayload(std::vector<Piece> pieces) : pieces_(std::move(pieces)) {
  for (const Piece& piece : pieces_) remaining_ += piece.size;
}

SysResult<std::string> RemotePayload::Read(const RemoteTask& task, uint64_t size) const {
  std::string bytes(size, '\0');
  uint64_t filled = 0;
  for (const Piece& piece : pieces_) {
    const uint64_t part = std::min<uint64_t>(piece.size, size - filled);
    if (part == 0) continue;
    SysStatus read = task.ReadMemory(piece.address, bytes.data() + filled, part);
    if (!read.ok()) return Errno(read.error());
    filled += part;
  }
  return bytes;
}

void RemotePayload::Take(uint64_t size) {
  remaining_ -= size;
  for (Piece& piece : pieces_) {
    const uint64_t part = std::min(piece.size, size);
    piece.address += part;
    piece.size -= part;
    size -= part;
  }
}

SysResult<CallerMessage> ReadMessage(const RemoteTask& task, uint64_t address) {
  RemoteHeader header;
  if (SysStatus read = task.ReadMemory(address, &header, sizeof(header)); !read.ok()) {
    return Errno(read.error());
  }
  CallerMessage message;
  if (SysStatus name = ReadName(task, header, &message); !name.ok()) return Errno(name.error());
  if (header.piece_count > kMaxPieces) return Errno(EMSGSIZE);
  std::vector<RemotePayload::Piece> pieces(header.piece_count);
  SysStatus read = task.ReadMemory(header.pieces, pieces.data(), pieces.size() * sizeof(pieces[0]));
  if (!read.ok()) return Errno(read.error());
  uint64_t left = INT_MAX & ~uint64_t{4095};  // MAX_RW_COUNT
  for (RemotePayload::Piece& piece : pieces) {
    if (static_cast<int64_t>(piece.size) < 0) return Errno(EINVAL);
    piece.size = std::min(piece.size, left);
    left -= piece.size;
  }
  message.payload = RemotePayload(std::move(pieces));
  if (header.control_size > kMaxControl) return Errno(ENOBUFS);
  SysResult<std::string> control =
      ReadBytes(task, header.control, header.control != 0 ? header.control_size : 0);
  if (!control.ok()) return Errno(control.error());
  message.control = std::move(*control);
  return message;
}

SysResult<OwnControl> CarryOver(CallContext& context, const std::string& control, bool rules) {
  OwnControl own;
  own.bytes = control;
  Carrier carrier(context, rules);
  // As for_each_cmsghdr() walks them; what is too short for a header is ignored.
  for (size_t at = 0; at + sizeof(cmsghdr) <= own.bytes.size();) {
    cmsghdr header;
    memcpy(&header, own.bytes.data() + at, sizeof(header));
    if (header.cmsg_len < sizeof(header) || header.cmsg_len > own.bytes.size() - at) {
      return Errno(EINVAL);
    }
    SysStatus carried = carrier.Carry(header, own.bytes.data() + at + sizeof(header),
                                      header.cmsg_len - sizeof(header));
    if (!carried.ok()) return Errno(carried.error());
    at += CMSG_ALIGN(header.cmsg_len);
  }
  own.fds = std::move(carrier.fds);
  return own;
}

}  // namespace sessionctl
