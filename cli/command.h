// What a subcommand is: its options, declared on a CLI11 app, and what it does once they are
// parsed. One Add function a subcommand, each in a file of its own.
#ifndef CLI_COMMAND_H_
#define CLI_COMMAND_H_

#include <functional>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"

namespace sessionctl {

inline constexpr int kExitUsage = 2;
inline constexpr int kExitNotFound = 1;      // an unknown session, a bad policy
inline constexpr int kExitOwnFailure = 125;  // policy, kernel or set-up; as in docker and env(1)

// The program's argv: everything from the first non-option on, word for word. Filled before the
// action runs.
using ProgramWords = std::vector<std::string>;

struct Command {
  CLI::App* app;
  std::function<int()> action;      // returns the exit code
  ProgramWords* program = nullptr;  // set when the subcommand ends in a program's argv
};

Command AddRunCommand(CLI::App& root);
Command AddSpawnCommand(CLI::App& root);
Command AddPsCommand(CLI::App& root);
Command AddInspectCommand(CLI::App& root);
Command AddLogsCommand(CLI::App& root);
Command AddAttachCommand(CLI::App& root);
Command AddExecCommand(CLI::App& root);
Command AddWaitCommand(CLI::App& root);
Command AddStopCommand(CLI::App& root);
Command AddKillCommand(CLI::App& root);
Command AddDiffCommand(CLI::App& root);
Command AddCommitCommand(CLI::App& root);
Command AddDiscardCommand(CLI::App& root);
Command AddPruneCommand(CLI::App& root);
Command AddRestartCommand(CLI::App& root);
Command AddEventsCommand(CLI::App& root);
Command AddUpCommand(CLI::App& root);
Command AddDownCommand(CLI::App& root);
Command AddScaleCommand(CLI::App& root);
Command AddTopCommand(CLI::App& root);
Command AddServeCommand(CLI::App& root);
Command AddZygoteCommand(CLI::App& root);  // hidden: of serve
Command AddDoctorCommand(CLI::App& root);
std::vector<Command> AddMountCommands(CLI::App& root);   // add, rm, ls
std::vector<Command> AddPolicyCommands(CLI::App& root);  // check, explain, schema

// "sessionctl: MESSAGE" on standard error; returns `exit_code`.
int Fail(int exit_code, const std::string& message);
int Fail(int exit_code, const absl::Status& status);

// The calling process's environment as "K=V".
std::vector<std::string> CallerEnvironment();

}  // namespace sessionctl

#endif  // CLI_COMMAND_H_
