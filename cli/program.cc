#include "cli/program.h"

#include <iostream>

namespace sessionctl {

std::vector<std::string> ProgramArguments(const std::string& command,
                                          const std::vector<std::string>& words) {
  std::vector<std::string> arguments;
  if (!command.empty()) arguments.push_back(command);
  arguments.insert(arguments.end(), words.begin(), words.end());
  return arguments;
}

void WarnOfMissingWalls(const std::vector<std::string>& missing) {
  for (const std::string& wall : missing) {
    std::cerr << "sessionctl: warning: this kernel lacks a wall: " << wall << "\n";
  }
}

void Warn(const std::string& warning) { std::cerr << "sessionctl: warning: " << warning << "\n"; }

}  // namespace sessionctl
