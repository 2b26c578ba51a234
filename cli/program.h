// What `run` and `spawn` share about the program to start.
#ifndef CLI_PROGRAM_H_
#define CLI_PROGRAM_H_

#include <string>
#include <vector>

namespace sessionctl {

// The argv of the session's command: `command` (from --cmd) in front if it is given, else the words
// alone.
std::vector<std::string> ProgramArguments(const std::string& command,
                                          const std::vector<std::string>& words);

// Under best_effort: says on standard error what the session does without.
void WarnOfMissingWalls(const std::vector<std::string>& missing);

// Says it on standard error.
void Warn(const std::string& warning);

}  // namespace sessionctl

#endif  // CLI_PROGRAM_H_
