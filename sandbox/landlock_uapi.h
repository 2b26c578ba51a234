// The Landlock constants that this project uses, whatever the build machine's own header knows
// (Debian 12's stops at ABI 2). Values: Documentation/userspace-api/landlock.rst and
// uapi/linux/landlock.h.
#ifndef SANDBOX_LANDLOCK_UAPI_H_
#define SANDBOX_LANDLOCK_UAPI_H_

#include <cstdint>

namespace sessionctl::landlock {

inline constexpr uint64_t kFsExecute = 1ULL << 0;
inline constexpr uint64_t kFsWriteFile = 1ULL << 1;
inline constexpr uint64_t kFsReadFile = 1ULL << 2;
inline constexpr uint64_t kFsReadDir = 1ULL << 3;
inline constexpr uint64_t kFsRemoveDir = 1ULL << 4;
inline constexpr uint64_t kFsRemoveFile = 1ULL << 5;
inline constexpr uint64_t kFsMakeChar = 1ULL << 6;
inline constexpr uint64_t kFsMakeDir = 1ULL << 7;
inline constexpr uint64_t kFsMakeReg = 1ULL << 8;
inline constexpr uint64_t kFsMakeSock = 1ULL << 9;
inline constexpr uint64_t kFsMakeFifo = 1ULL << 10;
inline constexpr uint64_t kFsMakeBlock = 1ULL << 11;
inline constexpr uint64_t kFsMakeSym = 1ULL << 12;
inline constexpr uint64_t kFsRefer = 1ULL << 13;     // ABI 2
inline constexpr uint64_t kFsTruncate = 1ULL << 14;  // ABI 3
inline constexpr uint64_t kFsIoctlDev = 1ULL << 15;  // ABI 5

inline constexpr uint64_t kNetBindTcp = 1ULL << 0;     // ABI 4
inline constexpr uint64_t kNetConnectTcp = 1ULL << 1;  // ABI 4

inline constexpr uint64_t kScopeAbstractUnixSocket = 1ULL << 0;  // ABI 6
inline constexpr uint64_t kScopeSignal = 1ULL << 1;              // ABI 6

// Rights that mean something on a file that is not a directory; the kernel refuses others there
// (EINVAL).
inline constexpr uint64_t kFsFileRights =
    kFsExecute | kFsWriteFile | kFsReadFile | kFsTruncate | kFsIoctlDev;

// The file-system rights that ABI `abi` can handle; 0 for abi < 1.
constexpr uint64_t FsAccessOfAbi(int abi) {
  if (abi < 1) return 0;
  uint64_t access = (1ULL << 13) - 1;
  if (abi >= 2) access |= kFsRefer;
  if (abi >= 3) access |= kFsTruncate;
  if (abi >= 5) access |= kFsIoctlDev;
  return access;
}

// The network rights that ABI `abi` can handle.
constexpr uint64_t NetAccessOfAbi(int abi) { return abi >= 4 ? kNetBindTcp | kNetConnectTcp : 0; }

// The scopes that ABI `abi` can handle.
constexpr uint64_t ScopesOfAbi(int abi) {
  return abi >= 6 ? (kScopeAbstractUnixSocket | kScopeSignal) : 0;
}

}  // namespace sessionctl::landlock

#endif  // SANDBOX_LANDLOCK_UAPI_H_
