#include "sandbox/walls.h"

namespace sessionctl {

const Walls kWalls = {.beneath = false, .broker_landlock = true};

}  // namespace sessionctl
