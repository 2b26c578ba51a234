#include "supervisor/mediator/syscall_args.h"

#include <linux/limits.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <utime.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "sandbox/socket_address.h"

namespace sessionctl {
namespace {

// xattr(7): a name of at most 255 bytes, a value of at most 64 KiB.
constexpr size_t kXattrNameLimit = 256;
constexpr size_t kXattrSizeLimit = 65536;

// memfd_create(2): a name of at most 249 bytes.
constexpr size_t kMemoryNameLimit = 250;
// More than the kernel's own mask has (CONFIG_NR_CPUS is at most 8192).
constexpr size_t kCpuMaskLimit = 1024;
// sched_setattr(2): the first published structure, and the most that any may have.
constexpr uint32_t kSchedAttrFirstSize = 48;
constexpr uint32_t kSchedAttrLimit = 4096;

// struct xattr_args, setxattrat(2).
struct XattrArgs {
  uint64_t value = 0;
  uint32_t size = 0;
  uint32_t flags = 0;
};

class Decoder {
 public:
  Decoder(const SyscallRow& row, const Notification& call, const RemoteTask& task)
      : row_(row), call_(call), task_(task) {
    request_.task_call.nr = call.nr;
    request_.task_call.args = call.args;
  }

  SysResult<SyscallRequest> Decode() {
    for (const ArgSpec& arg : row_.args) {
      SysStatus decoded = DecodeOne(arg);
      if (!decoded.ok()) return Errno(decoded.error());
    }
    // The value is read last (setxattr_copy, fs/xattr.c).
    if (SysStatus value = DecodeXattrValue(); !value.ok()) return Errno(value.error());
    return std::move(request_);
  }

 private:
  uint64_t Value(const ArgSpec& arg) const {
    return arg.reg < 0 ? arg.constant : call_.args.at(static_cast<size_t>(arg.reg));
  }
  uint64_t Next(const ArgSpec& arg) const {
    return call_.args.at(static_cast<size_t>(arg.reg) + 1);
  }
  int Int(const ArgSpec& arg) const { return static_cast<int>(Value(arg)); }

  SysStatus DecodeOne(const ArgSpec& arg) {
    switch (arg.role) {
      case ArgRole::kNone: return Done{};
      case ArgRole::kDirFd: dirfd_ = Int(arg); return Done{};
      case ArgRole::kPath: DecodePath(Value(arg)); return Done{};
      case ArgRole::kOptionalPath: DecodeOptionalPath(Value(arg)); return Done{};
      case ArgRole::kFd: request_.fd = Int(arg); return Done{};
      case ArgRole::kOpenFlags:
        request_.how.flags = static_cast<unsigned>(Value(arg));
        return Done{};
      case ArgRole::kOpenHow: request_.is_openat2 = true; return Struct(arg, &request_.how);
      case ArgRole::kMode:
        request_.mode = static_cast<mode_t>(Value(arg));
        request_.how.mode = request_.mode;
        return Done{};
      case ArgRole::kDev: request_.dev = static_cast<unsigned>(Value(arg)); return Done{};
      case ArgRole::kAtFlags: return DecodeAtFlags(arg);
      case ArgRole::kRenameFlags:
        request_.rename_flags = static_cast<unsigned>(Value(arg));
        return Done{};
      case ArgRole::kTarget: return DecodeTarget(Value(arg));
      case ArgRole::kUid: request_.uid = static_cast<uid_t>(Value(arg)); return Done{};
      case ArgRole::kGid: request_.gid = static_cast<gid_t>(Value(arg)); return Done{};
      case ArgRole::kTimespecs: return DecodeTimespecs(Value(arg));
      case ArgRole::kTimevals: return DecodeTimevals(Value(arg));
      case ArgRole::kUtimbuf: return DecodeUtimbuf(Value(arg));
      case ArgRole::kLength: request_.length = static_cast<int64_t>(Value(arg)); return Done{};
      case ArgRole::kXattrName: return DecodeXattrName(Value(arg));
      case ArgRole::kXattrValue:
        value_address_ = Value(arg);
        value_size_ = Next(arg);
        return Done{};
      case ArgRole::kXattrFlags: return DecodeXattrFlags(Int(arg));
      case ArgRole::kXattrArgs: return DecodeXattrArgs(arg);
      case ArgRole::kFileAttr: return Struct(arg, &request_.file_attr);
      case ArgRole::kMemoryFlags:
        request_.memory_flags = static_cast<unsigned>(Value(arg));
        return Done{};
      case ArgRole::kMemoryName: DecodeMemoryName(Value(arg)); return Done{};
      case ArgRole::kWhich: request_.task_call.which = Int(arg); return Done{};
      case ArgRole::kTask:
        request_.task_call.task_arg = arg.reg;
        request_.task_call.task = Int(arg);
        return Done{};
      case ArgRole::kIn: return DecodeIn(arg, arg.constant);
      case ArgRole::kCpuMask: return DecodeCpuMask(arg);
      case ArgRole::kSchedAttr: return DecodeSchedAttr(arg);
      case ArgRole::kOut: DecodeOut(arg); return Done{};
      case ArgRole::kSocketAddress: DecodeSocketAddress(arg); return Done{};
      case ArgRole::kBacklog: request_.backlog = Int(arg); return Done{};
      case ArgRole::kSendFlags: request_.send_flags = Int(arg); return Done{};
      case ArgRole::kBuffer:
      case ArgRole::kAddressOut:
      case ArgRole::kResultRoom:
        request_.data_address = Value(arg);
        request_.data_size = Next(arg);
        return Done{};
      case ArgRole::kMessage:
      case ArgRole::kResult: request_.data_address = Value(arg); return Done{};
      case ArgRole::kMask: request_.mask = static_cast<unsigned>(Value(arg)); return Done{};
      case ArgRole::kXattrRoom: return DecodeXattrRoom(arg);
      case ArgRole::kMessages:
        request_.data_address = Value(arg);
        request_.data_size = static_cast<unsigned>(Next(arg));
        return Done{};
    }
    return Errno(ENOSYS);
  }

  // The kernel copies all paths of a call, but reports a fault when it comes to that one.
  void DecodePath(uint64_t address) {
    SysResult<std::string> path = task_.ReadPath(address);
    CallerPath& decoded = request_.paths.at(path_count_++);
    decoded = CallerPath{std::exchange(dirfd_, AT_FDCWD), "", path.error()};
    if (path.ok()) decoded.path = std::move(*path);
  }

  void DecodeOptionalPath(uint64_t address) {
    if (address != 0) return DecodePath(address);
    request_.path_is_null = true;
    request_.paths.at(path_count_++) = CallerPath{std::exchange(dirfd_, AT_FDCWD), ""};
  }

  SysStatus DecodeAtFlags(const ArgSpec& arg) {
    request_.at_flags = Int(arg);
    const bool known = arg.reg < 0 || (request_.at_flags & ~static_cast<int>(arg.constant)) == 0;
    return known ? SysStatus(Done{}) : Errno(EINVAL);
  }

  SysStatus DecodeTarget(uint64_t address) {
    SysResult<std::string> target = task_.ReadPath(address);
    if (!target.ok()) return Errno(target.error());
    if (target->empty()) return Errno(ENOENT);
    request_.target = std::move(*target);
    return Done{};
  }

  // copy_struct_from_user: shorter is EINVAL, longer must be zero behind what we know.
  template <typename T>
  SysStatus Struct(const ArgSpec& arg, T* value) {
    uint64_t address = Value(arg);
    uint64_t size = Next(arg);
    if (size < sizeof(T)) return Errno(EINVAL);
    if (size > 4096) return Errno(E2BIG);
    std::string bytes(size, '\0');
    SysStatus read = task_.ReadMemory(address, bytes.data(), bytes.size());
    if (!read.ok()) return read;
    if (std::any_of(bytes.begin() + sizeof(T), bytes.end(), [](char c) { return c != 0; })) {
      return Errno(E2BIG);
    }
    memcpy(value, bytes.data(), sizeof(T));
    return Done{};
  }

  SysStatus DecodeTimespecs(uint64_t address) {
    request_.times_now = address == 0;
    if (request_.times_now) return Done{};
    return task_.ReadMemory(address, request_.times.data(), sizeof(request_.times));
  }

  SysStatus DecodeTimevals(uint64_t address) {
    request_.times_now = address == 0;
    if (request_.times_now) return Done{};
    std::array<timeval, 2> times;
    SysStatus read = task_.ReadMemory(address, times.data(), sizeof(times));
    if (!read.ok()) return read;
    for (size_t i = 0; i < times.size(); ++i) {
      if (times[i].tv_usec < 0 || times[i].tv_usec >= 1000000) return Errno(EINVAL);
      request_.times[i] = timespec{times[i].tv_sec, times[i].tv_usec * 1000};
    }
    return Done{};
  }

  SysStatus DecodeUtimbuf(uint64_t address) {
    request_.times_now = address == 0;
    if (request_.times_now) return Done{};
    utimbuf times;
    SysStatus read = task_.ReadMemory(address, &times, sizeof(times));
    if (!read.ok()) return read;
    request_.times = {timespec{times.actime, 0}, timespec{times.modtime, 0}};
    return Done{};
  }

  // move_addr_to_kernel(), net/socket.c; the kernel looks at the descriptor first.
  void DecodeSocketAddress(const ArgSpec& arg) {
    const int size = static_cast<int>(Next(arg));
    if (size < 0 || static_cast<size_t>(size) > sizeof(sockaddr_storage)) {
      request_.address_error = EINVAL;
      return;
    }
    request_.address.resize(static_cast<size_t>(size));
    request_.address_error =
        task_.ReadMemory(Value(arg), request_.address.data(), request_.address.size()).error();
    request_.paths[0].path = SocketAddressText(request_.address);
  }

  SysStatus DecodeXattrName(uint64_t address) {
    SysResult<std::string> name = task_.ReadString(address, kXattrNameLimit);
    if (!name.ok()) return Errno(name.error());
    if (name->empty()) return Errno(ERANGE);
    request_.xattr_name = std::move(*name);
    return Done{};
  }

  SysStatus DecodeXattrFlags(int flags) {
    request_.xattr_flags = flags;
    return (flags & ~(XATTR_CREATE | XATTR_REPLACE)) == 0 ? SysStatus(Done{}) : Errno(EINVAL);
  }

  SysStatus DecodeXattrArgs(const ArgSpec& arg) {
    XattrArgs args;
    SysStatus read = Struct(arg, &args);
    if (!read.ok()) return read;
    value_address_ = args.value;
    value_size_ = args.size;
    return DecodeXattrFlags(static_cast<int>(args.flags));
  }

  // No flag means anything where a value is read (getxattrat(2)).
  SysStatus DecodeXattrRoom(const ArgSpec& arg) {
    XattrArgs args;
    if (SysStatus read = Struct(arg, &args); !read.ok()) return read;
    request_.data_address = args.value;
    request_.data_size = args.size;
    return args.flags == 0 ? SysStatus(Done{}) : Errno(EINVAL);
  }

  // The kernel looks at the flags first, so a bad name is for the handler to report.
  void DecodeMemoryName(uint64_t address) {
    SysResult<std::string> name = task_.ReadString(address, kMemoryNameLimit);
    const int error = name.error();
    request_.memory_name_error = error == ERANGE ? EINVAL : error;
    if (name.ok()) request_.memory_name = std::move(*name);
  }

  // NULL stays NULL: the kernel says what it thinks of that.
  SysStatus DecodeIn(const ArgSpec& arg, size_t size) {
    if (Value(arg) == 0) return Done{};
    TaskCall& call = request_.task_call;
    call.in_arg = arg.reg;
    call.in.resize(size);
    return task_.ReadMemory(Value(arg), call.in.data(), call.in.size());
  }

  SysStatus DecodeCpuMask(const ArgSpec& arg) {
    const auto size = static_cast<unsigned>(call_.args.at(static_cast<size_t>(arg.reg) - 1));
    return DecodeIn(arg, std::min<size_t>(size, kCpuMaskLimit));
  }

  SysStatus DecodeSchedAttr(const ArgSpec& arg) {
    if (Value(arg) == 0) return Done{};
    uint32_t size = 0;
    if (SysStatus read = task_.ReadMemory(Value(arg), &size, sizeof(size)); !read.ok()) return read;
    if (size == 0) size = kSchedAttrFirstSize;
    if (size < kSchedAttrFirstSize || size > kSchedAttrLimit) return Errno(E2BIG);
    if (SysStatus read = DecodeIn(arg, size); !read.ok()) return read;
    memcpy(request_.task_call.in.data(), &size, sizeof(size));  // as it was looked at
    return Done{};
  }

  void DecodeOut(const ArgSpec& arg) {
    TaskCall& call = request_.task_call;
    call.out_address = Value(arg);
    call.out_size = arg.constant;
    call.out_arg = call.out_address == 0 ? -1 : arg.reg;
  }

  SysStatus DecodeXattrValue() {
    if (value_size_ == 0) return Done{};
    if (value_size_ > kXattrSizeLimit) return Errno(E2BIG);
    request_.xattr_value.resize(value_size_);
    return task_.ReadMemory(value_address_, request_.xattr_value.data(), value_size_);
  }

  const SyscallRow& row_;
  const Notification& call_;
  const RemoteTask& task_;
  SyscallRequest request_;
  int dirfd_ = AT_FDCWD;
  size_t path_count_ = 0;
  uint64_t value_address_ = 0;
  uint64_t value_size_ = 0;
};

}  // namespace

SysResult<SyscallRequest> DecodeRequest(const SyscallRow& row, const Notification& call,
                                        const RemoteTask& task) {
  return Decoder(row, call, task).Decode();
}

}  // namespace sessionctl
