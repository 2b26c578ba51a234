// From argv to a subcommand's exit code.
#ifndef CLI_COMMAND_LINE_H_
#define CLI_COMMAND_LINE_H_

namespace sessionctl {

// The whole of `sessionctl`. Returns the process's exit code: the subcommand's own, or 2 for a
// usage error.
int RunCommandLine(int argc, char** argv);

}  // namespace sessionctl

#endif  // CLI_COMMAND_LINE_H_
