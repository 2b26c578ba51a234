#include "sandbox/walls.h"

namespace sessionctl {

const Walls kWalls = {.beneath = true, .broker_landlock = true};

}  // namespace sessionctl
