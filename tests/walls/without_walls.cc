#include "sandbox/walls.h"

namespace sessionctl {

const Walls kWalls = {.beneath = false, .broker_landlock = false};

}  // namespace sessionctl
