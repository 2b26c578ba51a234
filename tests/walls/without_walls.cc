#include "sandbox/walls.h"

namespace sessionctl {

const Walls kWalls = {.beneath = false, .broker_landlock = false, .broker_fence = true};

}  // namespace sessionctl
