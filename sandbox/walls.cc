#include "sandbox/walls.h"

namespace sessionctl {
namespace {

// A sanitizer's runtime makes calls of its own in our process, and takes memory by the terabyte.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif
#else
constexpr bool kSanitized = false;
#endif

}  // namespace

const Walls kWalls = {.beneath = true, .broker_landlock = true, .broker_fence = !kSanitized};

}  // namespace sessionctl
