// `sessionctl serve --system`: one socket for the users of a group. It knows no session. It asks
// the kernel who has connected, and hands the connection over to that user's own supervisor, which
// it starts where none runs. What it does for a user it does as that user, in a process of its own:
// no path, no file and no byte of a user's is looked at with the rights of root.
#ifndef FLEET_FRONT_H_
#define FLEET_FRONT_H_

#include <string>

namespace sessionctl {

inline constexpr char kFrontSocket[] = "/run/sessiond.sock";

struct FrontOptions {
  std::string socket = kFrontSocket;
  std::string group;       // who may connect beside root; "": root alone
  std::string state_base;  // each user's state is below it; "": where the user's own verbs have it
  int ready_fd = -1;
};

// Returns the exit code: 0 when it was told to leave, 1 when another one runs, 125.
int ServeSystem(const FrontOptions& options);

}  // namespace sessionctl

#endif  // FLEET_FRONT_H_
