#include "sandbox/walls.h"

namespace sessionctl {

const Walls kWalls = {.beneath = true, .broker_landlock = false, .broker_fence = false};

}  // namespace sessionctl
