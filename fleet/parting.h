// What both fronts of the control API do with connections that they have no room for (front.h,
// http_server.h).
#ifndef FLEET_PARTING_H_
#define FLEET_PARTING_H_

#include <chrono>
#include <cstddef>

namespace sessionctl {

// Without a free descriptor, until the next look for a connection.
inline constexpr std::chrono::milliseconds kAcceptPause(100);
// A connection that was refused stays open so long, or until so many others were refused: who finds
// it closed before it has sent anything does not look for an answer.
inline constexpr std::chrono::milliseconds kPartingTime(1'000);
inline constexpr size_t kMostParting = 16;

}  // namespace sessionctl

#endif  // FLEET_PARTING_H_
