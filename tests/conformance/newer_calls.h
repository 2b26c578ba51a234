// Numbers of calls that are newer than the C library's headers.
#ifndef TESTS_CONFORMANCE_NEWER_CALLS_H_
#define TESTS_CONFORMANCE_NEWER_CALLS_H_

#include <cstdint>

namespace conformance {

inline constexpr long kFchmodat2 = 452;
inline constexpr long kSetxattrat = 463;
inline constexpr long kGetxattrat = 464;
inline constexpr long kListxattrat = 465;
inline constexpr long kRemovexattrat = 466;
inline constexpr long kFileGetattr = 468;
inline constexpr long kFileSetattr = 469;

struct XattrArgs {  // linux/xattr.h
  alignas(8) uint64_t value;
  uint32_t size;
  uint32_t flags;
};

}  // namespace conformance

#endif  // TESTS_CONFORMANCE_NEWER_CALLS_H_
