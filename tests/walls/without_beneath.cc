#include "sandbox/walls.h"

namespace sessionctl {

const Walls kWalls = {.beneath = false, .broker_landlock = true, .broker_fence = true};

}  // namespace sessionctl
